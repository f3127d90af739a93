package simulator

import (
	"fmt"
	"strconv"

	"github.com/lightpush/lightpush/internal/simulator/netloop"
	"github.com/lightpush/lightpush/internal/simulator/wire"
)

// polling is long-polling of one life of a client: one connection for the held GET, one for POSTs.
type polling struct {
	c    *client
	sid  string
	get  *request
	post *request
	out  []byte // packets that wait for the POST under way
	gone bool
}

// maxOut bounds out.
const maxOut = 256 << 10

// request is one keep-alive connection with at most one request on it; it implements netloop.Handler.
type request struct {
	p       *polling
	conn    netloop.Conn // nil: none open
	open    bool
	waiting []byte // the request, until it is written
	busy    bool   // an answer is awaited
	in      []byte
	handle  func(body []byte)
}

// receive holds a GET.
func (p *polling) receive() {
	if p.get == nil {
		p.get = &request{p: p, handle: p.received}
	}
	p.get.do("GET", "")
}

func (p *polling) received(body []byte) {
	for len(body) > 0 {
		packet, rest, err := wire.NextPacket(body, p.c.id.v3)
		if err != nil {
			p.c.fail(err.Error())
			return
		}
		body = rest
		p.c.onPacket(packet)
		if p.gone {
			return
		}
	}
	if p.c.phase != probing {
		p.receive()
	}
}

// send posts a packet, with others when a POST is under way.
func (p *polling) send(packet string) {
	p.out = wire.AppendPacket(p.out, p.c.id.v3, packet)
	if len(p.out) > maxOut {
		p.c.fail(netloop.ErrSendBuffer.Error())
		return
	}
	p.flush()
}

func (p *polling) flush() {
	if p.post == nil {
		p.post = &request{p: p, handle: func([]byte) { p.flush() }}
	}
	if len(p.out) > 0 && !p.post.busy {
		body := string(p.out)
		p.out = nil
		p.post.do("POST", body)
	}
}

func (p *polling) close(reset bool) {
	p.gone = true
	for _, r := range []*request{p.get, p.post} {
		if r != nil && r.conn != nil {
			r.conn.Close(reset)
			r.conn = nil
		}
	}
}

func (r *request) do(method, body string) {
	c := r.p.c
	text := method + " " + c.s.plan.cfg.Path + c.query("polling", r.p.sid) + " HTTP/1.1\r\nHost: " + c.s.target.host + "\r\n"
	if method == "POST" {
		text += "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	r.waiting, r.busy = []byte(text+"\r\n"+body), true
	if r.conn == nil {
		r.open = false
		conn, err := c.s.dial(c, r)
		if err != nil {
			c.fail(reason(err))
			return
		}
		r.conn = conn
		return
	}
	r.write()
}

func (r *request) write() {
	if r.open && r.waiting != nil {
		r.conn.Write(r.waiting)
		r.waiting = nil
	}
}

// Opened implements netloop.Handler.
func (r *request) Opened() {
	r.open = true
	r.write()
}

// Closed implements netloop.Handler: an idle connection may end, the next request opens another.
func (r *request) Closed(err error) {
	r.conn, r.in = nil, nil
	if r.busy && !r.p.gone {
		r.p.c.fail(reason(err))
	}
}

// Data implements netloop.Handler.
func (r *request) Data(p []byte) {
	r.p.c.s.tally.Bytes += int64(len(p))
	if len(r.in) > 0 {
		r.in = append(r.in, p...)
		p = r.in
	}
	answer, n, err := wire.NextResponse(p)
	switch {
	case err != nil:
		r.p.c.fail(err.Error())
		return
	case n == 0:
		if len(r.in) == 0 {
			r.in = append([]byte(nil), p...)
		}
		return
	case answer.Status < 200: // 100 Continue
		r.in = append([]byte(nil), p[n:]...)
		return
	case !r.busy || answer.Status != 200:
		r.p.c.fail(fmt.Sprintf("HTTP %d %s", answer.Status, clip(string(answer.Body))))
		return
	}
	r.in, r.busy = nil, false
	if answer.Close {
		r.conn.Close(false)
		r.conn = nil
	}
	r.handle(answer.Body)
}
