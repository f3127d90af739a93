package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lightpush/lightpush/connector/netpoll"
)

const (
	upgradeTimeout = 10 * time.Second // for the owner to answer
	closeTimeout   = 5 * time.Second  // for what is on its way when one side has ended
	refusalMax     = 64 << 10         // bytes of the owner's answer when it is no 101

	tunnelMax  = 1 << 20              // bytes that may wait for one side
	tunnelHigh = 256 << 10            // from so many on the other side is not read,
	tunnelLow  = 32 << 10             // until no more than these wait,
	tunnelLook = 5 * time.Millisecond // which is looked for so often
)

func isUpgrade(r *http.Request) bool {
	if !strings.EqualFold(strings.TrimSpace(r.Header.Get("Upgrade")), "websocket") {
		return false
	}
	for _, line := range r.Header["Connection"] {
		for item := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(item), "upgrade") {
				return true
			}
		}
	}
	return false
}

// tunnel passes a request for a WebSocket on, and then what both sides send.
func (p *passed) tunnel(w http.ResponseWriter, r *http.Request) {
	server, early, res, err := p.ask(r)
	if err != nil {
		p.relay.active.Add(-1)
		p.failed(w, r)
		return
	}
	defer func() { _ = res.Body.Close() }() // empty, or in memory
	if res.StatusCode != http.StatusSwitchingProtocols {
		defer p.relay.active.Add(-1)
		defer func() { _ = server.Close() }()
		p.refuse(w, res)
		return
	}
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		p.relay.active.Add(-1)
		_ = server.Close()
		p.failed(w, r)
		return
	}
	sent := make([]byte, buffered.Reader.Buffered())
	_, _ = buffered.Reader.Read(sent) // returns what is buffered, all of it
	p.relay.connect(client, sent, server, early, head(res))
	p.relay.o.Observe(Upgrade, Relayed)
}

// ask sends the request to the owner and reads the head of its answer. early is what came behind a 101.
func (p *passed) ask(r *http.Request) (server net.Conn, early []byte, res *http.Response, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), upgradeTimeout)
	defer cancel()
	if server, err = p.dial(ctx); err != nil {
		return nil, nil, nil, err
	}
	defer func() {
		if err != nil {
			_ = server.Close()
		}
	}()
	deadline, _ := ctx.Deadline()
	_ = server.SetDeadline(deadline)
	defer context.AfterFunc(ctx, func() { _ = server.SetDeadline(time.Unix(1, 0)) })()

	out := r.Clone(ctx)
	out.URL.Scheme, out.URL.Host = p.owner.scheme(), p.owner.Address
	out.Body, out.ContentLength = nil, 0
	if len(out.Header["User-Agent"]) == 0 {
		out.Header.Set("User-Agent", "") // nothing is added
	}
	p.relay.address(out, r)
	if err = out.Write(server); err != nil {
		return nil, nil, nil, err
	}
	reader := bufio.NewReaderSize(server, 4<<10)
	if res, err = http.ReadResponse(reader, out); err != nil {
		return nil, nil, nil, err
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		early = make([]byte, reader.Buffered())
		_, _ = reader.Read(early)
	} else {
		body, readErr := io.ReadAll(io.LimitReader(res.Body, refusalMax))
		_ = res.Body.Close()
		if err = readErr; err != nil {
			return nil, nil, nil, err
		}
		res.Body = io.NopCloser(bytes.NewReader(body))
	}
	return server, early, res, nil
}

// refuse hands on an answer that is no 101.
func (p *passed) refuse(w http.ResponseWriter, res *http.Response) {
	for name, values := range res.Header {
		if name != "Transfer-Encoding" {
			w.Header()[name] = values
		}
	}
	w.Header().Set("Connection", "close")
	w.WriteHeader(res.StatusCode)
	_, _ = io.Copy(w, res.Body) // the client has gone: nobody to tell
	p.relay.o.Observe(Upgrade, Relayed)
}

// head is the beginning of an answer as it goes to the client.
func head(res *http.Response) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", res.StatusCode, http.StatusText(res.StatusCode))
	_ = res.Header.Write(&b) // a Buffer does not fail
	b.WriteString("\r\n")
	return b.Bytes()
}

// tunnel is two connections; what one brings the other sends.
type tunnel struct {
	relay *Relay
	ends  [2]end // the client's, the owner's
	mu    sync.Mutex
	left  int // ends that are not closed
}

// end is one side of a tunnel.
type end struct {
	tunnel *tunnel
	peer   *end
	// guarded by tunnel.mu
	conn netpoll.Conn // nil before it is attached and after it was closed
	gone bool         // it was closed
	full bool         // the peer takes no more; conn is paused
}

var errTunnel = errors.New("relay: the other side has ended")

// connect makes a tunnel. answer goes to the client before what the owner sent early.
func (rl *Relay) connect(client net.Conn, sent []byte, server net.Conn, early, answer []byte) {
	_ = server.SetDeadline(time.Time{})
	t := &tunnel{relay: rl, left: 2}
	for i := range t.ends {
		t.ends[i] = end{tunnel: t, peer: &t.ends[1-i]}
	}
	rl.mu.Lock()
	rl.tunnels[t] = struct{}{}
	rl.mu.Unlock()
	t.attach(&t.ends[0], client, sent)
	t.attach(&t.ends[1], server, early)
	t.mu.Lock()
	ends := [2]netpoll.Conn{t.ends[0].conn, t.ends[1].conn}
	t.mu.Unlock()
	if ends[0] != nil {
		_ = ends[0].Write(answer)
	}
	for i, conn := range ends {
		switch {
		case conn == nil:
		case ends[1-i] == nil: // its end could not reach this one
			conn.Close(errTunnel)
		default:
			conn.Resume()
		}
	}
}

func (t *tunnel) attach(e *end, nc net.Conn, leftover []byte) {
	conn, err := t.relay.poller.Attach(nc, leftover, e)
	if err != nil {
		_ = nc.Close()
		t.ended()
		return
	}
	t.mu.Lock()
	if !e.gone {
		e.conn = conn
	}
	t.mu.Unlock()
}

// OnData implements netpoll.Handler.
func (e *end) OnData(data []byte) error {
	t := e.tunnel
	t.mu.Lock()
	defer t.mu.Unlock()
	to := e.peer.conn
	if to == nil {
		return errTunnel
	}
	if err := to.Write(bytes.Clone(data)); err != nil {
		return err
	}
	if e.conn != nil && to.Queued() > tunnelHigh {
		e.full = true
		e.conn.Pause()
		time.AfterFunc(tunnelLook, e.look)
	}
	return nil
}

// look resumes a side whose peer has caught up. It looks again as long as both are there; the poller closes a peer
// that takes nothing for long.
func (e *end) look() {
	t := e.tunnel
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case e.conn == nil || e.peer.conn == nil || !e.full:
	case e.peer.conn.Queued() > tunnelLow:
		time.AfterFunc(tunnelLook, e.look)
	default:
		e.full = false
		e.conn.Resume()
	}
}

// OnClose implements netpoll.Handler.
func (e *end) OnClose(error) {
	t := e.tunnel
	t.mu.Lock()
	e.conn, e.gone = nil, true
	peer := e.peer.conn
	t.mu.Unlock()
	if peer != nil {
		peer.CloseAfterFlush(closeTimeout)
	}
	t.ended()
}

// ended is called once per end.
func (t *tunnel) ended() {
	t.mu.Lock()
	t.left--
	last := t.left == 0
	t.mu.Unlock()
	if !last {
		return
	}
	t.relay.mu.Lock()
	delete(t.relay.tunnels, t)
	t.relay.mu.Unlock()
	t.relay.active.Add(-1)
}

// Tunnels is the number of WebSockets that pass through here.
func (rl *Relay) Tunnels() int {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	return len(rl.tunnels)
}

// Drop ends up to n tunnels and returns how many. What is on its way in them still arrives.
func (rl *Relay) Drop(n int) (dropped int) {
	rl.mu.Lock()
	var some []*tunnel
	for t := range rl.tunnels {
		if len(some) == n {
			break
		}
		delete(rl.tunnels, t)
		some = append(some, t)
	}
	rl.mu.Unlock()
	for _, t := range some {
		t.mu.Lock()
		conn := t.ends[0].conn
		t.mu.Unlock()
		if conn != nil {
			conn.CloseAfterFlush(closeTimeout)
		}
	}
	return len(some)
}
