package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// Answers of a handler beside nil, which means that the job is done.
var (
	// ErrDrop, wrapped or plain, means that there is nothing left to do:
	// the job is removed and nobody need know.
	ErrDrop = errors.New("nothing left to do")
	// ErrBury means that no further attempt can help: the job goes to the
	// dead letters at once.
	ErrBury = errors.New("no attempt can succeed")
)

// RetryError asks for another attempt that is part of the plan: it counts as
// Attempt, but not as Failed, however often it comes.
type RetryError struct {
	After time.Duration
	Body  []byte // of the job from now on; nil keeps it
}

func (e *RetryError) Error() string { return fmt.Sprintf("another attempt after %v", e.After) }

// Outcome is what became of one attempt.
type Outcome string

// Outcomes of an attempt.
const (
	OutcomeDone    Outcome = "done"
	OutcomeDropped Outcome = "dropped"
	OutcomeAgain   Outcome = "again"  // the handler asked for it
	OutcomeFailed  Outcome = "failed" // it will be tried again
	OutcomeBuried  Outcome = "buried"
)

// Attempt is one run of a handler, for logs and metrics.
type Attempt struct {
	Job     Job
	Outcome Outcome
	Err     error // why it failed or was buried
	Took    time.Duration
}

// Options of a Worker. Queue, ID and Handle are required; other zero values
// take the defaults named.
type Options struct {
	Queue string
	ID    string // unique among all workers of the queue
	// Handle does one job. It must end soon after its context, and must
	// bear to see a job again that it has done before. nil: the job is done;
	// ErrDrop, ErrBury and *RetryError say what else to do; after any other
	// error, or a panic, it is tried again until Attempts have failed.
	Handle func(ctx context.Context, job Job) error

	Concurrency int           // jobs at once; 16, at most TakeMax
	Lease       time.Duration // after which the jobs of a silent worker are taken over; 30 s
	Idle        time.Duration // longest pause between looks at an empty queue; 500 ms
	Attempts    int           // failed attempts before a job is given up; 10
	// Backoff is the pause after that many failed attempts, from 1 on;
	// Backoff(time.Second, time.Minute).
	Backoff func(failed int) time.Duration

	OnError func(error)   // the store failed; it is tried again
	Observe func(Attempt) // must be quick and safe for concurrent use
}

// Backoff doubles the pause from first up to most, a quarter more or less by
// chance, so that what failed together does not come back together.
func Backoff(first, most time.Duration) func(failed int) time.Duration {
	return func(failed int) time.Duration {
		d := first
		for i := 1; i < failed && d < most; i++ {
			d *= 2
		}
		d = min(d, most)
		return d - d/4 + rand.N(d/2+1)
	}
}

// Worker works on the due jobs of one queue. Its goroutine takes them and
// renews the lease; every job runs on one of its own.
type Worker struct {
	store Store
	o     Options

	mu   sync.Mutex
	held map[string]struct{} // ids whose attempt or settling is not over

	freed chan struct{} // capacity 1: an attempt is over
	stop  chan struct{} // closed by Close: take no more
	once  sync.Once

	ctx    context.Context // of the handlers
	cancel context.CancelFunc
	loop   sync.WaitGroup
	jobs   sync.WaitGroup
}

// Pauses of a worker. What comes while it works is seen after shortestIdle.
const (
	shortestIdle = 10 * time.Millisecond
	retryFirst   = 50 * time.Millisecond // after a failure of the store
	retryMost    = 2 * time.Second
	leaveTimeout = 5 * time.Second
)

// NewWorker returns a worker; Start it. It panics when a required option is
// missing.
func NewWorker(s Store, o Options) *Worker {
	if o.Queue == "" || o.ID == "" || o.Handle == nil {
		panic("queue: Options.Queue, ID and Handle are required")
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 16
	}
	o.Concurrency = min(o.Concurrency, TakeMax)
	if o.Lease <= 0 {
		o.Lease = 30 * time.Second
	}
	if o.Idle <= 0 {
		o.Idle = 500 * time.Millisecond
	}
	if o.Attempts <= 0 {
		o.Attempts = 10
	}
	if o.Backoff == nil {
		o.Backoff = Backoff(time.Second, time.Minute)
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	if o.Observe == nil {
		o.Observe = func(Attempt) {}
	}
	w := &Worker{
		store: s, o: o, held: map[string]struct{}{},
		freed: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// Start begins to work.
func (w *Worker) Start() { w.loop.Go(w.run) }

// Running is the number of jobs under way.
func (w *Worker) Running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.held)
}

// Close takes no more jobs and waits for those under way; when ctx ends their
// contexts end, and what is not finished goes back to the queue.
func (w *Worker) Close(ctx context.Context) {
	w.once.Do(func() { close(w.stop) })
	done := make(chan struct{})
	go func() { w.loop.Wait(); w.jobs.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		w.cancel()
		<-done
	}
	w.cancel()
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if err := w.store.Leave(leave, w.o.Queue, w.o.ID); err != nil {
		w.o.OnError(err) // the lease runs out and others take over
	}
}

// run takes jobs until Close, and keeps the lease until nothing is under way.
func (w *Worker) run() {
	var pause time.Duration // before the next look at the queue
	for {
		stopping := closed(w.stop)
		held := w.heldIDs()
		if stopping && len(held) == 0 || w.ctx.Err() != nil {
			return
		}
		free := w.o.Concurrency - len(held)
		if stopping {
			free = 0
		}
		jobs, err := w.store.Take(w.ctx, w.o.Queue, w.o.ID, held, free, w.o.Lease)
		full := false
		switch {
		case err != nil && w.ctx.Err() == nil:
			w.o.OnError(err)
			pause = next(pause, retryFirst, retryMost)
		case len(jobs) == 0 && free > 0:
			pause = next(pause, shortestIdle, w.o.Idle)
		default:
			full = len(jobs) >= free
			pause = shortestIdle
		}
		for _, j := range jobs {
			w.begin(j)
		}
		w.wait(pause, full, stopping)
	}
}

func next(pause, least, most time.Duration) time.Duration {
	return min(max(2*pause, least), most)
}

// wait returns when the queue should be looked at again: after the pause, or
// when every place is taken, as soon as one is free; in any case in time to
// renew the lease.
func (w *Worker) wait(pause time.Duration, full, stopping bool) {
	renew := w.o.Lease / 4
	freed := w.freed
	if full || stopping {
		pause = renew
	} else {
		freed = nil
	}
	timer := time.NewTimer(min(pause, renew))
	defer timer.Stop()
	stop := w.stop
	if stopping {
		stop = nil
	}
	select {
	case <-timer.C:
	case <-freed:
	case <-stop:
	case <-w.ctx.Done():
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (w *Worker) heldIDs() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]string, 0, len(w.held))
	for id := range w.held {
		ids = append(ids, id)
	}
	return ids
}

// begin starts a job, unless it is under way here: its lease had ended, and
// it came back. The attempt that runs finishes it.
func (w *Worker) begin(j Job) {
	w.mu.Lock()
	_, running := w.held[j.ID]
	w.held[j.ID] = struct{}{}
	w.mu.Unlock()
	if !running {
		w.jobs.Go(func() { w.attempt(j) })
	}
}

func (w *Worker) attempt(j Job) {
	start := time.Now()
	err := errors.New("handler ended its goroutine")
	defer func() {
		a := Attempt{Job: j, Took: time.Since(start), Err: err}
		if w.ctx.Err() == nil || err == nil {
			w.settle(&a)
			w.o.Observe(a)
		}
		w.mu.Lock()
		delete(w.held, j.ID)
		w.mu.Unlock()
		select {
		case w.freed <- struct{}{}:
		default:
		}
	}()
	if j.Failed >= w.o.Attempts {
		err = fmt.Errorf("%w: %d attempts failed, or their workers died", ErrBury, j.Failed)
		return
	}
	err = w.handle(j)
}

func (w *Worker) handle(j Job) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return w.o.Handle(w.ctx, j)
}

// PanicError is the failure of a handler that panicked.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// settle writes what became of an attempt; while the store does not answer it
// is repeated until the worker is closed.
func (w *Worker) settle(a *Attempt) {
	q, id, j := w.o.Queue, w.o.ID, a.Job
	var again *RetryError
	var write func(ctx context.Context) error
	switch err := a.Err; {
	case err == nil, errors.Is(err, ErrDrop):
		a.Outcome, a.Err = OutcomeDone, nil
		if err != nil {
			a.Outcome = OutcomeDropped
		}
		write = func(ctx context.Context) error { return w.store.Done(ctx, q, id, []string{j.ID}) }
	case errors.As(err, &again):
		a.Outcome, a.Err = OutcomeAgain, nil
		write = func(ctx context.Context) error {
			return w.store.Retry(ctx, q, id, j.ID, again.After, again.Body, false)
		}
	case errors.Is(err, ErrBury) || j.Failed+1 >= w.o.Attempts:
		a.Outcome = OutcomeBuried
		write = func(ctx context.Context) error { return w.store.Bury(ctx, q, id, j.ID, err.Error()) }
	default:
		a.Outcome = OutcomeFailed
		after := w.o.Backoff(j.Failed + 1)
		write = func(ctx context.Context) error { return w.store.Retry(ctx, q, id, j.ID, after, nil, true) }
	}
	ctx := w.ctx
	if ctx.Err() != nil { // it was done in the last moment
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.Background(), leaveTimeout)
		defer cancel()
	}
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		err := write(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		w.o.OnError(err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}
