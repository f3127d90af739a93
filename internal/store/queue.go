package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/queue"
)

const (
	// enqueueMax and enqueueBytes bound one script call.
	enqueueMax   = 500
	enqueueBytes = 1 << 20
	// doneKept is how long, and doneMax how many, finished jobs are
	// remembered, so that a second request for one does nothing.
	doneKept = 10 * time.Minute
	doneMax  = 100_000
	// deadMax bounds the jobs that were given up; the oldest go first, and
	// OnError hears of it.
	deadMax     = 100_000
	reviveStep  = 200 // dead jobs of one script call
	reviveNamed = 10  // the same when each must be searched
	jobIDMax    = 2000
)

// errJob is returned for a job that cannot be stored.
var errJob = errors.New("the id of a job must have 1 to 2000 bytes, its body at most 256 KiB")

// Queues are the queues of the store.
func (s *Store) Queues() queue.Store { return queues{s} }

// queues implements queue.Store.
type queues struct{ s *Store }

// Enqueue implements queue.Store.
func (q queues) Enqueue(ctx context.Context, name string, jobs []queue.Job, delay time.Duration) error {
	for _, j := range jobs {
		if j.ID == "" || len(j.ID) > jobIDMax || len(j.Body) > queue.BodyMax {
			return fmt.Errorf("enqueue to %s: %w", name, errJob)
		}
	}
	for _, o := range q.s.enqueueOps(name, jobs, delay) {
		if err := q.s.run(ctx, o); err != nil {
			return fmt.Errorf("enqueue to %s: %w", name, err)
		}
	}
	return nil
}

// enqueueOps are the commands that add jobs to a queue, for the pipeline of
// whatever the jobs are about. They can be repeated: ids are unique.
func (s *Store) enqueueOps(name string, jobs []queue.Job, delay time.Duration) []*op {
	k := s.keys.queue(name)
	var ops []*op
	for len(jobs) > 0 {
		o := queueEnqueue.call([]string{k.later, k.ready, k.jobs, k.done}, max(0, delay).Microseconds())
		n, size := 0, 0
		for n < len(jobs) && n < enqueueMax && (n == 0 || size < enqueueBytes) {
			o.args = append(o.args, jobs[n].ID, jobs[n].Body)
			size += len(jobs[n].Body)
			n++
		}
		ops = append(ops, o)
		jobs = jobs[n:]
	}
	return ops
}

// Take implements queue.Store: one round trip, and one more for each worker
// that died.
func (q queues) Take(ctx context.Context, name, worker string, held []string, most int, lease time.Duration) ([]queue.Job, error) {
	most = min(most, queue.TakeMax)
	jobs, expired, err := q.take(ctx, name, worker, held, most, lease)
	if err == nil && len(expired) > 0 {
		for _, w := range expired {
			if err = q.reclaim(ctx, name, w); err != nil {
				break
			}
		}
		if err == nil && len(jobs) < most {
			held = slices.Clone(held)
			for _, j := range jobs {
				held = append(held, j.ID)
			}
			var more []queue.Job
			more, _, err = q.take(ctx, name, worker, held, most-len(jobs), lease)
			jobs = append(jobs, more...)
		}
		if err != nil && len(jobs) > 0 {
			err = nil // what was taken must be worked on; the next call tries again
		}
	}
	if err != nil {
		return nil, fmt.Errorf("take from %s: %w", name, err)
	}
	return jobs, nil
}

func (q queues) take(ctx context.Context, name, worker string, held []string, most int, lease time.Duration) (jobs []queue.Job, expired []string, err error) {
	k := q.s.keys.queue(name)
	o := queueTake.call([]string{k.later, k.ready, k.jobs, k.workers, k.held(worker)},
		worker, lease.Milliseconds(), max(0, most), len(held))
	if err := q.s.run(ctx, o); err != nil {
		return nil, nil, err
	}
	reply := o.list()
	if len(reply) != 4 {
		return nil, nil, fmt.Errorf("unexpected reply of %d parts", len(reply))
	}
	ids, _ := reply[0].([]any)
	values, _ := reply[1].([]any)
	dead, _ := reply[2].([]any)
	all := toInt(reply[3]) == 1
	for i := min(len(ids), len(values)) - 1; i >= 0; i-- {
		id := toText(ids[i])
		if all && slices.Contains(held, id) {
			continue
		}
		jobs = append(jobs, decodeJob(id, toText(values[i])))
	}
	return jobs, toTexts(dead), nil
}

// reclaim returns what a dead worker held to the queue, in bounded steps.
func (q queues) reclaim(ctx context.Context, name, worker string) error {
	k := q.s.keys.queue(name)
	for range 1 + queue.TakeMax/reviveStep*10 {
		o := queueReclaim.call([]string{k.ready, k.jobs, k.workers, k.held(worker)}, worker, reviveStep)
		if err := q.s.run(ctx, o); err != nil || o.integer() == 0 {
			return err
		}
	}
	return nil // a worker never holds that much; the next call goes on
}

// Done implements queue.Store.
func (q queues) Done(ctx context.Context, name, worker string, ids []string) error {
	k := q.s.keys.queue(name)
	for chunk := range slices.Chunk(ids, enqueueMax) {
		o := queueDone.call([]string{k.held(worker), k.jobs, k.done}, doneKept.Milliseconds(), doneMax)
		for _, id := range chunk {
			o.args = append(o.args, id)
		}
		if err := q.s.run(ctx, o); err != nil {
			return fmt.Errorf("finish jobs of %s: %w", name, err)
		}
	}
	return nil
}

// Retry implements queue.Store.
func (q queues) Retry(ctx context.Context, name, worker, id string, delay time.Duration, body []byte, failed bool) error {
	if len(body) > queue.BodyMax {
		return fmt.Errorf("retry job of %s: %w", name, errJob)
	}
	k := q.s.keys.queue(name)
	o := queueRetry.call([]string{k.held(worker), k.jobs, k.later},
		id, max(0, delay).Microseconds(), flag(failed), flag(body != nil), body)
	if err := q.s.run(ctx, o); err != nil {
		return fmt.Errorf("retry job of %s: %w", name, err)
	}
	return nil
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

// Bury implements queue.Store.
func (q queues) Bury(ctx context.Context, name, worker, id, reason string) error {
	k := q.s.keys.queue(name)
	reason = reason[:min(len(reason), queue.ReasonMax)]
	o := queueBury.call([]string{k.held(worker), k.jobs, k.dead, k.why}, id, strings.ToValidUTF8(reason, "�"), q.s.deadMax)
	if err := q.s.run(ctx, o); err != nil {
		return fmt.Errorf("give up job of %s: %w", name, err)
	}
	if n := o.integer(); n > 0 {
		q.s.opt.OnError(fmt.Errorf("queue %s: too many dead jobs: the oldest %d were removed", name, n))
	}
	return nil
}

// Leave implements queue.Store.
func (q queues) Leave(ctx context.Context, name, worker string) error {
	k := q.s.keys.queue(name)
	if err := q.s.run(ctx, queueLeave.call([]string{k.ready, k.workers, k.held(worker)}, worker)); err != nil {
		return fmt.Errorf("leave queue %s: %w", name, err)
	}
	return nil
}

// Dead implements queue.Store.
func (q queues) Dead(ctx context.Context, name string, offset, count int) (jobs []queue.DeadJob, total int64, err error) {
	k := q.s.keys.queue(name)
	all := do("LLEN", k.dead)
	page := do("LRANGE", k.dead, max(0, offset), max(0, offset)+min(max(0, count), queue.TakeMax)-1)
	ops := []*op{all, page}
	if count <= 0 {
		ops = ops[:1]
	}
	if err := q.s.run(ctx, ops...); err != nil {
		return nil, 0, fmt.Errorf("list dead jobs of %s: %w", name, err)
	}
	var ids []string
	if count > 0 {
		ids = page.texts()
	}
	if len(ids) == 0 {
		return nil, all.integer(), nil
	}
	values, why := do("HMGET", k.jobs), do("HMGET", k.why)
	for _, id := range ids {
		values.args, why.args = append(values.args, id), append(why.args, id)
	}
	if err := q.s.run(ctx, values, why); err != nil {
		return nil, 0, fmt.Errorf("list dead jobs of %s: %w", name, err)
	}
	texts, reasons := values.texts(), why.texts()
	for i, id := range ids {
		if i >= len(texts) || i >= len(reasons) || reasons[i] == "" {
			continue // requeued between the two steps
		}
		at, reason, _ := strings.Cut(reasons[i], "|")
		ms, _ := strconv.ParseInt(at, 10, 64)
		jobs = append(jobs, queue.DeadJob{Job: decodeJob(id, texts[i]), Reason: reason, Buried: ms})
	}
	return jobs, all.integer(), nil
}

// Requeue implements queue.Store.
func (q queues) Requeue(ctx context.Context, name string, ids []string) (moved int64, err error) {
	k := q.s.keys.queue(name)
	on := []string{k.dead, k.why, k.ready, k.jobs}
	if len(ids) > 0 {
		for chunk := range slices.Chunk(ids, reviveNamed) {
			o := queueRequeue.call(on, 0)
			for _, id := range chunk {
				o.args = append(o.args, id)
			}
			if err := q.s.run(ctx, o); err != nil {
				return moved, fmt.Errorf("requeue dead jobs of %s: %w", name, err)
			}
			moved += o.integer()
		}
		return moved, nil
	}
	all := do("LLEN", k.dead)
	if err := q.s.run(ctx, all); err != nil {
		return 0, fmt.Errorf("requeue dead jobs of %s: %w", name, err)
	}
	for left := all.integer(); left > 0; { // those buried meanwhile stay
		o := queueRequeue.call(on, min(left, reviveStep))
		if err := q.s.run(ctx, o); err != nil {
			return moved, fmt.Errorf("requeue dead jobs of %s: %w", name, err)
		}
		n := o.integer()
		if n == 0 {
			break
		}
		moved, left = moved+n, left-n
	}
	return moved, nil
}

// Stats implements queue.Store.
func (q queues) Stats(ctx context.Context, name string) (queue.Stats, error) {
	k := q.s.keys.queue(name)
	o := queueStats.call([]string{k.later, k.ready, k.jobs, k.dead})
	if err := q.s.run(ctx, o); err != nil {
		return queue.Stats{}, fmt.Errorf("figures of queue %s: %w", name, err)
	}
	r := o.list()
	if len(r) != 5 {
		return queue.Stats{}, fmt.Errorf("figures of queue %s: unexpected reply %v", name, r)
	}
	return queue.Stats{
		Waiting: toInt(r[0]), Ready: toInt(r[1]), Working: toInt(r[2]), Dead: toInt(r[3]),
		OldestDue: time.Duration(toInt(r[4])) * time.Microsecond,
	}, nil
}

// decodeJob reads attempt|failed|due|enqueued|body; what is malformed comes
// back with its id alone, for whoever handles it.
func decodeJob(id, text string) queue.Job {
	parts := strings.SplitN(text, "|", 5)
	if len(parts) != 5 {
		return queue.Job{ID: id}
	}
	attempt, err1 := strconv.Atoi(parts[0])
	failed, err2 := strconv.Atoi(parts[1])
	enqueued, err3 := strconv.ParseInt(parts[3], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return queue.Job{ID: id}
	}
	return queue.Job{ID: id, Attempt: attempt, Failed: failed, Enqueued: enqueued, Body: []byte(parts[4])}
}
