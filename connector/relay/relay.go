package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lightpush/lightpush/connector/netpoll"
	"github.com/lightpush/lightpush/connector/query"
)

// Directory knows where the servers of the group are. It is asked for every request of another server's session, and
// must answer from memory mostly.
type Directory interface {
	// Lookup returns the server with that tag; without an address when there is none that lives.
	Lookup(ctx context.Context, tag string) Owner
	// Renew is Lookup, but asks for what is known now.
	Renew(ctx context.Context, tag string) Owner
	// Failed hears that the address did not answer.
	Failed(tag, address string)
}

// Kind is a kind of passed-on request.
type Kind string

// Kinds.
const (
	Poll    Kind = "poll"
	Post    Kind = "post"
	Upgrade Kind = "upgrade"
)

// Outcome is what became of a request for a session of another server.
type Outcome string

// Outcomes.
const (
	Relayed Outcome = "relayed" // the owner has answered
	Unknown Outcome = "unknown" // nobody owns the session
	Dead    Outcome = "dead"    // the owner did not answer
	Gone    Outcome = "gone"    // the client did not wait
	Busy    Outcome = "busy"    // refused with 503: too many at a time
)

// Options of a Relay; zero values take the defaults named.
type Options struct {
	Secret    []byte // of the group; required
	Tag       string // of this server; required
	Directory Directory
	// Next serves the sessions of this server, and answers for unknown ones; required.
	Next http.Handler

	Max         int           // requests and tunnels of other servers' sessions at a time; 20,000
	DialTimeout time.Duration // to reach another server; 3 s
	// HoldTimeout is how long a server may hold a GET before it answers; 60 s.
	HoldTimeout time.Duration
	PostTimeout time.Duration // for a POST to be answered; 30 s

	// Observe hears of every request for another server's session, when it ends; may be nil.
	Observe func(Kind, Outcome)
	// Refused hears of requests with a header that does not fit; may be nil.
	Refused func()
	Now     func() time.Time // time.Now
}

func (o *Options) setDefaults() error {
	switch {
	case len(o.Secret) == 0:
		return errors.New("relay: no secret")
	case len(o.Tag) != TagLength:
		return fmt.Errorf("relay: tag %q", o.Tag)
	case o.Directory == nil || o.Next == nil:
		return errors.New("relay: Directory and Next are required")
	}
	if o.Max <= 0 {
		o.Max = 20_000
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = 3 * time.Second
	}
	if o.HoldTimeout <= 0 {
		o.HoldTimeout = 60 * time.Second
	}
	if o.PostTimeout <= 0 {
		o.PostTimeout = 30 * time.Second
	}
	if o.Observe == nil {
		o.Observe = func(Kind, Outcome) {}
	}
	if o.Refused == nil {
		o.Refused = func() {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// Relay is an http.Handler in front of another one.
type Relay struct {
	// fixed after New
	o         Options
	dialer    net.Dialer
	transport *http.Transport
	proxy     *httputil.ReverseProxy
	poller    netpoll.Poller

	closing context.Context // ends with Close
	cancel  context.CancelFunc
	active  atomic.Int64 // requests and tunnels under way

	mu      sync.Mutex
	tunnels map[*tunnel]struct{}
}

var _ http.Handler = (*Relay)(nil)

// New returns a Relay; the caller must Close it.
func New(o Options) (*Relay, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	poller, err := netpoll.New(netpoll.Options{MaxQueued: tunnelMax})
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	rl := &Relay{o: o, poller: poller, dialer: net.Dialer{Timeout: o.DialTimeout}, tunnels: map[*tunnel]struct{}{}}
	rl.closing, rl.cancel = context.WithCancel(context.Background())
	rl.transport = &http.Transport{
		Proxy:               nil, // servers reach each other directly
		DialContext:         rl.dialer.DialContext,
		DialTLSContext:      rl.dialTLS,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     30 * time.Second, // less than servers keep them
		DisableCompression:  true,             // bodies pass as they are
		ReadBufferSize:      2 << 10,
		WriteBufferSize:     2 << 10,
	}
	rl.proxy = rl.newProxy()
	return rl, nil
}

// Close ends all tunnels and what is under way; later requests for other servers' sessions are unknown ones.
func (rl *Relay) Close() {
	rl.cancel()
	_ = rl.poller.Close()
	rl.transport.CloseIdleConnections()
}

// Active is the number of requests and tunnels under way for other servers' sessions.
func (rl *Relay) Active() int { return int(rl.active.Load()) }

// ServeHTTP implements http.Handler.
func (rl *Relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	values, relayed := r.Header[Header]
	if relayed {
		client, ok := "", len(values) == 1
		if ok {
			client, ok = verify(rl.o.Secret, r, values[0], rl.o.Now())
		}
		if !ok {
			rl.o.Refused()
			http.Error(w, "not a member of this cluster", http.StatusForbidden)
			return
		}
		delete(r.Header, Header)
		r.RemoteAddr = client
	}
	tag := rl.foreign(r)
	if tag == "" || relayed {
		rl.o.Next.ServeHTTP(w, r)
		return
	}
	rl.pass(w, r, tag)
}

// foreign is the tag of the session of r when another server may own it, else "".
func (rl *Relay) foreign(r *http.Request) string {
	if r.URL.RawQuery == "" || r.Method != http.MethodGet && r.Method != http.MethodPost {
		return ""
	}
	sid, _ := query.Last(r.URL.RawQuery, "sid")
	if len(sid) <= TagLength || len(sid) > 64 || sid[:TagLength] == rl.o.Tag {
		return ""
	}
	return sid[:TagLength]
}

// pass hands r to the owner of its session.
func (rl *Relay) pass(w http.ResponseWriter, r *http.Request, tag string) {
	kind := Poll
	switch {
	case r.Method == http.MethodPost:
		kind = Post
	case isUpgrade(r):
		kind = Upgrade
	}
	owner := Owner{}
	if rl.closing.Err() == nil {
		owner = rl.o.Directory.Lookup(r.Context(), tag)
	}
	if owner.Address == "" {
		rl.o.Observe(kind, Unknown)
		rl.o.Next.ServeHTTP(w, r)
		return
	}
	if rl.active.Add(1) > int64(rl.o.Max) {
		rl.active.Add(-1)
		rl.o.Observe(kind, Busy)
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many requests for other servers", http.StatusServiceUnavailable)
		return
	}
	p := &passed{relay: rl, kind: kind, tag: tag, owner: owner, request: r}
	if kind == Upgrade {
		p.tunnel(w, r)
		return
	}
	defer rl.active.Add(-1)
	p.forward(w, r)
}

// passed is one request on its way to the owner of its session.
type passed struct {
	relay    *Relay
	kind     Kind
	tag      string
	owner    Owner
	request  *http.Request // as it came
	answered bool          // the owner's answer has begun
	timer    *time.Timer   // ends the request
}

// failed answers a request whose owner has not.
func (p *passed) failed(w http.ResponseWriter, r *http.Request) {
	if r.Context().Err() != nil && p.relay.closing.Err() == nil {
		p.relay.o.Observe(p.kind, Gone)
		return
	}
	p.relay.o.Directory.Failed(p.tag, p.owner.Address)
	p.relay.o.Observe(p.kind, Dead)
	p.relay.o.Next.ServeHTTP(w, r)
}
