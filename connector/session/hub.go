package session

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/limits"
	"github.com/lightpush/lightpush/internal/name"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
)

// Options of a Hub. Every dependency is required but
// Recovery, Inbox and Observer.
type Options struct {
	Node       string // this connector's id
	System     string // host name, told to clients in ok
	Port       int    // told to clients in ok
	Namespaces *namespace.Registry
	Presence   Presence
	Clients    Clients
	Nodes      Nodes
	Push       Pusher
	Receipts   *push.Receipts
	Callbacks  *callback.Caller
	Names      name.Rules
	Rules      push.Rules
	Limits     Limits
	// Recovery lets devices continue their sessions; nil: never. The engine
	// must run with socketio.Recovery.ByApplication then.
	Recovery Recovery
	// Inbox keeps messages for absent devices of InboxPlatforms; nil: none.
	Inbox          Inbox
	InboxPlatforms []string
	Logger         zerolog.Logger
	// Access decides who may connect.
	Access Access
	// Observer counts; nil: nobody does.
	Observer Observer
	// ClientIP tells the address of the device behind trusted proxies.
	ClientIP func(remote string, forwardedFor []string) netip.Addr
}

// Pusher accepts the pushes of clients.
type Pusher interface {
	Push(ctx context.Context, ns *namespace.Namespace, req push.Request) (id int64, err error)
}

// Limits of what clients may do.
type Limits struct {
	RoomsPerClient      int           // 1,000
	RoomsPerRequest     int           // 100
	PushInterval        time.Duration // between accepted pushes of one client
	PushRequiresMember  bool          // a client may push only to rooms it is in
	PushMayLeaveMessage bool          // a client's push may ask for offline delivery
	JoinForeignUserRoom bool          // a client may join user_<other>
	KickRate            int           // clients of offline namespaces disconnected per second; 500
}

// storeTimeout bounds every store operation made for a client.
const storeTimeout = 5 * time.Second

// storeTurns is how many presence operations of one node are under way at the
// same time. In a storm of connects the others wait their turn here, where no
// time-out runs, and not inside the store, where it does. It is wide enough
// for the store to fill its pipelines.
const storeTurns = 256

// turns bounds what is under way; who waits is bounded by the connections.
type turns chan struct{}

// take waits for a turn; give ends it. ctx ends the waiting.
func (t turns) take(ctx context.Context) (give func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// refusalGrace is how long a refused client may keep its connection without
// joining another namespace (B19).
const refusalGrace = 5 * time.Second

// Hub is the push domain of one connector: it admits devices to namespaces,
// handles their events, and hands messages from the bus to them. Deliver and
// Kick are called by the bus reader's goroutine; everything else comes from
// the engine.
type Hub struct {
	opts      Options
	server    *socketio.Server
	behaviour *socketio.Behaviour
	root      *socketio.Namespace
	pushes    *intervals
	latest    atomic.Int64 // greatest message id seen, to complete native ack ids
	turns     turns
	mail      turns // for inboxes, so that they hold up nobody else
	kicks     *kicks
	batch     engineio.Batch // what Deliver gathers until Flush; the bus reader's goroutine only
	leaving   []int64        // when the messages in batch were accepted, ms; likewise
	transfers transfers
	abandoned atomic.Int64
	revoked   *kicks         // which namespaces have revocations to carry out
	refusals  zerolog.Logger // sampled
	started   time.Time      // the clock of limits
	// orphanWait is shorter in tests; fixed after the start.
	orphanWait time.Duration

	closing    context.Context // ends with Close
	close      context.CancelFunc
	background sync.WaitGroup // releases after failed connects, kicks of offline namespaces

	mu      sync.Mutex
	tenants map[string]*socketio.Namespace // by key; made when first admitted
	devices map[deviceKey]*device          // the newest connection of each client id
	count   map[string]int                 // of devices, by platform

	ceilings Ceilings // of the configuration
}

type deviceKey struct{ namespace, clientID string }

// device is the state of one admitted connection (socketio.Socket.Data).
type device struct {
	hub    *Hub
	socket *socketio.Socket
	member client.Member // fixed once claimed
	uuid   string

	// since is the recovery offset of a device that has got nothing yet; ""
	// for one that cannot be recovered or was. Set before it is connected.
	since string
	// superseded: a newer connection has ended this one, and the session is
	// that one's to continue.
	superseded atomic.Bool
	orphan     atomic.Bool // see orphaned

	// changing is held while the rooms of the connection change, here and in
	// the store. gone: it has ended, and nothing may change any more.
	changing sync.Mutex
	gone     bool
	// recovered: it goes on with an earlier session. Set like since.
	recovered bool

	// mail is what it knows of its inbox; nil while there is nothing to know.
	mail atomic.Pointer[mailbox]

	// access is fixed once it is admitted; nil when nothing can end.
	access *access

	// events is made with the first one: most clients are silent. It is used
	// by the handlers of the client only, one after the other.
	events *limits.Budget
}

// NewHub registers the domain at server. Start the namespaces' registry and
// the bus before clients are let in.
func NewHub(server *socketio.Server, o Options) *Hub {
	if o.Observer == nil {
		o.Observer = NopObserver{}
	}
	h := &Hub{
		opts: o, server: server, behaviour: &socketio.Behaviour{},
		pushes:     newIntervals(o.Limits.PushInterval),
		orphanWait: orphanWait,
		turns:      make(turns, storeTurns), mail: make(turns, inboxTurns), kicks: newKicks(o.Limits.KickRate), revoked: newKicks(0), refusals: sampled(o.Logger), started: time.Now(),
		tenants: map[string]*socketio.Namespace{}, devices: map[deviceKey]*device{}, count: map[string]int{},
	}
	h.closing, h.close = context.WithCancel(context.Background())
	// "/" is where SIO4 clients are before they ask for their namespace; it
	// has no events.
	h.root = server.NewNamespace(namespace.Root, &socketio.Behaviour{})
	server.Resolve(h.resolve)
	h.behaviour.Use(h.admit)
	h.behaviour.OnConnect(h.connected)
	h.behaviour.OnDisconnect(h.disconnected)
	h.behaviour.OnAck(h.nativeAck)
	h.behaviour.On("joinRoom", h.handler((*device).joinRoom))
	h.behaviour.On("leaveRoom", h.handler((*device).leaveRoom))
	h.behaviour.On("ackPush", h.handler((*device).ackPush))
	h.behaviour.On("push", h.handler((*device).push))
	h.behaviour.On("info", h.handler((*device).info))
	h.behaviour.On("apns", h.handler((*device).apns))
	h.behaviour.On("refresh", h.handler((*device).refresh))
	h.behaviour.On("discover", h.handler((*device).discover))
	h.behaviour.OnAny(h.handler(func(_ *device, e *socketio.Event) {
		_ = e.Ack(answer{Status: 404, Msg: "unknown event"})
	}))
	h.startTransfers()
	return h
}

// handler adapts a device's method to the engine.
func (h *Hub) handler(f func(*device, *socketio.Event)) socketio.EventHandler {
	return func(s *socketio.Socket, e *socketio.Event) {
		if d, ok := s.Data.(*device); ok && d.mayEvent(e) {
			f(d, e)
		}
	}
}

// answer is the ack of most events (light-push-wire.md 2.7).
type answer struct {
	Status int    `json:"status"`
	Msg    string `json:"msg"`
	ID     int64  `json:"id,omitempty"`
}

var answerOK = answer{Status: 200, Msg: "ok"}

// resolve admits known, online namespaces before anything is allocated for
// the name (B52).
func (h *Hub) resolve(key string, hs *socketio.Handshake) (*socketio.Namespace, error) {
	if key == namespace.Root {
		if hs.Protocol == 3 {
			return h.root, nil
		}
		return nil, h.unresolved(refuse(namespace.ErrUnknown))
	}
	if !h.opts.Namespaces.Ready() {
		return nil, h.unresolved(tryLater(namespace.ErrUnavailable))
	}
	ns, ok := h.opts.Namespaces.Get(key)
	switch {
	case !ok:
		return nil, h.unresolved(refuse(namespace.ErrUnknown))
	case ns.Offline:
		return nil, h.unresolved(refuse(namespace.ErrOffline))
	}
	return h.tenant(key), nil
}

// unresolved counts a refusal. It is not logged: the name is the client's, of
// any length.
func (h *Hub) unresolved(err *socketio.ConnectError) error {
	h.opts.Observer.Refused(err.Error())
	return err
}

func (h *Hub) tenant(key string) *socketio.Namespace {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, ok := h.tenants[key]
	if !ok {
		t = h.server.NewNamespace(key, h.behaviour)
		h.boundLocked(t)
		h.tenants[key] = t
	}
	return t
}

func (h *Hub) existingTenant(key string) (*socketio.Namespace, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, ok := h.tenants[key]
	return t, ok
}

// refuse turns a client away for good: v2 clients see the error, then leave
// (B19).
func refuse(err error) *socketio.ConnectError {
	return &socketio.ConnectError{Message: err.Error(), Leave: true, CloseAfter: refusalGrace}
}

// tryLater refuses a client for a passing reason: the connection is closed so
// that the client's own back-off brings it back.
func tryLater(err error) *socketio.ConnectError {
	return &socketio.ConnectError{Message: err.Error(), Close: true, CloseAfter: refusalGrace}
}

// Devices is the number of admitted connections.
func (h *Hub) Devices() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.devices)
}

// DevicesOn is the number of admitted connections of devices of a platform.
func (h *Hub) DevicesOn(platform string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count[platform]
}

// setLocked makes d the connection of its client id, nil none.
func (h *Hub) setLocked(key deviceKey, d *device) {
	if old := h.devices[key]; old != nil {
		h.count[old.member.Platform]--
	}
	if d == nil {
		delete(h.devices, key)
		return
	}
	h.devices[key] = d
	h.count[d.member.Platform]++
}
