package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
)

// What waits for the handlers stops the reading, and nothing of it is lost.
func TestInboundPauses(t *testing.T) {
	type blocked struct {
		srv     *testServer
		open    chan struct{}
		handled atomic.Int64
	}
	start := func(t *testing.T, o socketio.Options) *blocked {
		b := &blocked{open: make(chan struct{})}
		b.srv = serve(t, o, func(s *socketio.Server) {
			echo(s.Of("/").Behaviour)
			s.Of("/").On("slow", func(*socketio.Socket, *socketio.Event) {
				<-b.open
				b.handled.Add(1)
			})
		})
		return b
	}

	for _, kind := range []string{"ws3", "ws4"} {
		t.Run(kind, func(t *testing.T) {
			b := start(t, socketio.Options{InboundEvents: 10})
			p := b.srv.join(t, kind, "/")
			conn := p.client.(*wsClient).conn.(*net.TCPConn)
			event := `42["slow","` + strings.Repeat("x", 500_000) + `"]`
			sent := int64(0)
			// Write until the network takes no more. The frame that was cut
			// is completed below.
			var rest []byte
			for rest == nil && sent < 1000 {
				frame := frameOf(event)
				_ = conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
				n, err := conn.Write(frame)
				sent++
				if errors.Is(err, os.ErrDeadlineExceeded) {
					rest = frame[n:]
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if rest == nil {
				t.Fatal("the server reads on although nothing is handled")
			}
			_ = conn.SetWriteDeadline(time.Time{})
			close(b.open)
			if _, err := conn.Write(rest); err != nil {
				t.Fatal(err)
			}
			p.fence("/")
			if b.handled.Load() != sent {
				t.Errorf("%d of %d events handled", b.handled.Load(), sent)
			}
		})
	}

	for _, kind := range []string{"poll3", "poll4"} {
		t.Run(kind, func(t *testing.T) {
			b := start(t, socketio.Options{InboundEvents: 10})
			p := b.srv.join(t, kind, "/")
			answered := make(chan struct{})
			var burst []string
			for range 500 {
				burst = append(burst, `42["slow"]`)
			}
			go func() {
				p.send(burst...)
				close(answered)
			}()
			select {
			case <-answered:
				t.Error("the POST was answered although nothing is handled")
			case <-time.After(100 * time.Millisecond):
			}
			close(b.open)
			await(t, answered)
			p.fence("/")
			if b.handled.Load() != 500 {
				t.Errorf("%d events handled", b.handled.Load())
			}
		})
	}

	t.Run("hard bound", func(t *testing.T) {
		reasons := make(chan engineio.Reason, 1)
		b := start(t, socketio.Options{Engine: engineio.Options{
			PingTimeout: 20 * time.Millisecond, // a POST is withheld for half of it
			Observer:    closeReasons{c: reasons},
		}})
		p := b.srv.join(t, "poll4", "/")
		post := make([]string, 20)
		for i := range post {
			post[i] = `42["slow","` + strings.Repeat("x", 45_000) + `"]`
		}
		posts := 0
		for ; b.srv.Engine().Len() > 0 && posts < 20; posts++ {
			p.send(post...)
		}
		close(b.open)
		if posts > 6 {
			t.Errorf("%d POSTs were taken", posts)
		}
		if r := await(t, reasons); r != engineio.ReasonForcedClose {
			t.Errorf("reason %q", r)
		}
	})

	t.Run("joins count too", func(t *testing.T) {
		entered, open := make(chan struct{}, 200), make(chan struct{})
		srv := serve(t, socketio.Options{InboundEvents: 10}, func(s *socketio.Server) {
			s.Of("/").Use(func(context.Context, *socketio.Socket) error {
				entered <- struct{}{}
				<-open
				return nil
			})
			echo(s.Of("/").Behaviour)
		})
		p := srv.dial(t, "poll4")
		p.send("40")
		await(t, entered)
		answered := make(chan struct{})
		go func() {
			var burst []string
			for range 100 {
				burst = append(burst, "41", "40")
			}
			p.send(burst...)
			close(answered)
		}()
		select {
		case <-answered:
			t.Error("the POST was answered although nothing is handled")
		case <-time.After(100 * time.Millisecond):
		}
		close(open)
		await(t, answered)
		p.expect(`40{"sid":"*"}`)
		p.fence("/")
	})
}

// frameOf is a masked text frame.
func frameOf(text string) []byte {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		(&wsClient{conn: theirs}).send(text)
		_ = theirs.Close()
	}()
	var frame []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := ours.Read(buf)
		frame = append(frame, buf[:n]...)
		if err != nil {
			return frame
		}
	}
}

func TestHeldBroadcastsAreBounded(t *testing.T) {
	joined, open, reasons := make(chan struct{}), make(chan struct{}), make(chan engineio.Reason, 1)
	srv := serve(t, socketio.Options{Engine: engineio.Options{
		SendBuffer: 64 << 10, Observer: closeReasons{c: reasons},
	}}, func(s *socketio.Server) {
		s.Of("/").Use(func(_ context.Context, s *socketio.Socket) error {
			err := s.Join("room")
			close(joined)
			<-open
			return err
		})
	})
	p := srv.dial(t, "ws4")
	p.send("40")
	await(t, joined)
	n := 0
	for ; n < 100; n++ {
		if sent, _ := srv.Of("/").To("room").Emit("e", strings.Repeat("x", 1000)); sent == 0 {
			break
		}
	}
	if n < 60 || n > 65 {
		t.Errorf("%d broadcasts of 1 kB were held", n)
	}
	p.expectClosed()
	close(open)
	if r := await(t, reasons); r != engineio.ReasonSlowClient {
		t.Errorf("reason %q", r)
	}
}

func TestTooManyNamespaces(t *testing.T) {
	for _, kind := range kinds {
		srv := serve(t, socketio.Options{MaxNamespaces: 3}, func(s *socketio.Server) {
			for _, name := range []string{"/", "/1", "/2", "/3", "/4"} {
				echo(s.Of(name).Behaviour)
			}
		})
		p := srv.join(t, kind, "/")
		p.connect("/1")
		p.connect("/2")
		p.send("40/3,")
		p.expect(map[int]string{3: `44/3,"Too many namespaces"`, 4: `44/3,{"message":"Too many namespaces"}`}[p.v])
		for i := range 100 { // names that do not exist take no room
			p.send(fmt.Sprintf("40/none%d,", i))
			p.read()
		}
		p.fence("/1")
		p.send("41/1,")
		p.fence("/2")
		eventually(t, "it has left", func() bool { return srv.Of("/1").Len() == 0 })
		p.connect("/3") // in the place of /1
		p.fence("/3")
		p.fence("/2")
	}
}

// An idle socket holds no map, no handshake, no timer, no goroutine.
func TestIdleSocket(t *testing.T) {
	srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
		ns := s.Of("/")
		echo(ns.Behaviour)
		ns.Use(func(_ context.Context, s *socketio.Socket) error { return s.Join("room") })
		ns.OnConnect(func(s *socketio.Socket) {
			_ = s.EmitWithAck(time.Hour, func(socketio.Args, error) {}, "q")
		})
	})
	for _, kind := range kinds {
		p := srv.join(t, kind, "/")
		question := p.read()
		p.send("43" + question[2:len(question)-len(`["q"]`)] + "[]")
		p.fence("/")
		s := socketOf(srv, "/", p)
		eventually(t, "the lane rests", func() bool { return len(socketio.Leftovers(s)) == 0 })
	}
	if err := srv.Of("/").All().EmitWithAck(time.Millisecond, func([]socketio.Args, error) {}, "q"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no broadcast waits", func() bool { return socketio.PendingBroadcasts(srv.Of("/")) == 0 })
}
