package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/lightpush/lightpush/internal/push"
)

var (
	onceBegin = newScript("once_begin")
	onceFree  = newScript("once_free")
)

const (
	oncePending = "p|"
	onceDone    = "d|"
)

// BeginOnce begins an attempt at a request. It returns the answer of an earlier
// one, push.ErrOnceBusy while that is under way, push.ErrOnceOther when the key
// was used for another request, and nil, nil when this attempt may commit: the
// commit must then begin within push.OnceWait, carry o, and be the only one.
func (s *Store) BeginOnce(ctx context.Context, o *push.Once) (answer []byte, err error) {
	begin := onceBegin.call([]string{s.keys.once(o.Namespace, o.Key)}, pendingOnce(o), push.OnceWait.Milliseconds())
	if err := s.run(ctx, begin); err != nil {
		return nil, fmt.Errorf("begin a request with a key: %w", err)
	}
	value := begin.text()
	switch {
	case value == "", value == pendingOnce(o): // the second when a reply was lost and the call repeated
		return nil, nil
	case strings.HasPrefix(value, oncePending+o.Request+"|"):
		return nil, push.ErrOnceBusy
	case strings.HasPrefix(value, onceDone+o.Request+"|"):
		return []byte(value[len(onceDone)+len(o.Request)+1:]), nil
	}
	return nil, push.ErrOnceOther
}

// FreeOnce ends an attempt of which it is certain that it has committed
// nothing.
func (s *Store) FreeOnce(ctx context.Context, o *push.Once) error {
	free := onceFree.call([]string{s.keys.once(o.Namespace, o.Key)}, pendingOnce(o))
	if err := s.run(ctx, free); err != nil {
		return fmt.Errorf("give a request with a key up: %w", err)
	}
	return nil
}

func pendingOnce(o *push.Once) string { return oncePending + o.Request + "|" + o.Owner }

// onceOps keeps the answers to the requests of a batch.
func (s *Store) onceOps(batch []*push.Message) (ops []*op) {
	for _, m := range batch {
		if o := m.Once; o != nil {
			value := append([]byte(onceDone+o.Request+"|"), o.Answer()...)
			ops = append(ops, do("SET", s.keys.once(o.Namespace, o.Key), value, "PX", s.opt.OnceWindow.Milliseconds()))
		}
	}
	return ops
}
