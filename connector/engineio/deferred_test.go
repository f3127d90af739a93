package engineio

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSendDeferred: deferred and direct messages of a session keep their order, on both transports.
func TestSendDeferred(t *testing.T) {
	st := newSite(t, Options{})
	for _, v := range []Protocol{V3, V4} {
		c := st.connect(v, "")
		var batch Batch
		var want []string
		for i := range 300 {
			var err error
			switch i % 10 {
			case 3:
				err = c.s.Send(text(fmt.Sprint(i)))
			case 5:
				err = c.s.SendDeferred(&batch, texts(fmt.Sprint(i), fmt.Sprint(i+1000))...)
			case 9:
				batch.Flush()
				continue
			default:
				err = c.s.SendDeferred(&batch, text(fmt.Sprint(i)))
			}
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf("4%d", i))
			if i%10 == 5 {
				want = append(want, fmt.Sprintf("4%d", i+1000))
			}
		}
		batch.Flush()
		c.want(want...)
	}

	p := st.poll(V4, "")
	var batch Batch
	held := p.hold()
	if err := p.s.SendDeferred(&batch, text("a")); err != nil {
		t.Fatal(err)
	}
	p.wantHeld(held, "4a") // polling has nothing to gain from waiting
	if err := p.s.SendDeferred(&batch, texts("b", "c")...); err != nil {
		t.Fatal(err)
	}
	batch.Flush()
	p.get().want(t, 200, "4b\x1e4c")
}

// TestSendDeferredWaits: nothing leaves before the flush.
func TestSendDeferredWaits(t *testing.T) {
	c := newSite(t, Options{}).connect(V4, "")
	var batch Batch
	for range 3 {
		_ = c.s.SendDeferred(&batch, text("x"))
	}
	c.s.mu.Lock()
	queued, writable := c.s.socket.conn.Queued(), c.s.socket.conn.Writable()
	c.s.mu.Unlock()
	if queued != 3*text("x").Len() || !writable {
		t.Fatal(queued, writable)
	}
	if !c.s.SendVolatile(text("volatile")) { // deferred messages are no reason to drop it
		t.Fatal("dropped")
	}
	c.want("4x", "4x", "4x", "4volatile")
	batch.Flush()
}

func TestSendDeferredAtTheEnd(t *testing.T) {
	st := newSite(t, Options{SendBuffer: 1 << 20})
	c := st.connect(V4, "")
	var batch Batch
	_ = c.s.SendDeferred(&batch, text("last"))
	c.s.Close("")
	c.want("4last", "close", "EOF")
	c.wantClosed(t, ReasonForcedServerClose)
	if err := c.s.SendDeferred(&batch, text("late")); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	batch.Flush()

	c = st.connect(V4, "")
	if err := c.s.SendDeferred(&batch, text(strings.Repeat("x", 2<<20))); !errors.Is(err, ErrOverflow) {
		t.Fatal(err)
	}
	batch.Flush()
	c.wantClosed(t, ReasonSlowClient)
}

// TestFanOut: several batches at once, from several goroutines, to the same sessions.
func TestFanOut(t *testing.T) {
	const members, senders, messages = 20, 4, 200
	st := newSite(t, Options{})
	sockets := make([]*socket, members)
	for i := range sockets {
		sockets[i] = st.connect(V4, "")
	}
	var all sync.WaitGroup
	for sender := range senders {
		all.Go(func() {
			var batch Batch
			defer batch.Flush()
			for n := range messages {
				m := text(fmt.Sprintf("%d %d", sender, n))
				for _, c := range sockets {
					if err := c.s.SendDeferred(&batch, m); err != nil {
						t.Error(err)
					}
				}
				if n%40 == 39 {
					batch.Flush()
				}
			}
		})
	}
	all.Wait()
	for _, c := range sockets {
		var next [senders]int
		for range senders * messages {
			var sender, n int
			if got := c.read(); !strings.HasPrefix(got, "4") {
				t.Fatal(got)
			} else if _, err := fmt.Sscanf(got[1:], "%d %d", &sender, &n); err != nil || next[sender] != n {
				t.Fatalf("%q, want %d", got, next[sender])
			}
			next[sender]++
		}
	}
}

func TestAfterFunc(t *testing.T) {
	st := newSite(t, Options{})
	fired := make(chan struct{})
	start := time.Now()
	st.server.AfterFunc(100*time.Millisecond, func() { close(fired) })
	if !st.server.AfterFunc(time.Hour, func() { t.Error("fired") }).Stop() {
		t.Fatal("not armed")
	}
	select {
	case <-fired:
		notBefore(t, start, 100*time.Millisecond)
	case <-time.After(patience):
		t.Fatal("not fired")
	}
}
