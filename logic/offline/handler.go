package offline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
	"github.com/lightpush/lightpush/logic/offline/provider"
)

// Options of a Handler. Store and Namespaces are required; other zero values
// take the defaults named.
type Options struct {
	Store      Store
	Namespaces Namespaces
	// Providers serve platforms by a push service.
	Providers provider.Set
	// InboxPlatforms are the platforms whose devices have an inbox; a
	// provider of the same platform goes before it.
	InboxPlatforms []string
	InboxMax       int // messages of one inbox; 100
	// Wait is how long a device that was told live may take for its ack
	// before the push service is asked; 5 s.
	Wait time.Duration
	// RetryMax bounds the pause before a push service is asked again; 1 min.
	RetryMax time.Duration
	Now      func() time.Time // wall clock; time.Now
	// Observe hears of every decision, for metrics: n devices of a platform
	// got a fate. May be nil.
	Observe func(platform string, state push.State, n int)
	// OnDropped hears of messages that full inboxes have lost; may be nil.
	OnDropped func(n int)
	// OnError hears of what does not stop the job; may be nil.
	OnError func(error)
}

func (o *Options) setDefaults() {
	if o.InboxMax <= 0 {
		o.InboxMax = 100
	}
	if o.Wait <= 0 {
		o.Wait = 5 * time.Second
	}
	if o.RetryMax <= 0 {
		o.RetryMax = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Observe == nil {
		o.Observe = func(string, push.State, int) {}
	}
	if o.OnDropped == nil {
		o.OnDropped = func(int) {}
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
}

// Handler works on the jobs of queue.Offline. Safe for concurrent use.
type Handler struct {
	o Options

	mu       sync.Mutex
	reloaded time.Time // when the namespaces were last read again
}

// New returns a Handler.
func New(o Options) (*Handler, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("offline: Options.Store is missing")
	case o.Namespaces == nil:
		return nil, errors.New("offline: Options.Namespaces is missing")
	}
	o.setDefaults()
	return &Handler{o: o}, nil
}

// bodyNotify is the body of a job whose inboxes are done.
const bodyNotify = "notify"

// Handle is the handler of queue.Offline. nil: everything is decided, or there
// is nothing to decide any more. A *queue.RetryError: some devices have to wait
// for their ack or for the push service. Any other error: the store failed.
func (h *Handler) Handle(ctx context.Context, job queue.Job) error {
	id, err := strconv.ParseInt(job.ID, 10, 64)
	if err != nil || id <= 0 {
		return fmt.Errorf("offline: job %q: %w", job.ID, queue.ErrDrop)
	}
	m, err := h.o.Store.Message(ctx, id)
	switch {
	case err != nil:
		return err
	case m == nil || m.ExpireAt <= h.o.Now().UnixMilli():
		return nil
	}
	if closed, err := h.closed(ctx, m.Namespace); err != nil {
		return err
	} else if closed != nil {
		return h.o.Store.Finish(ctx, id, closed.Error())
	}
	return h.work(ctx, &run{h: h, m: m, attempt: job.Attempt}, string(job.Body) == bodyNotify)
}

// work does a job; with kept its inboxes are done.
func (h *Handler) work(ctx context.Context, r *run, kept bool) error {
	if !kept {
		for _, platform := range client.Platforms {
			if h.o.wayOf(platform) == byInbox {
				if err := r.walk(ctx, platform, r.keep); err != nil {
					return err
				}
			}
		}
	}
	for _, platform := range client.Platforms {
		if service := h.o.Providers[platform]; h.o.wayOf(platform) == byService {
			if err := r.notifyAll(ctx, platform, service); err != nil {
				return err
			}
		}
	}
	if after, again := r.again(); again {
		return &queue.RetryError{After: after, Body: []byte(bodyNotify)}
	}
	return h.o.Store.Finish(ctx, r.m.ID, r.result)
}

// reloadEvery bounds how often unknown namespaces make the registry read
// again.
const reloadEvery = time.Second

// closed says why nothing is to be done for a namespace, nil when it exists.
// Before it says so it looks at the stored configuration: this process may not
// have heard of the newest change.
func (h *Handler) closed(ctx context.Context, key string) (closed, err error) {
	if !h.o.Namespaces.Ready() {
		return nil, namespace.ErrUnavailable
	}
	if closed = h.stateOf(key); closed == nil {
		return nil, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.Sub(h.reloaded) > reloadEvery {
		if err := h.o.Namespaces.Reload(ctx); err != nil {
			return nil, err
		}
		h.reloaded = now
	}
	return h.stateOf(key), nil
}

// stateOf: only a namespace that is gone ends its messages. One that is switched off for a while took them over before,
// and its devices come back.
func (h *Handler) stateOf(key string) error {
	if _, ok := h.o.Namespaces.Get(key); !ok {
		return namespace.ErrLost
	}
	return nil
}

// run is the work on one job. One goroutine uses it.
type run struct {
	h       *Handler
	m       *push.Message
	attempt int

	live        bool          // somebody was told live and has until Wait to ack
	unavailable bool          // somebody waits for the push service
	retryAfter  time.Duration // the longest pause it asked for
	result      string        // of a run without credentials
}

// again is when the job has to run again, if it has to.
func (r *run) again() (after time.Duration, again bool) {
	switch {
	case r.unavailable:
		back := min(time.Second<<min(r.attempt, 10), r.h.o.RetryMax)
		back = back/2 + rand.N(back/2+1) // so that jobs of one outage do not come back as one
		return max(back, min(r.retryAfter, 10*r.h.o.RetryMax)), true
	case r.live:
		return r.h.o.Wait, true
	}
	return 0, false
}
