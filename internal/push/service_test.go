package push

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
)

func TestServicePush(t *testing.T) {
	g := newGate()
	c := NewCommitter(g, CommitterOptions{})
	defer c.Close()
	s := NewService(c, func() time.Time { return time.UnixMilli(1000) })
	g.leave <- nil
	id, err := s.Push(context.Background(), &namespace.Namespace{Key: "/demo"}, Request{Room: "r", PushData: json.RawMessage(`{}`), ExpireHours: 1})
	if err != nil || id != 1 {
		t.Fatalf("id %d, %v", id, err)
	}
	if m := g.got[0]; m.Namespace != "/demo" || m.Room != "r" || m.SendDate != 1000 || m.ExpireAt != 3_601_000 {
		t.Errorf("accepted %+v", m)
	}
	refused := errors.New("refused")
	g.leave <- refused
	if id, err := s.Push(context.Background(), &namespace.Namespace{Key: "/demo"}, Request{Room: "r"}); id != 0 || !errors.Is(err, refused) {
		t.Errorf("id %d, %v", id, err)
	}
}
