// Package queue is the durable work that outlives the process that asked for
// it: offline deliveries and disconnect callbacks. An entry is moved, never
// popped: it stays in the store until it is done, given up, or taken over from
// a worker that died.
//
// It imports nothing of the project. A Worker owns its goroutines between
// Start and Close.
package queue

import (
	"context"
	"time"
)

// Names of the queues.
const (
	Offline  = "offline"  // job id: message id; no body
	Callback = "callback" // job id: client id and generation; body: see callback.Farewell
)

// Names are all queues.
var Names = []string{Offline, Callback}

// Job is one entry of a queue.
type Job struct {
	// ID is unique in its queue. Enqueuing an id again while it is there, or
	// shortly after it was done, changes nothing.
	ID   string
	Body []byte
	// Attempt counts from 0; every Retry and every take-over from a dead
	// worker adds one.
	Attempt int
	// Failed are the attempts that failed or whose worker died with them.
	Failed int
	// Enqueued is when it came, ms on the clock of the store's server.
	Enqueued int64
}

// DeadJob is a job that was given up.
type DeadJob struct {
	Job
	Reason string
	Buried int64 // ms
}

// Stats are the figures of one queue.
type Stats struct {
	Waiting int64 // not yet due
	Ready   int64 // due and not taken
	Working int64 // in the hands of workers
	Dead    int64
	// OldestDue is how long the oldest ready job has been due.
	OldestDue time.Duration
}

// Store keeps queues. All times are on the clock of the store's server, so
// that workers with wrong clocks harm nobody. Implementations are safe for
// concurrent use and wrap their errors once. Every operation can be repeated
// when its reply is lost; one for a job that worker does not hold any more
// changes nothing.
type Store interface {
	// Enqueue adds jobs that become due after delay.
	Enqueue(ctx context.Context, queue string, jobs []Job, delay time.Duration) error
	// Take renews the lease of worker, returns jobs of workers whose lease
	// has ended to the queue, and moves up to max due jobs, oldest first, to
	// the list of worker. held are the ids worker knows it holds: what its
	// list has beyond them, because a reply was lost, is returned again.
	Take(ctx context.Context, queue, worker string, held []string, max int, lease time.Duration) ([]Job, error)
	// Done removes finished jobs of worker.
	Done(ctx context.Context, queue, worker string, ids []string) error
	// Retry makes a job of worker due again after delay, with body in place
	// of its own unless nil. failed counts the attempt as failed.
	Retry(ctx context.Context, queue, worker, id string, delay time.Duration, body []byte, failed bool) error
	// Bury gives a job of worker up: it waits among the dead for Requeue.
	Bury(ctx context.Context, queue, worker, id, reason string) error
	// Leave returns what worker still holds to the queue and forgets it.
	Leave(ctx context.Context, queue, worker string) error
	// Dead returns up to count dead jobs from offset, newest first.
	Dead(ctx context.Context, queue string, offset, count int) (jobs []DeadJob, total int64, err error)
	// Requeue makes dead jobs due at once with Attempt 0; no ids means all.
	Requeue(ctx context.Context, queue string, ids []string) (moved int64, err error)
	// Stats reads the figures.
	Stats(ctx context.Context, queue string) (Stats, error)
}

// Bounds of what one call of a Store may name or return; more is cut into
// several steps or refused by the callers.
const (
	TakeMax   = 500       // jobs of one Take, and of one worker
	BodyMax   = 256 << 10 // bytes of a body
	ReasonMax = 500       // bytes of a reason; longer ones are cut
)
