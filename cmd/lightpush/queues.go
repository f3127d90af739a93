package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"

	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/metrics"
	"github.com/lightpush/lightpush/internal/queue"
)

// farewells is the part of the logic role that makes disconnect callbacks.
type farewells struct {
	sender *callback.Sender
	worker *queue.Worker
}

func startFarewells(b *backend, id string) *farewells {
	f := &farewells{sender: callback.NewSender(b.namespaces, callbackOptions(b))}
	o := workerOptions(b, queue.Callback, id)
	o.Concurrency, o.Attempts, o.Handle = b.cfg.CallbackConcurrency, b.cfg.CallbackAttempts, f.sender.Handle
	f.worker = queue.NewWorker(b.store.Queues(), o)
	f.worker.Start()
	return f
}

// stop lets calls under way end until ctx ends; what is left waits in the
// queue.
func (f *farewells) stop(ctx context.Context) {
	f.worker.Close(ctx)
	f.sender.Close()
}

// workerOptions are what all workers of this process have in common.
func workerOptions(b *backend, name, id string) queue.Options {
	var unique [4]byte // a restart under the same name is another worker
	_, _ = rand.Read(unique[:])
	return queue.Options{
		Queue: name, ID: id + "-" + hex.EncodeToString(unique[:]), Lease: b.cfg.NodeLease,
		OnError: func(err error) { b.log.Error().Err(err).Str("queue", name).Msg("queue; will be tried again") },
		Observe: func(a queue.Attempt) {
			b.metrics.Jobs.WithLabelValues(name, string(a.Outcome)).Inc()
			b.metrics.JobSeconds.WithLabelValues(name).Observe(a.Took.Seconds())
			if a.Err == nil {
				return
			}
			var panicked *queue.PanicError
			if errors.As(a.Err, &panicked) {
				b.metrics.Panics.Inc()
				b.log.Error().Err(a.Err).Bytes("stack", panicked.Stack).Str("queue", name).Str("job", a.Job.ID).Msg("panic in a job")
				return
			}
			event := b.log.Debug()
			if a.Outcome == queue.OutcomeBuried {
				event = b.log.Error()
			}
			event.Err(a.Err).Str("queue", name).Str("job", a.Job.ID).Int("attempt", a.Job.Attempt).Msg("job " + string(a.Outcome))
		},
	}
}

func callbackOptions(b *backend) callback.Options {
	return callback.Options{
		Timeout: b.cfg.CallbackTimeout, Concurrency: b.cfg.CallbackConcurrency, BreakerAfter: b.cfg.CallbackBreaker,
		Allow: b.cfg.CallbackAllow, Deny: b.cfg.CallbackDeny,
		OnError: func(kind, ns string, err error) {
			b.log.Warn().Err(err).Str("namespace", ns).Str("callback", kind).Msg("callback failed")
		},
		Observe: func(kind, result string) { b.metrics.Callbacks.WithLabelValues(kind, result).Inc() },
	}
}

// queueFigures reads the figures of all queues when they are scraped.
func queueFigures(b *backend) func(context.Context) ([]metrics.Queue, error) {
	return func(ctx context.Context) (figures []metrics.Queue, err error) {
		for _, name := range queue.Names {
			s, err := b.store.Queues().Stats(ctx, name)
			if err != nil {
				return nil, err
			}
			figures = append(figures, metrics.Queue{
				Name: name, Waiting: s.Waiting, Ready: s.Ready, Working: s.Working, Dead: s.Dead, OldestDue: s.OldestDue,
			})
		}
		return figures, nil
	}
}
