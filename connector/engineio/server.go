package engineio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lightpush/lightpush/connector/internal/wheel"
	"github.com/lightpush/lightpush/connector/netpoll"
)

// Handler makes the receiver of a session.
type Handler interface {
	// OnOpen is called once per session, before anything the client sends is read. What it sends follows the open
	// packet directly: in the handshake answer on polling, as the next frames on WebSocket.
	OnOpen(s *Session) Receiver
}

// Receiver gets what the client of one session sends.
type Receiver interface {
	// OnMessage takes one message. The calls never overlap and come in the order of arrival, across transports.
	// data is valid only during the call, and may be modified. It must not block. An error closes the session, with
	// the reason of a *CloseError or else with ReasonForcedClose; a panic closes it with ReasonReceiverPanic.
	OnMessage(binary bool, data []byte) error

	// OnClose is called exactly once, after the last OnMessage, on a goroutine that does nothing else. It may block: when
	// very many do, others are called a little later.
	OnClose(reason Reason)
}

// Server accepts Engine.IO clients. It is an http.Handler that does not look at the path.
type Server struct {
	// fixed after NewServer
	options   Options
	handler   Handler
	observer  Observer
	poller    netpoll.Poller
	ownPoller bool
	keep      []string // canonical names of Options.KeepHeaders
	epoch     time.Time
	wheel     *wheel.Wheel // heartbeats and timeouts; closed by Shutdown

	orders  atomic.Uint32 // see Session.Order
	closers closers

	// tasks counts what Shutdown waits for: sessions in the table, OnClose calls, WebSockets.
	tasks tally

	mu       sync.Mutex // leaf
	sessions map[string]*Session
	most     int    // sessions there were since the table was made
	open     census // sessions that are not closing
	closing  bool   // Shutdown was called
}

var _ http.Handler = (*Server)(nil)

// NewServer checks the options and returns a server.
func NewServer(o Options, h Handler) (*Server, error) {
	if h == nil {
		return nil, errors.New("engineio: no handler")
	}
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	srv := &Server{
		options:  o,
		handler:  h,
		observer: o.Observer,
		poller:   o.Poller,
		sessions: make(map[string]*Session),
		epoch:    time.Now(),
		wheel:    wheel.New(),
	}
	if srv.poller == nil {
		poller, err := netpoll.New(netpoll.Options{MaxQueued: o.SendBuffer + frameSlack})
		if err != nil {
			return nil, fmt.Errorf("engineio: %w", err)
		}
		srv.ownPoller = true
		srv.poller = poller
	}
	srv.closers.srv = srv
	for _, name := range o.KeepHeaders {
		srv.keep = append(srv.keep, textproto.CanonicalMIMEHeaderKey(name))
	}
	return srv, nil
}

// Len is the number of open sessions.
func (srv *Server) Len() int {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.open.sum()
}

// Count is the number of open sessions of one protocol and transport.
type Count struct {
	Protocol  Protocol
	Transport string // "polling" or "websocket"
	Sessions  int
}

// Counts are the numbers of open sessions of every kind, zeros included; their sum is Len. It costs the same however
// many sessions there are.
func (srv *Server) Counts() []Count {
	srv.mu.Lock()
	open := srv.open
	srv.mu.Unlock()
	var counts []Count
	for i, protocol := range []Protocol{V3, V4} {
		counts = append(counts, Count{protocol, transportPolling, open[i][0]}, Count{protocol, transportWebSocket, open[i][1]})
	}
	return counts
}

// census are numbers of sessions by protocol, V3 first, and transport, polling first.
type census [2][2]int

func (c *census) sum() int { return c[0][0] + c[0][1] + c[1][0] + c[1][1] }

// add changes the number of sessions like s, whose lock is held unless nobody knows it yet.
func (c *census) add(s *Session, n int) {
	transport := 0
	if s.socket != nil {
		transport = 1
	}
	c[s.protocol.index()][transport] += n
}

func (p Protocol) index() int {
	if p == V4 {
		return 1
	}
	return 0
}

// Sessions calls yield for the sessions that were open when it was called, until yield returns false.
func (srv *Server) Sessions(yield func(*Session) bool) {
	for _, s := range srv.snapshot() {
		if s.isOpen() && !yield(s) {
			return
		}
	}
}

// Shutdown refuses new handshakes with 503, closes all sessions with ReasonServerShutdown (polling clients get the
// close packet, WebSockets a close frame), and returns when they are gone. When ctx ends first, what is left is
// dropped and the error of ctx returned. A poller made by NewServer is closed too. It must not be called from a
// callback of a session.
func (srv *Server) Shutdown(ctx context.Context) error {
	srv.mu.Lock()
	srv.closing = true
	srv.mu.Unlock()
	for _, s := range srv.snapshot() {
		s.Close(ReasonServerShutdown)
	}
	err := srv.tasks.wait(ctx)
	if err != nil {
		for _, s := range srv.snapshot() {
			s.fail(ReasonServerShutdown)
		}
		err = fmt.Errorf("engineio: shutdown: %w", err)
	}
	if srv.ownPoller {
		_ = srv.poller.Close()
	}
	srv.wheel.Close()
	return err
}

// Timer is a timer of AfterFunc. Its method Stop reports whether it was armed: then the function will not be called.
type Timer = wheel.Func

// AfterFunc calls f after d, late by up to 3 % of d and 2 ms, on the goroutine that also sends the heartbeats: f must
// not block. It costs less than a runtime timer. After Shutdown nothing is called any more.
func (srv *Server) AfterFunc(d time.Duration, f func()) *Timer { return srv.wheel.AfterFunc(d, f) }

func (srv *Server) snapshot() []*Session {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	all := make([]*Session, 0, len(srv.sessions))
	for _, s := range srv.sessions {
		all = append(all, s)
	}
	return all
}

func (srv *Server) session(id string) *Session {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.sessions[id]
}

var (
	errShuttingDown = errors.New("engineio: shutting down")
	errNoID         = errors.New("engineio: Options.NewID returned no new id")
)

// register gives s an id and enters it in the table.
func (srv *Server) register(s *Session) error {
	for range 3 {
		id := srv.options.NewID()
		if id == "" {
			continue
		}
		srv.mu.Lock()
		if srv.closing {
			srv.mu.Unlock()
			return errShuttingDown
		}
		if srv.sessions[id] == nil {
			s.id = id
			srv.sessions[id] = s
			srv.most = max(srv.most, len(srv.sessions))
			srv.open.add(s, 1)
			srv.tasks.add(2) // one until forget, one until OnClose has returned
			srv.mu.Unlock()
			return nil
		}
		srv.mu.Unlock()
	}
	return errNoID
}

func (srv *Server) isClosing() bool {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.closing
}

// ended is called when a session stops being open, forget when it can no longer be reached. Both once per session.
func (srv *Server) ended(s *Session) {
	srv.mu.Lock()
	srv.open.add(s, -1)
	srv.mu.Unlock()
}

// upgrading is called just before the transport of s, which is open, changes from polling to WebSocket.
func (srv *Server) upgrading(s *Session) {
	srv.mu.Lock()
	srv.open[s.protocol.index()][0]--
	srv.open[s.protocol.index()][1]++
	srv.mu.Unlock()
}

func (srv *Server) forget(s *Session) {
	srv.mu.Lock()
	delete(srv.sessions, s.id)
	if n := len(srv.sessions); srv.most > shrinkFrom && n < srv.most/2 { // a map keeps its memory
		sessions := make(map[string]*Session, n)
		maps.Copy(sessions, srv.sessions)
		srv.sessions, srv.most = sessions, n
	}
	srv.mu.Unlock()
	srv.tasks.done()
}

// shrinkFrom is the number of sessions for which the table keeps its memory anyway.
const shrinkFrom = 1024

// now is the monotonic time in nanoseconds.
func (srv *Server) now() time.Duration { return time.Since(srv.epoch) }

// tally counts running things and lets one goroutine wait for zero.
type tally struct {
	mu   sync.Mutex
	n    int
	zero chan struct{} // non-nil while somebody waits
}

func (t *tally) add(n int) {
	t.mu.Lock()
	t.n += n
	t.mu.Unlock()
}

func (t *tally) done() {
	t.mu.Lock()
	if t.n--; t.n == 0 && t.zero != nil {
		close(t.zero)
		t.zero = nil
	}
	t.mu.Unlock()
}

func (t *tally) wait(ctx context.Context) error {
	t.mu.Lock()
	if t.n == 0 {
		t.mu.Unlock()
		return nil
	}
	if t.zero == nil {
		t.zero = make(chan struct{})
	}
	zero := t.zero
	t.mu.Unlock()
	select {
	case <-zero:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
