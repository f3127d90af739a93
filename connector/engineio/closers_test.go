package engineio

import (
	"sync"
	"sync/atomic"
	"testing"
)

// hanging is a receiver whose OnClose lasts until it is released.
type hanging struct {
	begun   *sync.WaitGroup
	calls   atomic.Int32
	release chan struct{}
}

func (h *hanging) OnMessage(bool, []byte) error { return nil }
func (h *hanging) OnClose(Reason) {
	if h.calls.Add(1) == 1 {
		h.begun.Done()
	}
	<-h.release
}

// Handlers that hang keep nobody's OnClose from being called, and what can wait has no goroutine.
func TestClosers(t *testing.T) {
	srv := newSite(t, Options{}).server
	var begun sync.WaitGroup
	release := make(chan struct{})
	c := &srv.closers
	var receivers []*hanging
	for range 3*closersAtOnce + 10 {
		h := &hanging{begun: &begun, release: release}
		receivers = append(receivers, h)
		begun.Add(1)
		srv.tasks.add(1)
		c.add(&Session{srv: srv, receiver: h}, ReasonForcedClose)
		c.mu.Lock()
		if c.running > c.limit || c.limit%closersAtOnce != 0 {
			t.Errorf("%d goroutines, %d allowed", c.running, c.limit)
		}
		c.mu.Unlock()
	}
	begun.Wait()
	close(release)
	eventually(t, "the goroutines to end", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.running == 0 && c.waiting == nil && c.limit == closersAtOnce
	})
	for i, h := range receivers {
		if n := h.calls.Load(); n != 1 {
			t.Fatalf("%d was called %d times", i, n)
		}
	}
}
