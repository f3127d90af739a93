package engineio

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestNewBundle(t *testing.T) {
	a, b, long := text("a"), text("bc"), text(strings.Repeat("x", joinLimit))
	for name, c := range map[string]struct {
		msgs []*Message
		want []byte
	}{
		"one":             {[]*Message{long}, long.slots[0]},
		"two":             {[]*Message{a, b}, bytes.Join([][]byte{a.slots[0], b.slots[0]}, nil)},
		"with attachment": {[]*Message{a, binary(1, 2)}, nil},
		"too long":        {[]*Message{a, long}, nil},
	} {
		bundle := NewBundle(c.msgs...)
		size := 0
		for _, m := range c.msgs {
			size += m.Len()
		}
		if !bytes.Equal(bundle.joined[0], c.want) || bundle.Len() != size || len(bundle.Messages()) != len(c.msgs) {
			t.Errorf("%s: %q, %d bytes", name, bundle.joined[0], bundle.Len())
		}
	}
}

// A bundle reads like its messages on every transport, at its place among other messages.
func TestSendBundle(t *testing.T) {
	st := newSite(t, Options{})
	for name, bundle := range map[string]*Bundle{
		"text":            NewBundle(texts("b", "c")...),
		"with attachment": NewBundle(text("b"), binary(1, 2)),
	} {
		for _, deferred := range []bool{false, true} {
			want := []string{"4a", "4b", "4c", "4d"}
			if bundle.joined[0] == nil {
				want[2] = "<0102>"
			}
			p := st.connect(V4, "")
			var batch *Batch
			if deferred {
				batch = new(Batch)
			}
			p.send(t, text("a"))
			if err := p.s.SendBundle(batch, bundle); err != nil {
				t.Fatal(name, err)
			}
			p.send(t, text("d"))
			p.want(want...)
			p.s.Close(ReasonForcedClose)
			p.wantClosed(t, ReasonForcedClose)
			if err := p.s.SendBundle(batch, bundle); !errors.Is(err, ErrClosed) {
				t.Error(name, err)
			}
		}
	}
	p := st.poll(V4, "")
	if err := p.s.SendBundle(nil, NewBundle(texts("b", "c")...)); err != nil {
		t.Fatal(err)
	}
	p.get().want(t, 200, "4b\x1e4c")
	if n := Prefetch([]*Session{p.s}); n != 0 {
		t.Errorf("%d sessions on polling prefetched", n)
	}
}

func TestPrefetchOrder(t *testing.T) {
	st := newSite(t, Options{})
	var sessions []*Session
	for range PrefetchBlock + 1 {
		sessions = append(sessions, st.connect(V4, "").s)
	}
	for i, s := range sessions[1:] {
		if s.Order() <= sessions[i].Order() {
			t.Errorf("%d behind %d", s.Order(), sessions[i].Order())
		}
	}
	if n := Prefetch(sessions); n != 0 && n != PrefetchBlock { // none on other systems than Linux
		t.Errorf("%d prefetched", n)
	}
}
