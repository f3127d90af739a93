package maintenance

import (
	"context"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
)

const (
	legacyStep = 200 // devices per step
	// legacyListMax bounds the list of devices a caller gets.
	legacyListMax = 100_000
)

// ForgetLegacy removes the devices of an offline namespace that were not seen
// for Options.LegacyAfter, and returns those it has removed when it was done
// or ctx ended, at most legacyListMax of them. Then done is false, and the work
// goes on without the caller; what it does not finish because the process ends
// is left to Sweep. Errors: namespace.ErrNotOffline, namespace.ErrBusy while
// another process is at it, else the store's.
func (s *Service) ForgetLegacy(ctx context.Context, key string) (ids []string, done bool, err error) {
	n, err := s.o.Store.Namespace(ctx, key)
	switch {
	case err != nil:
		return nil, false, err
	case n == nil || !n.Offline || n.Doomed():
		return nil, false, namespace.ErrNotOffline
	}
	l, err := s.lock(ctx, legacyLock(key))
	if err != nil {
		return nil, false, err
	}
	if l == nil {
		return nil, false, namespace.ErrBusy
	}
	found := make(chan []string)
	result := make(chan error, 1)
	if !s.begin(func() {
		defer l.release()
		defer close(found)
		_, err := s.forget(s.ctx, key, l.renew, func(ids []string) {
			select {
			case found <- ids:
			case <-ctx.Done():
			}
		})
		if err != nil && ctx.Err() != nil && s.ctx.Err() == nil {
			s.o.OnError(key, err) // nobody listens any more
		}
		result <- err
	}) {
		l.release()
		return nil, false, context.Canceled
	}
	ids = []string{}
	for {
		select {
		case more, open := <-found:
			if !open {
				return ids, true, <-result
			}
			ids = append(ids, more[:min(len(more), legacyListMax-len(ids))]...)
		case <-ctx.Done():
			return ids, false, nil
		}
	}
}

// Sweep removes the devices of all namespaces, online or not, that were not
// seen for Options.LegacyAfter.
func (s *Service) Sweep(ctx context.Context) error {
	for _, n := range s.o.Namespaces.List() {
		l, err := s.lock(ctx, legacyLock(n.Key))
		if err != nil {
			return err
		}
		if l == nil {
			continue // somebody is at it
		}
		_, err = s.forget(ctx, n.Key, l.renew, func([]string) {})
		l.release()
		if err != nil {
			return err
		}
	}
	return nil
}

func legacyLock(key string) string { return "legacy-" + key }

// forget walks from the device gone longest; tell gets those removed.
func (s *Service) forget(ctx context.Context, key string, step Step, tell func(ids []string)) (total int, err error) {
	before := s.o.Now().Add(-s.legacyAfter(key)).UnixMilli()
	defer func() {
		if total > 0 {
			s.o.OnForgotten(key, total)
		}
	}()
	for skip := 0; ; { // those that stay are in front of the next page
		ids, err := s.o.Store.LegacyClients(ctx, key, before, skip, legacyStep)
		if err != nil || len(ids) == 0 {
			return total, err
		}
		gone, err := s.o.Store.ForgetClients(ctx, key, ids, before)
		if err != nil {
			return total, err
		}
		total += len(gone)
		skip += len(ids) - len(gone)
		if len(gone) > 0 {
			tell(gone)
		}
		if err := step(ctx); err != nil {
			return total, err
		}
	}
}

// legacyAfter is for how long a device of a namespace may not be seen.
func (s *Service) legacyAfter(key string) time.Duration {
	ns, _ := s.o.Namespaces.Get(key)
	return ns.ForgetAfter(s.o.LegacyAfter)
}
