// Package queuetest is a queue.Store in memory for unit tests, and the suite
// that every queue.Store passes.
//
// Only tests import it. It owns no goroutines.
package queuetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/lightpush/lightpush/internal/queue"
)

// Memory is a queue.Store in memory. The zero value is ready; safe for
// concurrent use.
type Memory struct {
	mu     sync.Mutex
	ahead  time.Duration // how far its clock is before time.Now
	fail   func(op, queue string) error
	queues map[string]*memory
}

type memory struct {
	waiting []*entry // by due, then in the order they came
	ready   []string
	jobs    map[string]*entry
	held    map[string][]string // worker → ids
	leases  map[string]time.Time
	dead    []queue.DeadJob // newest first; Job holds the id only
	done    map[string]bool
}

type entry struct {
	job queue.Job
	due time.Time
}

var _ queue.Store = (*Memory)(nil)

// Advance moves the clock of the store forward.
func (m *Memory) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ahead += d
}

// Fail makes operations fail with what f returns for them; op is the name of
// the method. nil ends it.
func (m *Memory) Fail(f func(op, queue string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = f
}

// Jobs are the jobs of a queue that are not dead, in no order.
func (m *Memory) Jobs(name string) (jobs []queue.Job) {
	q, _ := m.begin("", name)
	defer m.mu.Unlock()
	for id, e := range q.jobs {
		if !slices.ContainsFunc(q.dead, func(d queue.DeadJob) bool { return d.ID == id }) {
			jobs = append(jobs, e.job)
		}
	}
	return jobs
}

// begin locks; the caller unlocks.
func (m *Memory) begin(op, name string) (*memory, error) {
	m.mu.Lock()
	if m.fail != nil && op != "" {
		if err := m.fail(op, name); err != nil {
			return nil, err
		}
	}
	if m.queues == nil {
		m.queues = map[string]*memory{}
	}
	q := m.queues[name]
	if q == nil {
		q = &memory{jobs: map[string]*entry{}, held: map[string][]string{}, leases: map[string]time.Time{}, done: map[string]bool{}}
		m.queues[name] = q
	}
	return q, nil
}

func (m *Memory) now() time.Time { return time.Now().Add(m.ahead) }

// wait puts e in its place by due time.
func (q *memory) wait(e *entry) {
	at, _ := slices.BinarySearchFunc(q.waiting, e.due, func(w *entry, due time.Time) int {
		if w.due.After(due) {
			return 1
		}
		return -1
	})
	q.waiting = slices.Insert(q.waiting, at, e)
}

// drop takes id from the worker's list; false when it is not there.
func (q *memory) drop(worker, id string) bool {
	at := slices.Index(q.held[worker], id)
	if at < 0 {
		return false
	}
	q.held[worker] = slices.Delete(q.held[worker], at, at+1)
	return true
}

// Enqueue implements queue.Store.
func (m *Memory) Enqueue(_ context.Context, name string, jobs []queue.Job, delay time.Duration) error {
	q, err := m.begin("Enqueue", name)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	now := m.now()
	for _, j := range jobs {
		if q.jobs[j.ID] != nil || q.done[j.ID] {
			continue
		}
		e := &entry{job: queue.Job{ID: j.ID, Body: slices.Clone(j.Body), Enqueued: now.UnixMilli()}, due: now.Add(delay)}
		q.jobs[j.ID] = e
		q.wait(e)
	}
	return nil
}

// Take implements queue.Store.
func (m *Memory) Take(_ context.Context, name, worker string, held []string, most int, lease time.Duration) (jobs []queue.Job, err error) {
	q, err := m.begin("Take", name)
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	now := m.now()
	q.leases[worker] = now.Add(lease)
	for w, end := range q.leases {
		if end.Before(now) {
			for _, id := range q.held[w] {
				q.jobs[id].job.Attempt++
				q.jobs[id].job.Failed++
			}
			q.ready = append(slices.Clone(q.held[w]), q.ready...)
			delete(q.held, w)
			delete(q.leases, w)
		}
	}
	for len(q.waiting) > 0 && !q.waiting[0].due.After(now) {
		q.ready = append(q.ready, q.waiting[0].job.ID)
		q.waiting = q.waiting[1:]
	}
	for _, id := range q.held[worker] {
		if !slices.Contains(held, id) {
			jobs = append(jobs, q.jobs[id].job)
		}
	}
	n := min(len(q.ready), max(0, most))
	for _, id := range q.ready[:n] {
		q.held[worker] = append(q.held[worker], id)
		jobs = append(jobs, q.jobs[id].job)
	}
	q.ready = q.ready[n:]
	return jobs, nil
}

// Done implements queue.Store.
func (m *Memory) Done(_ context.Context, name, worker string, ids []string) error {
	q, err := m.begin("Done", name)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if q.drop(worker, id) {
			delete(q.jobs, id)
			q.done[id] = true
		}
	}
	return nil
}

// Retry implements queue.Store.
func (m *Memory) Retry(_ context.Context, name, worker, id string, delay time.Duration, body []byte, failed bool) error {
	q, err := m.begin("Retry", name)
	defer m.mu.Unlock()
	if err != nil || !q.drop(worker, id) {
		return err
	}
	e := q.jobs[id]
	e.job.Attempt++
	if failed {
		e.job.Failed++
	}
	if body != nil {
		e.job.Body = slices.Clone(body)
	}
	e.due = m.now().Add(delay)
	q.wait(e)
	return nil
}

// Bury implements queue.Store.
func (m *Memory) Bury(_ context.Context, name, worker, id, reason string) error {
	q, err := m.begin("Bury", name)
	defer m.mu.Unlock()
	if err != nil || !q.drop(worker, id) {
		return err
	}
	q.dead = slices.Insert(q.dead, 0, queue.DeadJob{Job: q.jobs[id].job, Reason: reason, Buried: m.now().UnixMilli()})
	return nil
}

// Leave implements queue.Store.
func (m *Memory) Leave(_ context.Context, name, worker string) error {
	q, err := m.begin("Leave", name)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	q.ready = append(slices.Clone(q.held[worker]), q.ready...)
	delete(q.held, worker)
	delete(q.leases, worker)
	return nil
}

// Dead implements queue.Store.
func (m *Memory) Dead(_ context.Context, name string, offset, count int) ([]queue.DeadJob, int64, error) {
	q, err := m.begin("Dead", name)
	defer m.mu.Unlock()
	if err != nil {
		return nil, 0, err
	}
	from := min(max(0, offset), len(q.dead))
	return slices.Clone(q.dead[from:min(from+max(0, count), len(q.dead))]), int64(len(q.dead)), nil
}

// Requeue implements queue.Store.
func (m *Memory) Requeue(_ context.Context, name string, ids []string) (moved int64, err error) {
	q, err := m.begin("Requeue", name)
	defer m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	for _, d := range slices.Backward(slices.Clone(q.dead)) {
		if len(ids) > 0 && !slices.Contains(ids, d.ID) {
			continue
		}
		q.dead = slices.DeleteFunc(q.dead, func(o queue.DeadJob) bool { return o.ID == d.ID })
		e := q.jobs[d.ID]
		e.job.Attempt, e.job.Failed, e.due = 0, 0, m.now()
		q.wait(e)
		moved++
	}
	return moved, nil
}

// Stats implements queue.Store.
func (m *Memory) Stats(_ context.Context, name string) (s queue.Stats, err error) {
	q, err := m.begin("Stats", name)
	defer m.mu.Unlock()
	if err != nil {
		return queue.Stats{}, err
	}
	now := m.now()
	oldest := now
	for _, e := range q.waiting {
		if e.due.After(now) {
			s.Waiting++
			continue
		}
		s.Ready++
		oldest = earlier(oldest, e.due)
	}
	for _, id := range q.ready {
		s.Ready++
		oldest = earlier(oldest, q.jobs[id].due)
	}
	for _, ids := range q.held {
		s.Working += int64(len(ids))
	}
	s.Dead, s.OldestDue = int64(len(q.dead)), now.Sub(oldest)
	return s, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
