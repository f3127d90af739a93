package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/namespace"
)

// updateTries bounds the repetitions of an update that others overtake.
const updateTries = 50

// ErrConflict is returned when a namespace is changed by so many others at
// once that an update finds no gap.
var ErrConflict = errors.New("namespace is being changed by others")

// LoadNamespaces implements namespace.Store. A configuration that cannot be
// read is an error: a process must not run without a tenant it should know.
func (s *Store) LoadNamespaces(ctx context.Context) ([]*namespace.Namespace, error) {
	all, err := s.allNamespaces(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, (*namespace.Namespace).Doomed), nil
}

// allNamespaces also has those that are being removed.
func (s *Store) allNamespaces(ctx context.Context) ([]*namespace.Namespace, error) {
	all := do("HVALS", s.keys.namespaces())
	if err := s.run(ctx, all); err != nil {
		return nil, fmt.Errorf("load namespaces: %w", err)
	}
	values := all.list()
	list := make([]*namespace.Namespace, 0, len(values))
	for _, v := range values {
		n, err := s.decodeNamespace(toText(v))
		if err != nil {
			return nil, fmt.Errorf("load namespaces: %w", err)
		}
		list = append(list, n)
	}
	return list, nil
}

// UpdateNamespace implements namespace.Store. It compares the stored text
// before it replaces it, so that no update of another process is lost.
func (s *Store) UpdateNamespace(ctx context.Context, key string, change func(*namespace.Namespace) (*namespace.Namespace, error)) (*namespace.Namespace, error) {
	for range updateTries {
		saved, done, err := s.tryUpdate(ctx, key, change)
		if err != nil {
			return nil, err
		}
		if !done {
			continue
		}
		// Without the notice others see the change when they next reload;
		// the error tells the caller to save again.
		if err := s.run(ctx, do(bus.NamespaceCommand(s.opt.Prefix, key)...)); err != nil {
			return nil, fmt.Errorf("announce namespace %s: %w", key, err)
		}
		return saved, nil
	}
	return nil, fmt.Errorf("update namespace %s: %w", key, ErrConflict)
}

// tryUpdate is one round; errors of change come back as they are.
func (s *Store) tryUpdate(ctx context.Context, key string, change func(*namespace.Namespace) (*namespace.Namespace, error)) (saved *namespace.Namespace, done bool, err error) {
	get := do("HGET", s.keys.namespaces(), key)
	if err := s.run(ctx, get); err != nil {
		return nil, false, fmt.Errorf("read namespace %s: %w", key, err)
	}
	var old *namespace.Namespace
	if !get.absent() {
		if old, err = s.decodeNamespace(get.text()); err != nil {
			return nil, false, fmt.Errorf("read namespace %s: %w", key, err)
		}
	}
	if saved, err = change(old); err != nil {
		return nil, false, err
	}
	stored := saved
	if s.opt.Secrets != nil {
		stored = saved.Sealed(s.opt.Secrets)
	}
	value, err := stored.Encode()
	if err != nil {
		return nil, false, fmt.Errorf("encode namespace %s: %w", key, err)
	}
	set := nsUpdate.call([]string{s.keys.namespaces()}, key, get.text(), value)
	set.once = true // repeated after success it would read as a conflict
	if err := s.run(ctx, set); err != nil {
		return nil, false, fmt.Errorf("store namespace %s: %w", key, err)
	}
	return saved, set.integer() == 1, nil
}

// decodeNamespace reads a stored namespace and decrypts its secrets. One that
// cannot be decrypted is reported and stays as it is: the rest of the
// namespace is still good.
func (s *Store) decodeNamespace(text string) (*namespace.Namespace, error) {
	n, err := namespace.Decode([]byte(text))
	if err != nil || s.opt.Secrets == nil {
		return n, err
	}
	for _, problem := range n.Unseal(s.opt.Secrets) {
		s.opt.OnError(fmt.Errorf("namespace %w", problem))
	}
	return n, nil
}
