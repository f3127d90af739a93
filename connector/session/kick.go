package session

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/namespace"
)

const (
	defaultKickRate = 500 // clients per second
	// lateAdmissions is how long after a namespace went offline a client may
	// still be admitted that asked before: its connect callback took time.
	lateAdmissions = 30 * time.Second
	kickPoll       = 100 * time.Millisecond
)

// kicks spreads the disconnects of namespaces that went offline over time, so
// that neither this node nor the business systems behind the callbacks meet
// them all in one moment (B25).
type kicks struct {
	limiter *rate.Limiter // of this node, whatever the number of namespaces

	mu      sync.Mutex
	running map[string]bool // namespace → it changed again meanwhile
}

func newKicks(perSecond int) *kicks {
	if perSecond <= 0 {
		perSecond = defaultKickRate
	}
	return &kicks{limiter: rate.NewLimiter(rate.Limit(perSecond), max(1, perSecond/50)), running: map[string]bool{}}
}

// begin makes the caller the only one that kicks the clients of a namespace;
// false when somebody does already, who then looks again before it ends.
func (k *kicks) begin(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, busy := k.running[key]
	k.running[key] = busy
	return !busy
}

// end ends what begin began, unless the namespace has changed again.
func (k *kicks) end(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running[key] {
		k.running[key] = false
		return false
	}
	delete(k.running, key)
	return true
}

// NamespacesChanged puts the limits of namespaces in force and disconnects the
// clients of those that went offline or away, at most Limits.KickRate per
// second; it stops when one comes back. It is called by the registry's
// goroutine and returns at once.
func (h *Hub) NamespacesChanged(changed []*namespace.Namespace) {
	for _, ns := range changed {
		h.bound(ns.Key)
		tenant, ok := h.existingTenant(ns.Key)
		if !ok || !ns.Offline || !h.kicks.begin(ns.Key) {
			continue
		}
		h.background.Go(func() {
			for {
				h.kickAll(tenant)
				if h.kicks.end(ns.Key) || h.closing.Err() != nil {
					return
				}
			}
		})
	}
}

// kickAll ends when everybody has left and nobody can come late, the namespace
// is online again, or the hub closes.
func (h *Hub) kickAll(tenant *socketio.Namespace) {
	poll := time.NewTicker(kickPoll)
	defer poll.Stop()
	for since := time.Now(); h.shut(tenant.Name()); {
		sockets := tenant.Sockets()
		if len(sockets) == 0 && time.Since(since) > lateAdmissions {
			return
		}
		for _, s := range sockets {
			if h.kicks.limiter.Wait(h.closing) != nil || !h.shut(tenant.Name()) {
				return
			}
			s.Disconnect(false)
		}
		select {
		case <-poll.C:
		case <-h.closing.Done():
			return
		}
	}
}

// shut reports whether nobody may be connected to a namespace.
func (h *Hub) shut(key string) bool {
	ns, ok := h.opts.Namespaces.Get(key)
	return !ok || ns.Offline
}
