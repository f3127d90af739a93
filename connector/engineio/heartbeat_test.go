package engineio

import (
	"testing"
	"time"
)

// fastBeat expires during a test, but leaves a busy machine time for a few requests.
var fastBeat = Options{PingInterval: 150 * time.Millisecond, PingTimeout: 400 * time.Millisecond}

// steadyBeat never expires during a test.
var steadyBeat = Options{PingInterval: 40 * time.Millisecond, PingTimeout: patience}

// notBefore fails when less than d has passed since start. There is no upper bound: machines are slow.
func notBefore(t *testing.T, start time.Time, d time.Duration) {
	t.Helper()
	if passed := time.Since(start); passed < d*95/100 {
		t.Fatalf("after %v, want %v", passed, d)
	}
}

func TestHeartbeatV4(t *testing.T) {
	t.Run("43 interval after the handshake and after the pong", func(t *testing.T) {
		st := newSite(t, Options{PingInterval: 100 * time.Millisecond, PingTimeout: patience})
		start := time.Now()
		c := st.connect(V4, "")
		c.want("2")
		notBefore(t, start, 100*time.Millisecond)
		for range 2 {
			start = time.Now()
			c.text("3")
			c.want("2")
			notBefore(t, start, 100*time.Millisecond)
		}
		start = time.Now()
		p := st.poll(V4, "")
		p.get().want(t, 200, "2")
		p.postOK("3")
		p.get().want(t, 200, "2")
		notBefore(t, start, 190*time.Millisecond)
	})
	t.Run("44 missing pong", func(t *testing.T) {
		st := newSite(t, fastBeat)
		c := st.connect(V4, "")
		c.want("2")
		c.text("4only a pong counts")
		c.want("close", "EOF")
		c.wantMessages(t, "only a pong counts")
		c.wantClosed(t, ReasonPingTimeout)

		start := time.Now()
		p := st.poll(V4, "")
		p.get().want(t, 200, "2")
		p.get().want(t, 200, "1")
		notBefore(t, start, fastBeat.PingInterval+fastBeat.PingTimeout)
		p.wantClosed(t, ReasonPingTimeout)
		p.gone()

		p = st.poll(V4, "")
		p.wantClosed(t, ReasonPingTimeout) // no GET at all
		p.gone()
	})
	t.Run("45 ping from the client", func(t *testing.T) {
		st := newSite(t, Options{})
		for _, ping := range []string{"2", "2probe"} {
			c := st.connect(V4, "")
			c.text(ping, "4late")
			c.want("close", "EOF")
			c.wantClosed(t, ReasonTransportError)
			p := st.poll(V4, "")
			held := p.hold()
			p.postOK(ping + "\x1e4late")
			p.wantHeld(held, "1")
			p.wantClosed(t, ReasonTransportError)
			p.gone()
			if len(c.got)+len(p.got) != 0 {
				t.Fatal("delivered after the ping")
			}
		}
	})
	t.Run("45 unsolicited pong", func(t *testing.T) {
		st := newSite(t, Options{})
		c := st.connect(V4, "")
		c.text("3", "3", "4x")
		c.wantMessages(t, "x")
		c.wantAlive(t)
	})
	t.Run("paused session is not closed", func(t *testing.T) {
		st := newSite(t, fastBeat)
		c := st.connect(V4, "")
		c.s.Pause()
		c.want("2")
		c.text("3")
		c.s.mu.Lock()
		due := c.s.due
		c.s.mu.Unlock()
		eventually(t, "the timeout is put off", func() bool {
			c.s.mu.Lock()
			defer c.s.mu.Unlock()
			return c.s.due > due
		})
		c.s.Resume()
		c.want("2")
		c.wantAlive(t)
	})
}

func TestHeartbeatV3(t *testing.T) {
	t.Run("46 ping is answered", func(t *testing.T) {
		st := newSite(t, Options{})
		c := st.connect(V3, "")
		c.text("2", "2xyz")
		c.want("3", "3")
		p := st.poll(V3, "")
		held := p.hold()
		p.postOK("1:2")
		p.wantHeld(held, "1:3")
	})
	t.Run("46 silence", func(t *testing.T) {
		st := newSite(t, fastBeat)
		start := time.Now()
		c, p := st.connect(V3, ""), st.poll(V3, "")
		held := p.hold()
		c.want("close", "EOF")
		notBefore(t, start, fastBeat.PingInterval+fastBeat.PingTimeout)
		c.wantClosed(t, ReasonPingTimeout)
		p.wantHeld(held, "1:1")
		p.wantClosed(t, ReasonPingTimeout)
		p.gone()
	})
	t.Run("47 any packet counts", func(t *testing.T) {
		st := newSite(t, fastBeat)
		c := st.connect(V3, "")
		start := time.Now()
		for time.Since(start) < 2*(fastBeat.PingInterval+fastBeat.PingTimeout) {
			for _, packet := range []string{"4x", "3", "6"} {
				c.text(packet)
				time.Sleep(5 * time.Millisecond) // the passing of time is what is tested
			}
		}
		c.text("2")
		c.want("3")
		c.wantAlive(t)
	})
}

func TestHeartbeatAfterUpgrade(t *testing.T) {
	upgraded := func(t *testing.T, st *site, v Protocol, before func(p *poller)) *socket {
		p := st.poll(v, "")
		if before != nil {
			before(p)
		}
		c := p.attach()
		c.text("2probe")
		c.want("3probe")
		c.text("5")
		return c
	}
	outstanding := func(p *poller) { p.get().want(p.t, 200, "2") }
	t.Run("48 EIO4 silent, no ping outstanding", func(t *testing.T) {
		c := upgraded(t, newSite(t, fastBeat), V4, nil)
		c.want("2", "close", "EOF")
		c.wantClosed(t, ReasonPingTimeout)
	})
	t.Run("48 EIO4 silent, ping outstanding", func(t *testing.T) {
		c := upgraded(t, newSite(t, fastBeat), V4, outstanding)
		c.want("close", "EOF")
		c.wantClosed(t, ReasonPingTimeout)
	})
	t.Run("48 EIO4 alive", func(t *testing.T) {
		for _, before := range []func(*poller){nil, outstanding} {
			c := upgraded(t, newSite(t, steadyBeat), V4, before)
			if before != nil {
				c.text("3")
			}
			for range 3 {
				c.want("2")
				c.text("3")
			}
			c.wantAlive(t)
		}
	})
	t.Run("48 EIO3", func(t *testing.T) {
		c := upgraded(t, newSite(t, fastBeat), V3, nil)
		c.text("2")
		c.want("3", "close", "EOF")
		c.wantClosed(t, ReasonPingTimeout)
	})
}
