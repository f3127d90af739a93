package callback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/queue"
)

// Namespaces finds the current configuration of a namespace.
type Namespaces interface {
	Get(key string) (*namespace.Namespace, bool)
}

// Sender makes disconnect callbacks; its Handle is for a queue.Worker. Safe
// for concurrent use.
type Sender struct {
	opts       Options
	client     *client
	namespaces Namespaces

	mu       sync.Mutex
	underway map[string]int // by namespace
}

// NewSender returns a Sender; Close it.
func NewSender(namespaces Namespaces, o Options) *Sender {
	o.setDefaults()
	return &Sender{opts: o, client: newClient(o), namespaces: namespaces, underway: map[string]int{}}
}

// Close drops idle connections; no call may be under way.
func (s *Sender) Close() { s.client.close() }

// Handle makes the call of a job. Any answer settles it, but for statuses that
// ask for another call (408, 425, 429 and 5xx). A namespace that went offline
// or away meanwhile makes no difference (B25), except that a namespace that is
// gone has no credentials left to send.
func (s *Sender) Handle(ctx context.Context, job queue.Job) error {
	var f Farewell
	if err := json.Unmarshal(job.Body, &f); err != nil || f.URL == "" {
		return fmt.Errorf("callback is malformed: %w", queue.ErrBury)
	}
	if !s.begin(f.Namespace) {
		s.opts.Observe(KindDisconnect, ResultDelayed)
		return &queue.RetryError{After: delayed + rand.N(delayed)}
	}
	defer s.end(f.Namespace)
	body, err := json.Marshal(map[string]any{"query": f.Query})
	if err != nil {
		return err
	}
	call := call{
		method: http.MethodPost, url: f.URL, body: body, namespace: f.Namespace,
		cookie: f.Cookie, clientIP: f.ClientIP, delivery: job.ID,
	}
	if ns, ok := s.namespaces.Get(f.Namespace); ok {
		call.credentials = credentialsOf(ns)
	}
	status, _, err := s.client.do(ctx, &call)
	switch {
	case err != nil && status == 0:
		if ctx.Err() == nil {
			s.opts.Observe(KindDisconnect, ResultNoAnswer)
			s.opts.OnError(KindDisconnect, f.Namespace, err)
		}
		return errors.New("no answer") // the detail is for the log alone
	case again(status):
		s.opts.Observe(KindDisconnect, ResultRepeat)
		return fmt.Errorf("answered %d", status)
	}
	s.opts.Observe(KindDisconnect, ResultDelivered)
	return nil
}

func again(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// delayed is the least pause of a callback whose namespace has its share of
// calls under way.
const delayed = time.Second

// begin counts a call; false when the namespace has its share, half of all,
// under way already: one business system that hangs must not hold up those of
// others.
func (s *Sender) begin(ns string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.underway[ns] >= max(1, s.opts.Concurrency/2) {
		return false
	}
	s.underway[ns]++
	return true
}

func (s *Sender) end(ns string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.underway[ns]--; s.underway[ns] == 0 {
		delete(s.underway, ns)
	}
}
