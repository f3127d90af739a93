package socketio_test

import (
	"testing"

	"github.com/lightpush/lightpush/connector/socketio"
)

// What a connection handler sends while it hangs leaves in time, behind the
// CONNECT answer and in order.
func TestHangingConnectionHandler(t *testing.T) {
	for _, kind := range []string{"ws4", "ws3", "polling4"} {
		t.Run(kind, func(t *testing.T) {
			read, second := make(chan struct{}), make(chan struct{})
			srv := serve(t, socketio.Options{}, func(s *socketio.Server) {
				s.Of("/").OnConnect(func(s *socketio.Socket) {
					_ = s.Emit("first")
					<-read
					_ = s.Emit("second")
					<-second
				})
			})
			p := srv.join(t, kind, "/")
			p.expect(`42["first"]`)
			close(read)
			p.expect(`42["second"]`)
			if _, err := srv.Of("/").All().Emit("third"); err != nil { // waits for the handler
				t.Error(err)
			}
			close(second)
			p.expect(`42["third"]`)
		})
	}
}
