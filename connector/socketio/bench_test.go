package socketio

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/netpoll"
)

// discard is a poller whose connections take everything and send nothing.
type discard struct{}

func (discard) Attach(net.Conn, []byte, netpoll.Handler) (netpoll.Conn, error) {
	return discardConn{}, nil
}
func (discard) Close() error { return nil }

type discardConn struct{}

func (discardConn) Write(...[]byte) error         { return nil }
func (discardConn) Queued() int                   { return 0 }
func (discardConn) Writable() bool                { return true }
func (discardConn) Pause()                        {}
func (discardConn) Resume()                       {}
func (discardConn) CloseAfterFlush(time.Duration) {}
func (discardConn) Close(error)                   {}
func (discardConn) RemoteAddr() net.Addr          { return nil }

// hijacker is a response whose connection is never used.
type hijacker struct{ *httptest.ResponseRecorder }

func (hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, bufio.NewReadWriter(bufio.NewReader(strings.NewReader("")), nil), nil
}

// benchRoom is a namespace with n discarding members of the room "room".
func benchRoom(b testing.TB, n int) *Namespace {
	b.Helper()
	s, err := NewServer(Options{ConnectTimeout: time.Hour, Engine: engineio.Options{Poller: discard{}}})
	if err != nil {
		b.Fatal(err)
	}
	ns := s.Of("/")
	ns.OnConnect(func(s *Socket) { _ = s.Join("room") })
	for range n {
		r := httptest.NewRequest(http.MethodGet, "/socket.io/?EIO=3&transport=websocket", nil)
		for k, v := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
		} {
			r.Header.Set(k, v)
		}
		s.ServeHTTP(hijacker{httptest.NewRecorder()}, r)
	}
	for ns.RoomLen("room") < n {
		runtime.Gosched()
	}
	b.Cleanup(func() {
		for _, s := range ns.Sockets() {
			s.Session().Close("") // stops the timers
		}
		for ns.Len() > 0 {
			runtime.Gosched()
		}
	})
	return ns
}

// BenchmarkBroadcast is one message: encoded once, delivered to every member
// by a layer below that takes no time.
func BenchmarkBroadcast(b *testing.B) {
	payload := json.RawMessage(`{"id":"1234567890123","data":{"title":"hello","body":"` + strings.Repeat("x", 100) + `"}}`)
	for _, n := range []int{1, 100, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ns := benchRoom(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if sent, err := ns.To("room").AckID(42).Emit("push", payload); sent != n || err != nil {
					b.Fatal(sent, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
		})
	}
}

func BenchmarkEventDecode(b *testing.B) {
	for name, packet := range map[string]string{
		"ack push": `2/demo,12["ackPush",{"id":1234567890123}]`,
		"ack":      `3/demo,1073741825[]`,
		"binary":   `51-/demo,["file",{"_placeholder":true,"num":0}]`,
	} {
		b.Run(name, func(b *testing.B) {
			d := decoder{usual: "/demo"}
			data, attachment := []byte(packet), make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				in, err := d.decode(false, data)
				if d.partial != nil {
					in, err = d.decode(true, attachment)
				}
				if in == nil || err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
