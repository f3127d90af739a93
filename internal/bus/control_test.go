package bus

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

type listener struct {
	changed chan string
	reload  chan struct{}
}

func newListener() *listener {
	return &listener{changed: make(chan string, 10), reload: make(chan struct{}, 10)}
}

func (l *listener) NamespaceChanged(key string) { l.changed <- key }
func (l *listener) Reload()                     { l.reload <- struct{}{} }

func TestControl(t *testing.T) {
	onEachAndCluster(t, func(t *testing.T, address string) {
		c := connect(t, address)
		notice := func(key string) {
			t.Helper()
			check(t, c.Do(t.Context(), NamespaceCommand("", key)...).Err())
		}
		var listeners []*listener
		begin := func() {
			l := newListener()
			control := NewControl(connect(t, address), "", l, func(err error) { t.Error(err) })
			check(t, control.Start(t.Context()))
			t.Cleanup(control.Close)
			listeners = append(listeners, l)
		}
		begin() // on a stream that does not exist
		notice("/a")
		if got := <-listeners[0].changed; got != "/a" {
			t.Errorf("%s changed", got)
		}
		begin() // after the first notice
		notice("/b")
		for _, l := range listeners {
			if got := <-l.changed; got != "/b" {
				t.Errorf("%s changed", got)
			}
		}
		check(t, c.XAdd(t.Context(), &redis.XAddArgs{Stream: ControlKey(""), Values: []any{"new", "kind"}}).Err())
		for _, l := range listeners {
			<-l.reload
		}
	})
}

// TestControlGap holds that everything is loaded again when notices may be
// missing, after a lost stream and after a lost connection too.
func TestControlGap(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		c := connect(t, address)
		check(t, c.Do(t.Context(), NamespaceCommand("", "/a")...).Err())
		p := newProxy(t, address)
		l := newListener()
		control := NewControl(connect(t, p.listener.Addr().String()), "", l, nil)
		check(t, control.Start(t.Context()))
		t.Cleanup(control.Close)
		p.cut()
		check(t, c.Do(t.Context(), NamespaceCommand("", "/b")...).Err())
		if got := <-l.changed; got != "/b" {
			t.Errorf("%s changed", got)
		}
		select {
		case <-l.reload:
			t.Error("nothing was missed, but all is loaded again")
		default:
		}
		check(t, c.Del(t.Context(), ControlKey("")).Err())
		<-l.reload
		check(t, c.Do(t.Context(), NamespaceCommand("", "/c")...).Err())
		if got := <-l.changed; got != "/c" {
			t.Errorf("%s changed", got)
		}
	})
}
