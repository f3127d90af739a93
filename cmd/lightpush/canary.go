package main

import (
	"time"

	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/internal/canary"
	"github.com/lightpush/lightpush/internal/metrics"
)

// canaryOptions are those of both roles.
func canaryOptions(b *backend, process string) canary.Options {
	few := b.log.Sample(&zerolog.BurstSampler{Burst: 1, Period: 10 * time.Second})
	return canary.Options{
		Process: process, Interval: b.cfg.CanaryInterval,
		Store: b.store, Sender: b.store.Sender(),
		Leaving: b.draining.Load,
		Away:    func() bool { return b.readiness.check() != nil },
		Observe: func(from canary.Origin, age time.Duration) {
			b.metrics.CanarySeconds.WithLabelValues(string(from)).Observe(age.Seconds())
		},
		Failed: func(f canary.Failure) { b.metrics.CanaryFailures.WithLabelValues(string(f)).Inc() },
		Changed: func(f canary.Failure, err error) {
			switch {
			case f == "":
				b.log.Info().Msg("canary: messages flow again")
			case err == nil:
				b.log.Warn().Str("failure", string(f)).Msg("canary: no connector gets what the logic processes write; pushes are kept until one does")
			default:
				b.log.Error().Err(err).Str("failure", string(f)).Msg("canary: not ready, messages do not flow")
			}
		},
		OnError: func(err error) { few.Warn().Err(err).Msg("canary") },
	}
}

// newNodeCanary returns nil when there is to be none.
func newNodeCanary(b *backend, node string) *canary.Node {
	if b.cfg.CanaryInterval == 0 {
		return nil
	}
	return canary.NewNode(canaryOptions(b, node))
}

// canaryReason is what the canaries of this process say.
func (p *process) canaryReason() error {
	switch {
	case p.connector != nil && p.connector.canary != nil:
		return p.connector.canary.Check()
	case p.logic != nil && p.logic.canary != nil:
		return p.logic.canary.Check()
	}
	return nil
}

// startCanary is for a process without a connector, whose own would do as well.
func (l *logic) startCanary(b *backend, id string) {
	if b.cfg.CanaryInterval == 0 {
		return
	}
	l.canary = canary.NewLogic(canaryOptions(b, id))
	l.canary.Start()
}

func knownOfCanary(set *metrics.Set) {
	metrics.Known(set.CanaryFailures, metrics.Each(canary.Write, canary.Read, canary.Latency, canary.Others, canary.Unheard, canary.Nobody)...)
}
