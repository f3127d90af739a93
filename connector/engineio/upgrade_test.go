package engineio

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func (p *poller) noop() string { return map[Protocol]string{V3: "1:6", V4: "6"}[p.v] }

func (p *poller) form(packet string) string {
	if p.v == V4 {
		return packet
	}
	return fmt.Sprintf("%d:%s", len(packet), packet)
}

func (p *poller) waitUpgrade(running bool) {
	p.t.Helper()
	eventually(p.t, "upgrade runs or does not", func() bool {
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		return (p.s.upgrade != nil) == running
	})
}

func bothProtocols(t *testing.T, name string, test func(t *testing.T, v Protocol)) {
	for _, v := range []Protocol{V3, V4} {
		t.Run(fmt.Sprintf("%s, EIO%d", name, v), func(t *testing.T) { test(t, v) })
	}
}

func TestUpgrade(t *testing.T) {
	st := newSite(t, Options{})
	bothProtocols(t, "49 only 3probe before 5", func(t *testing.T, v Protocol) {
		p := st.poll(v, "")
		c := p.attach()
		c.text("2probe", "2probe")
		c.want("3probe", "3probe")
		p.send(t, texts("a", "b")...)
		if p.s.Transport() != "polling" {
			t.Fatal("switched before 5")
		}
		c.text("5")
		c.want("4a", "4b")
		if p.s.Transport() != "websocket" {
			t.Fatal("not switched")
		}
		c.text("4x")
		p.wantMessages(t, "x")
	})
	bothProtocols(t, "50 held GET is released by the probe and then every 100 ms", func(t *testing.T, v Protocol) {
		p := st.poll(v, "")
		held := p.hold()
		c := p.attach()
		c.text("2probe")
		c.want("3probe")
		p.wantHeld(held, p.noop())
		for range 2 {
			start := time.Now()
			p.get().want(t, 200, p.noop())
			notBefore(t, start, releaseInterval)
		}
		p.send(t, text("x"))
		p.get().want(t, 200, p.form("4x")) // pending packets go into a GET as well
		held = p.hold()
		p.send(t, text("y"))
		p.wantHeld(held, p.form("4y"))
	})
	bothProtocols(t, "52 after 5", func(t *testing.T, v Protocol) {
		p := st.poll(v, "")
		c := p.attach()
		p.send(t, text("first"))
		held := p.start() // takes the packet
		p.wantHeld(held, p.form("4first"))
		held = p.hold()
		c.text("5") // without a probe, with a GET held
		p.wantHeld(held, p.noop())
		eventually(t, "switched", func() bool { return p.s.Transport() == "websocket" })
		p.send(t, text("second"))
		c.want("4second")
		p.get().wantCode(t, 400, CodeBadRequest)
		p.post(p.form("4x")).wantCode(t, 400, CodeBadRequest)
		p.wantAlive(t)
	})
	bothProtocols(t, "53 other first frame", func(t *testing.T, v Protocol) {
		for _, first := range [][]byte{
			frame(ws.OpText, "4x"), frame(ws.OpText, "2"), frame(ws.OpText, "2prob"), frame(ws.OpText, ""), frame(ws.OpBinary, "\x05x"),
		} {
			if v == V3 && first[0]&0xf == byte(ws.OpBinary) {
				continue // a binary 5 is a 5 in protocol 3
			}
			p := st.poll(v, "")
			c := p.attach()
			c.write(first)
			c.want("close", "EOF")
			p.postOK(p.form("4still polling"))
			p.wantMessages(t, "still polling")
			p.waitUpgrade(false)
		}
	})
	t.Run("53 broken frame", func(t *testing.T) {
		p := st.poll(V4, "")
		c := p.attach()
		c.text("2\xff")
		c.want("close 1007", "EOF")
		p.wantAlive(t)
	})
	t.Run("54 client drops the WebSocket", func(t *testing.T) {
		p := st.poll(V4, "")
		c := p.attach()
		c.text("2probe")
		c.want("3probe")
		c.nc.Close()
		p.waitUpgrade(false)
		c = p.attach()
		c.text("2probe", "5", "4x")
		c.want("3probe")
		p.wantMessages(t, "x")
	})
	bothProtocols(t, "55 second WebSocket", func(t *testing.T, v Protocol) {
		p := st.poll(v, "")
		c := p.attach()
		p.waitUpgrade(true)
		p.attach().want("close", "EOF")
		c.text("2probe")
		c.want("3probe")
		p.attach().want("close", "EOF")
		c.text("5", "4x")
		p.wantMessages(t, "x")
		p.attach().want("close", "EOF")
		p.send(t, text("y"))
		c.want("4y")
	})
	bothProtocols(t, "56 message split over POST and WebSocket", func(t *testing.T, v Protocol) {
		p := st.poll(v, "")
		c := p.attach()
		c.text("2probe")
		c.want("3probe")
		p.postOK(p.form(`451-["f",{"_placeholder":true,"num":0}]`))
		raw := map[Protocol]string{V3: "\x04\x01\x02", V4: "\x01\x02"}[v]
		c.write(frame(ws.OpText, "5"), frame(ws.OpBinary, raw))
		p.wantMessages(t, `51-["f",{"_placeholder":true,"num":0}]`, "<0102>")
	})
	t.Run("56 and the other way", func(t *testing.T) {
		p := st.poll(V4, "")
		for range 16 {
			p.send(t, text("x"))
		}
		p.send(t, binary(1, 2))
		p.get().want(t, 200, strings.TrimSuffix(strings.Repeat("4x\x1e", 16), "\x1e"))
		c := p.attach()
		c.text("2probe", "5")
		c.want("3probe", "<0102>")
	})
	t.Run("57 session closes during the probe", func(t *testing.T) {
		for _, end := range []func(p *poller){
			func(p *poller) { p.s.Close("") },
			func(p *poller) { p.postOK("1") },
			func(p *poller) { p.postOK("9") },
		} {
			p := st.poll(V4, "")
			c := p.attach()
			c.text("2probe")
			c.want("3probe")
			end(p)
			c.want("close", "EOF")
		}
	})
	t.Run("b64 is judged per transport", func(t *testing.T) {
		p := st.poll(V3, "&b64=1")
		p.send(t, binary(1))
		p.get().want(t, 200, "6:b4AQ==")
		c := p.attach()
		c.text("5")
		eventually(t, "switched", func() bool { return p.s.Transport() == "websocket" })
		p.send(t, binary(1))
		c.want("<0401>")
	})
	t.Run("pipelined probe", func(t *testing.T) {
		p := st.poll(V4, "")
		c := st.attach("EIO=4&transport=websocket&sid="+p.sid, frame(ws.OpText, "2probe")...)
		c.want("3probe")
	})
	t.Run("paused session is paused after the upgrade", func(t *testing.T) {
		p := st.poll(V4, "")
		c := p.attach()
		c.text("2probe")
		c.want("3probe")
		p.s.Pause()
		c.text("5")
		eventually(t, "switched", func() bool { return p.s.Transport() == "websocket" })
		c.text("4x")
		p.s.Resume()
		p.wantMessages(t, "x")
	})
}

func TestUpgradeTimeout(t *testing.T) {
	t.Run("54 no 5 within upgradeTimeout", func(t *testing.T) {
		st := newSite(t, Options{UpgradeTimeout: 300 * time.Millisecond})
		p := st.poll(V4, "")
		for range 2 {
			c := p.attach()
			c.text("2probe")
			c.want("3probe", "close", "EOF")
			p.send(t, text("x"))
			p.get().want(t, 200, "4x")
		}
	})
}

// TestUpgradeUnderTraffic upgrades while both sides send: everything arrives exactly once and in order (51).
func TestUpgradeUnderTraffic(t *testing.T) {
	bothProtocols(t, "51", func(t *testing.T, v Protocol) {
		for range 8 {
			st := newSite(t, Options{})
			upgradeUnderTraffic(t, st, v)
		}
	})
}

const trafficMessages = 300

func upgradeUnderTraffic(t *testing.T, st *site, v Protocol) {
	p := st.poll(v, "")
	var running sync.WaitGroup
	running.Go(func() { // the server sends all the time
		for i := range trafficMessages {
			if p.s.Send(text(fmt.Sprint(i))) != nil {
				t.Error("Send failed")
				return
			}
			if i%10 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	})

	var received []string
	stopPolling := make(chan struct{})
	polled := make(chan struct{})
	go func() { // the client polls until its last GET has returned after the probe
		defer close(polled)
		for {
			a := p.get()
			if a.err != nil || a.status != 200 {
				t.Errorf("GET: %+v", a)
				return
			}
			received = append(received, packetsOf(t, v, a.body)...)
			select {
			case <-stopPolling:
				return
			default:
			}
		}
	}()

	sent := 0
	next := func() string { sent++; return fmt.Sprintf("4c%d", sent-1) }
	for range 5 {
		p.postOK(p.form(next()))
	}
	c := p.attach()
	c.text("2probe")
	c.want("3probe")
	p.postOK(p.form(next()))
	close(stopPolling)
	<-polled
	if t.Failed() {
		t.FailNow()
	}
	c.text("5")
	for range 5 {
		c.text(next())
	}
	for len(received) < trafficMessages {
		if packet := c.read(); packet != "6" {
			received = append(received, packet[1:])
		}
	}
	running.Wait()
	for i, got := range received {
		if got != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, got)
		}
	}
	for i := range sent {
		p.wantMessages(t, fmt.Sprintf("c%d", i))
	}
}

// packetsOf returns the messages of a GET answer.
func packetsOf(t *testing.T, v Protocol, body string) (messages []string) {
	decode := decodePayloadV3Text
	if v == V4 {
		decode = decodePayloadV4
	}
	err := decode([]byte(body), func(p packet) error {
		if p.typ == typeMessage {
			messages = append(messages, string(p.data))
		}
		return nil
	})
	if err != nil {
		t.Errorf("payload %q: %v", body, err)
	}
	return messages
}

func TestShutdown(t *testing.T) {
	st := newSite(t, Options{})
	held4, held3, idle := st.poll(V4, ""), st.poll(V3, ""), st.poll(V4, "")
	answers4, answers3 := held4.hold(), held3.hold()
	probing := st.poll(V4, "")
	candidate := probing.attach()
	candidate.text("2probe")
	candidate.want("3probe")
	c := st.connect(V4, "")
	c.send(t, text("last"))
	idle.send(t, text("last"))

	down := make(chan error, 1)
	go func() { down <- st.server.Shutdown(context.Background()) }()
	held4.wantHeld(answers4, "1")
	held3.wantHeld(answers3, "1:1")
	c.want("4last", "close", "EOF")
	candidate.want("close", "EOF")
	for _, p := range []*peer{held4.peer, held3.peer, idle.peer, probing.peer, c.peer} {
		p.wantClosed(t, ReasonServerShutdown)
	}
	idle.get().want(t, 200, "4last")
	idle.get().want(t, 200, "6\x1e1")
	probing.get().want(t, 200, "6\x1e1")
	st.do("GET", "EIO=4&transport=polling", "").want(t, http.StatusServiceUnavailable, "")
	if _, res := st.dial("EIO=4&transport=websocket", "", nil); res.StatusCode != http.StatusServiceUnavailable {
		t.Fatal(res.StatusCode)
	}
	if err := <-down; err != nil || st.server.Len() != 0 {
		t.Fatal(err, st.server.Len())
	}
}
