package relay

import (
	"context"
	"log"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// answerTimeout bounds the time for the body of an answer that has begun.
const answerTimeout = 30 * time.Second

type passedKey struct{}

// newProxy passes on requests that are answered at once or held for a while.
func (rl *Relay) newProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:  rl.transport,
		BufferPool: buffers{},
		ErrorLog:   log.New(discard{}, "", 0), // Observe hears of it
		Rewrite: func(pr *httputil.ProxyRequest) {
			p := pr.In.Context().Value(passedKey{}).(*passed)
			out := pr.Out
			out.URL.Scheme, out.URL.Host = p.owner.scheme(), p.owner.Address
			out.URL.RawQuery = pr.In.URL.RawQuery // to the letter
			out.Host = pr.In.Host
			p.relay.address(out, pr.In)
		},
		ModifyResponse: func(res *http.Response) error {
			p := res.Request.Context().Value(passedKey{}).(*passed)
			p.answered = true
			p.timer.Reset(answerTimeout)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, out *http.Request, _ error) {
			p := out.Context().Value(passedKey{}).(*passed)
			p.failed(w, p.request)
		},
	}
}

// address makes out a request between servers: it names the client of in.
func (rl *Relay) address(out, in *http.Request) {
	if forwarded := in.Header["X-Forwarded-For"]; len(forwarded) > 0 {
		out.Header["X-Forwarded-For"] = forwarded
	}
	if proto := in.Header["X-Forwarded-Proto"]; len(proto) > 0 {
		out.Header["X-Forwarded-Proto"] = proto
	}
	out.Header.Set(Header, sign(rl.o.Secret, out, in.RemoteAddr, rl.o.Now()))
}

// forward passes a GET or POST on.
func (p *passed) forward(w http.ResponseWriter, r *http.Request) {
	limit := p.relay.o.PostTimeout
	rc := http.NewResponseController(w)
	if p.kind == Poll { // deadlines of the HTTP server are for requests that are not meant to wait
		limit = p.relay.o.HoldTimeout
		_ = rc.SetReadDeadline(time.Time{})
		_ = rc.SetWriteDeadline(time.Time{})
	}
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), passedKey{}, p))
	defer cancel()
	p.timer = time.AfterFunc(limit, cancel)
	defer p.timer.Stop()
	defer context.AfterFunc(p.relay.closing, cancel)()
	p.relay.proxy.ServeHTTP(&awaited{ResponseWriter: w, p: p, rc: rc}, r.WithContext(ctx))
	if p.answered {
		p.relay.o.Observe(p.kind, Relayed)
	}
}

// awaited bounds the time for writing the owner's answer to the client.
type awaited struct {
	http.ResponseWriter
	p  *passed
	rc *http.ResponseController
}

// Unwrap is for http.ResponseController.
func (a *awaited) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *awaited) WriteHeader(status int) {
	if a.p.answered {
		_ = a.rc.SetWriteDeadline(time.Now().Add(answerTimeout))
	}
	a.ResponseWriter.WriteHeader(status)
}

// buffers are for the bodies of answers, most of which are short.
type buffers struct{}

const bufferSize = 4 << 10

var bufferPool = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func (buffers) Get() []byte  { return bufferPool.Get().(*[bufferSize]byte)[:] }
func (buffers) Put(b []byte) { bufferPool.Put((*[bufferSize]byte)(b)) }

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
