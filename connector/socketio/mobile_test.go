package socketio_test

import (
	"strings"
	"testing"

	"github.com/lightpush/lightpush/connector/socketio"
)

// Frames as the Java and Swift clients send them; neither can be run here.
func TestMobileClients(t *testing.T) {
	t.Run("103 java 2.x", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		for _, kind := range []string{"poll4", "ws4"} { // neither sends t
			p := srv.dial(t, kind)
			p.send(`40/admin,{"token":"x"}`)
			p.expect(`40/admin,{"sid":"*"}`)
			p.send(`42/admin,0["echo","é😀"]`)
			p.expect(`43/admin,0["é😀"]`)
		}
		// Base64 wrapped at 76 characters and ended by a line break.
		p := srv.join(t, "poll4", "/")
		wrapped := b64(make([]byte, 100))
		wrapped = "b" + wrapped[:76] + "\n" + wrapped[76:] + "\n"
		p.send(`451-1["echo",{"_placeholder":true,"num":0}]`, wrapped)
		p.expect(`461-1[{"_placeholder":true,"num":0}]`, "b"+b64(make([]byte, 100)))
	})

	t.Run("103 java 1.x", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		for _, kind := range []string{"poll3", "ws3"} {
			p := srv.join(t, kind, "/")
			p.send("40/admin?token=x,")
			p.expect("40/admin,")
			p.send(`42/admin,0["echo",1]`)
			p.expect("43/admin,0[1]")
			p.send("40/nope?token=x,")
			p.expect(`44/nope,"Invalid namespace"`) // it can read strings only
		}
	})

	t.Run("104 swift 16, protocol 5", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		for _, kind := range []string{"poll4", "ws4"} {
			p := srv.dial(t, kind)
			p.send("40/,")
			p.expect(`40{"sid":"*"}`)
			p.send(`42/,0["echo",1]`)
			p.expect("430[1]")
			p.send(`40/admin,{"a":1}`)
			p.expect(`40/admin,{"sid":"*"}`)
			p.send("41/,", `42/admin,0["echo",2]`)
			p.expect("43/admin,0[2]") // leaving the root leaves the others alone
		}
		p := srv.dial(t, "ws4")
		p.send(`40/,{"a":1}`)
		p.expect(`40{"sid":"*"}`)
	})

	t.Run("104 swift, protocol 4", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		p := srv.join(t, "poll3", "/")
		p.send("40/,") // joined already: ignored
		p.send(`42/,0["echo",1]`)
		p.expect("430[1]")
	})

	// Swift holds a GET while it probes and goes on only when that returns.
	t.Run("104 swift upgrades with a GET held", func(t *testing.T) {
		srv := serve(t, socketio.Options{}, rootAndAdmin)
		p := srv.join(t, "poll4", "/")
		held := make(chan error, 1)
		poll := p.client.(*pollClient)
		go func() { held <- poll.get() }()
		w, err := dialWS(srv.http.Listener.Addr().String(), "EIO=4&transport=websocket&sid="+p.sid)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.close)
		upgraded := &peer{client: w, t: t, v: 4, sid: p.sid}
		upgraded.send("2probe")
		upgraded.expect("3probe")
		if err := await(t, held); err != nil || strings.Join(poll.pending, " ") != "6" {
			t.Fatalf("the held GET got %q, %v", poll.pending, err)
		}
		upgraded.send("5", `420["echo","after"]`)
		upgraded.expect(`430["after"]`)
	})
}
