package maintenance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
)

// errStalled is reported when connections to an offline namespace neither end
// nor belong to a node that is swept.
var errStalled = errors.New("connections do not end; their data is removed all the same")

// Purge notes that p is to be done to a namespace, and waits until it is, or
// ctx ends: then done is false, and the work goes on without the caller. With
// a flush the namespace is gone for everybody at once. Errors:
// namespace.ErrNotOffline, else the store's, and then the note may be made.
func (s *Service) Purge(ctx context.Context, key string, p namespace.Purge) (done bool, err error) {
	_, err = s.o.Store.UpdateNamespace(ctx, key, func(n *namespace.Namespace) (*namespace.Namespace, error) {
		return n.BeginPurge(p, s.o.Now().UnixMilli())
	})
	if err != nil {
		return false, err
	}
	// Other processes are told; this one shall know before it answers.
	if err := s.o.Namespaces.Reload(ctx); err != nil {
		return false, err
	}
	s.hurry()
	for wait := s.o.Poll / 5; ctx.Err() == nil; wait = min(2*wait, 4*s.o.Poll) {
		n, err := s.o.Store.Namespace(ctx, key)
		switch {
		case err != nil && ctx.Err() == nil:
			return false, err
		case err == nil && (n == nil || n.Purge == namespace.PurgeNone):
			return true, nil
		}
		_ = pause(ctx, wait)
	}
	return false, nil // waited for long enough, which is no failure
}

// work does what is noted of a namespace, if no other process is at it.
func (s *Service) work(ctx context.Context, key string) error {
	l, err := s.lock(ctx, "purge-"+key)
	if err != nil || l == nil {
		return err
	}
	defer l.release()
	for {
		n, err := s.o.Store.Namespace(ctx, key)
		if err != nil {
			return err
		}
		if n == nil || n.Purge == namespace.PurgeNone {
			return nil
		}
		started := time.Now()
		if err := s.purge(ctx, key, n.Purge, l.renew); err != nil {
			return err
		}
		if err := s.finish(ctx, key, n.Purge); err != nil {
			return err
		}
		s.o.OnPurged(key, n.Purge, time.Since(started))
	}
}

func (s *Service) purge(ctx context.Context, key string, p namespace.Purge, step Step) error {
	if p == namespace.PurgeRealtime {
		if err := s.o.Store.EvictClients(ctx, key, step); err != nil {
			return err
		}
	}
	if err := s.awaitSilence(ctx, key, step); err != nil {
		return err
	}
	if p == namespace.PurgeRealtime {
		return s.o.Store.PurgeRealtime(ctx, key, step)
	}
	return s.o.Store.PurgeData(ctx, key, step)
}

// awaitSilence waits until nobody is connected to a namespace, and a moment
// more, for what is still on its way about those who were: clients that are
// just being admitted, figures that follow a little later. Living nodes send
// their clients away at their rate; dead ones are swept.
func (s *Service) awaitSilence(ctx context.Context, key string, step Step) error {
	last, since, settled := 0, time.Now(), false
	for wait := s.o.Poll; ; wait = min(2*wait, 20*s.o.Poll) {
		n, err := s.o.Store.ConnectionsOf(ctx, key, step)
		switch {
		case err != nil:
			return err
		case n == 0 && settled:
			return nil
		case n == 0:
			if err := pause(ctx, s.o.Settle); err != nil {
				return err
			}
			last, settled = 0, true
			continue
		case n != last:
			last, since = n, time.Now()
		case time.Since(since) > s.o.Patience:
			s.o.OnError(key, fmt.Errorf("%d %w", n, errStalled))
			return nil
		}
		settled = false
		if err := pause(ctx, wait); err != nil {
			return err
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
}

// finish takes the note away, unless more was asked for meanwhile.
func (s *Service) finish(ctx context.Context, key string, did namespace.Purge) error {
	if did == namespace.PurgeFlush {
		return s.o.Store.RemoveNamespace(ctx, key)
	}
	_, err := s.o.Store.UpdateNamespace(ctx, key, func(n *namespace.Namespace) (*namespace.Namespace, error) {
		if n == nil || n.Purge != did {
			return nil, errMore
		}
		return n.EndPurge(s.o.Now().UnixMilli()), nil
	})
	if errors.Is(err, errMore) {
		return nil
	}
	return err
}

var errMore = errors.New("more was asked for")

// lease is a lock this process holds.
type lease struct {
	s       *Service
	name    string
	renewed time.Time
}

var errLost = errors.New("another process has taken over")

// lock takes a lock; nil when somebody else holds it.
func (s *Service) lock(ctx context.Context, name string) (*lease, error) {
	ok, err := s.o.Store.Lock(ctx, name, s.o.ID, s.o.Lease)
	if err != nil || !ok {
		return nil, err
	}
	return &lease{s: s, name: name, renewed: time.Now()}, nil
}

// renew is the Step of work under the lock.
func (l *lease) renew(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if time.Since(l.renewed) < l.s.o.Lease/4 {
		return nil
	}
	ok, err := l.s.o.Store.Lock(ctx, l.name, l.s.o.ID, l.s.o.Lease)
	if err == nil && !ok {
		err = errLost
	}
	l.renewed = time.Now()
	return err
}

// release lets others in at once; when it fails they wait for the lease.
func (l *lease) release() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = l.s.o.Store.Unlock(ctx, l.name, l.s.o.ID)
}
