package socketio

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
)

// Options of a Server; zero values take the defaults named.
type Options struct {
	Engine engineio.Options
	// ConnectTimeout closes a connection that has joined no namespace; 45 s.
	ConnectTimeout time.Duration
	// IgnoreRoot makes the namespace "/" that SIO4 clients are in by
	// themselves not count as joined for ConnectTimeout.
	IgnoreRoot bool
	// InboundEvents and InboundBytes bound what may wait for the handlers
	// of one connection before its reading stops; 1,000 and 1 MiB. A client
	// that brings several times more by polling nevertheless is closed.
	InboundEvents int
	InboundBytes  int
	// MaxNamespaces bounds the namespaces one connection is in; 50.
	MaxNamespaces int
	// Recovery switches connection state recovery on; nil: off.
	Recovery *Recovery
	// OnPanic hears of panics in callbacks of the application. The
	// connection of the client concerned is closed with
	// engineio.ReasonReceiverPanic, nobody else is.
	OnPanic func(recovered any, stack []byte)
}

// Resolver admits a namespace by name. It returns the namespace, or an error
// for the client (a *ConnectError or any other), or nil, nil to leave the
// decision to the next resolver. It must not block.
type Resolver func(name string, h *Handshake) (*Namespace, error)

// Server serves Socket.IO clients. Register namespaces and resolvers first,
// then mount it as http.Handler at the path of your choice.
type Server struct {
	opts   Options
	engine *engineio.Server
	ackIDs ackCounter
	// recoveryStore is nil unless the engine recovers clients by itself.
	recoveryStore RecoveryStore

	mu         sync.RWMutex
	namespaces map[string]*Namespace
	resolvers  []Resolver
}

// NewServer returns a Server without namespaces. Call Of("/") if there are
// SIO4 clients: they ask to be in "/" by connecting, and show an error for it
// in every namespace.
func NewServer(o Options) (*Server, error) {
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = 45 * time.Second
	}
	if o.InboundEvents <= 0 {
		o.InboundEvents = 1000
	}
	if o.InboundBytes <= 0 {
		o.InboundBytes = 1 << 20
	}
	if o.MaxNamespaces <= 0 {
		o.MaxNamespaces = 50
	}
	// The engine's own defaults, which this layer needs to know too.
	if o.Engine.SendBuffer == 0 {
		o.Engine.SendBuffer = 4 << 20
	}
	if o.Engine.MaxPayload == 0 {
		o.Engine.MaxPayload = 1_000_000
	}
	if o.OnPanic == nil {
		o.OnPanic = func(any, []byte) {}
	}
	s := &Server{opts: o, namespaces: map[string]*Namespace{}}
	if r := o.Recovery; r != nil && !r.ByApplication {
		if s.recoveryStore = r.Store; r.Store == nil {
			s.recoveryStore = NewMemoryStore(MemoryStoreOptions{Window: r.Window})
		}
	}
	engine, err := engineio.NewServer(o.Engine, s)
	if err != nil {
		return nil, err
	}
	s.engine = engine
	return s, nil
}

// Of returns the static namespace of that name, which starts with "/",
// making it when needed. Exact names have priority over resolvers.
func (s *Server) Of(name string) *Namespace {
	s.mu.Lock()
	defer s.mu.Unlock()
	ns, ok := s.namespaces[name]
	if !ok {
		ns = s.NewNamespace(name, &Behaviour{})
		s.namespaces[name] = ns
	}
	return ns
}

// NewNamespace returns a namespace for a Resolver to hand out; behaviour may
// be shared by many namespaces.
func (s *Server) NewNamespace(name string, behaviour *Behaviour) *Namespace {
	return &Namespace{
		Behaviour: behaviour, name: name, server: s,
		rooms: newRoomTable(), sockets: map[string]*Socket{},
	}
}

// Resolve appends a resolver for names that are not static.
func (s *Server) Resolve(r Resolver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resolvers = append(s.resolvers, r)
}

// ErrInvalidNamespace is what clients get for an unknown namespace.
var ErrInvalidNamespace = &ConnectError{Message: "Invalid namespace"}

var errTooManyNamespaces = &ConnectError{Message: "Too many namespaces"}

func (s *Server) lookup(name string, h *Handshake) (*Namespace, error) {
	s.mu.RLock()
	ns := s.namespaces[name]
	resolvers := s.resolvers
	s.mu.RUnlock()
	if ns != nil {
		return ns, nil
	}
	for _, resolve := range resolvers {
		if ns, err := resolve(name, h); ns != nil || err != nil {
			return ns, err
		}
	}
	return nil, ErrInvalidNamespace
}

// ServeHTTP serves every request it is given; the caller mounts it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Engine is the engine below, for its figures.
func (s *Server) Engine() *engineio.Server { return s.engine }

// Shutdown refuses new connections and closes all there are, so that clients
// reconnect elsewhere; disconnect handlers have returned when it returns nil.
// It must not be called from a handler.
func (s *Server) Shutdown(ctx context.Context) error { return s.engine.Shutdown(ctx) }

// OnOpen implements engineio.Handler.
func (s *Server) OnOpen(session *engineio.Session) engineio.Receiver {
	c := newConn(s, session)
	defer func() {
		if r := recover(); r != nil {
			c.panicked(r)
		}
	}()
	if c.sio4 {
		c.joinRoot()
	}
	return c
}

// isolate is deferred around callbacks that concern no single client.
func (s *Server) isolate() {
	if r := recover(); r != nil {
		s.opts.OnPanic(r, debug.Stack())
	}
}

// Handshake is what is known of a client when it joins a namespace.
type Handshake struct {
	// Query is the query of the engine's URL; with SIO4, values of the
	// namespace's own query are added for keys the URL does not have.
	Query url.Values
	// Auth is the object SIO5 clients send with CONNECT, {} when they send
	// none; nil for SIO4 clients, which have the query.
	Auth json.RawMessage
	// Engine is the request that opened the connection.
	Engine *engineio.Request
	// Protocol is 3 for SIO4 clients, 4 for SIO5 clients.
	Protocol engineio.Protocol
	// Recovery is what a client says that wants to be recovered; empty
	// without Options.Recovery.
	Recovery RecoveryRequest
}

var noAuth = json.RawMessage("{}")

func (s *Server) newHandshake(session *engineio.Session, in *incoming) *Handshake {
	request := session.Request()
	query := request.Query()
	h := &Handshake{Query: query, Auth: in.auth, Engine: request, Protocol: session.Protocol()}
	if h.Auth == nil && h.Protocol == engineio.V4 {
		h.Auth = noAuth
	}
	if s.opts.Recovery != nil {
		h.Recovery = readRecovery(h.Auth)
	}
	if in.query == "" {
		return h
	}
	// A malformed pair is skipped, the rest still counts.
	extra, _ := url.ParseQuery(in.query)
	merged := make(url.Values, len(query)+len(extra))
	for k, v := range extra {
		merged[k] = v
	}
	for k, v := range query {
		merged[k] = v
	}
	h.Query = merged
	return h
}
