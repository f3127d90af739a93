package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/namespace"
)

// Options say where Redis is and how much is kept; zero values take the
// defaults named.
type Options struct {
	// Addresses is one server, or with Cluster the seeds of a cluster.
	Addresses []string
	Cluster   bool
	// With SentinelMaster, Redis is the master of that name and Sentinels
	// are asked for it; Addresses is unused.
	SentinelMaster   string
	Sentinels        []string
	SentinelUsername string
	SentinelPassword string

	Username string
	Password string
	DB       int           // not with Cluster
	TLS      *tls.Config   // nil: plain TCP
	PoolSize int           // connections per server; go-redis' default, ten per CPU
	Timeout  time.Duration // to connect and for every operation; 3 s
	// Dialer replaces the network; the embedded store uses it.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)

	Prefix       string // of all keys, without braces; "lp:"
	StreamMaxLen int64  // entries a node's stream keeps, about; 200,000
	HistoryMax   int64  // message ids a namespace's history keeps; 1,000
	// RecoveryWindow is how long after its end a connection can be
	// recovered; 0: never. All processes of an installation must agree.
	RecoveryWindow time.Duration
	// RecoveryLag is how long a device may be gone before its node notices.
	RecoveryLag time.Duration
	// EventFull puts the remaining stored fields into the push event, as
	// emit_msg_pick_key: false asks (light-push-wire.md 2.8).
	EventFull bool

	// Secrets encrypts what is secret in a namespace; nil stores it as it is.
	Secrets namespace.Sealer

	// PeopleMax is up to how many members a room hears who joins and leaves;
	// 0: never (room_activity_broadcast, people_event_max_members).
	PeopleMax int64

	// OfflineDelay is how long devices may ack a message with leaveMessage
	// before its offline delivery begins (worker_message_timeout).
	OfflineDelay time.Duration

	// OnceWindow is how long the answer to a request with a key is kept
	// (idempotency_window); 1 hour.
	OnceWindow time.Duration

	// OnRoundTrip hears how long every round trip has taken, from the asking
	// on, and of its failure; it must be quick and may be nil.
	OnRoundTrip func(took time.Duration, err error)
	// OnError hears of failures of the background work, which is tried
	// again; may be nil.
	OnError func(error)
	// Now is the clock; time.Now.
	Now func() time.Time
}

func (o *Options) setDefaults() {
	if o.Timeout <= 0 {
		o.Timeout = 3 * time.Second
	}
	if o.Prefix == "" {
		o.Prefix = "lp:"
	}
	if o.StreamMaxLen <= 0 {
		o.StreamMaxLen = 200_000
	}
	if o.HistoryMax <= 0 {
		o.HistoryMax = 1_000
	}
	if o.OnceWindow <= 0 {
		o.OnceWindow = time.Hour
	}
	if o.OnRoundTrip == nil {
		o.OnRoundTrip = func(time.Duration, error) {}
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

func (o *Options) check() error {
	switch {
	case strings.ContainsAny(o.Prefix, "{}"):
		return errors.New("store: the key prefix must not contain braces")
	case o.Cluster && o.SentinelMaster != "":
		return errors.New("store: either a cluster or Sentinel, not both")
	case o.SentinelMaster != "" && len(o.Sentinels) == 0:
		return errors.New("store: no Sentinel address")
	case o.SentinelMaster == "" && len(o.Addresses) == 0:
		return errors.New("store: no Redis address")
	case o.SentinelMaster == "" && !o.Cluster && len(o.Addresses) > 1:
		return errors.New("store: several Redis addresses, but no cluster")
	}
	return nil
}

// Store is the connection to Redis and everything kept there.
type Store struct {
	opt     Options // fixed after Open
	rdb     redis.UniversalClient
	keys    keys
	timeout time.Duration
	sender  *bus.Sender
	shared  *redis.AutoPipeliner // see runShared
	rooms   *roomLists
	tallies *tallies
	people  *people // nil when nothing is announced
	recent  *recent // logs of namespaces, as far as somebody asked for them
	letters letters
	address advertised
	origin  uint64 // of this process, in the logs

	settleTime time.Duration // tests shorten it
	deadMax    int           // tests lower it
}

// Open connects to Redis and loads the scripts. The caller must Close.
func Open(ctx context.Context, o Options) (*Store, error) {
	o.setDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Store{opt: o, rdb: newClient(o), keys: keys{o.Prefix}, timeout: o.Timeout, settleTime: settleTime, deadMax: deadMax}
	var err error
	if s.shared, err = s.rdb.AsyncAutoPipelineWithOptions(sharedOptions()); err != nil {
		_ = s.rdb.Close()
		return nil, fmt.Errorf("connect to Redis: %w", err)
	}
	s.sender = bus.NewSender(s.rdb, o.Prefix, o.StreamMaxLen)
	load, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if err := s.loadScripts(load); err != nil {
		_ = s.shared.Close()
		_ = s.rdb.Close()
		return nil, fmt.Errorf("connect to Redis: %w", err)
	}
	s.rooms = newRoomLists(s)
	s.tallies = newTallies(s)
	if o.PeopleMax > 0 {
		s.people = newPeople(s)
	}
	s.recent = newRecent(s)
	s.origin = rand.Uint64()
	return s, nil
}

// Close writes what is pending and closes the connections.
func (s *Store) Close() error {
	s.rooms.close()
	s.tallies.close()
	s.people.close()
	s.recent.close()
	_ = s.shared.Close() // runs what was submitted
	return s.rdb.Close()
}

// sharedMax bounds the commands of all callers that wait for an answer; more
// are refused, which the caller hears as an error.
const sharedMax = 100_000

func sharedOptions() *redis.AutoPipelineOptions {
	o := redis.DefaultAutoPipelineOptions() // ordered, one batch at a time
	o.MaxQueuedCommands = sharedMax
	// Without a delay go-redis waits up to 2 ms for as many commands as came
	// last time, which costs a lone caller 1 ms per operation. The smallest
	// delay switches that off; what comes while a batch is under way still
	// leaves together.
	o.MaxFlushDelay = time.Nanosecond
	return o
}

// Dedicated returns another client of the same Redis with few connections,
// for a reader that blocks on them. The receiver closes it.
func (s *Store) Dedicated() redis.UniversalClient {
	o := s.opt
	o.PoolSize = 2
	return newClient(o)
}

// Pool tells of the connections to Redis now, those in use and idle, and how
// often none became free in time since the start.
func (s *Store) Pool() (used, idle, timeouts uint32) {
	p := s.rdb.PoolStats()
	return p.TotalConns - min(p.IdleConns, p.TotalConns), p.IdleConns, p.Timeouts
}

// Sender sends to other nodes over the store's connections.
func (s *Store) Sender() *bus.Sender { return s.sender }

// Prefix is the beginning of every key.
func (s *Store) Prefix() string { return s.opt.Prefix }

func newClient(o Options) redis.UniversalClient {
	u := &redis.UniversalOptions{
		Addrs: o.Addresses, IsClusterMode: o.Cluster, DB: o.DB,
		Username: o.Username, Password: o.Password, TLSConfig: o.TLS, Dialer: o.Dialer,
		PoolSize:    o.PoolSize,
		DialTimeout: o.Timeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout,
		// A dial that fails is the operation's failure; who may repeat it
		// does, so that nobody waits for the sum of many time-outs.
		DialerRetries: 1, MaxRetries: 2, PoolTimeout: o.Timeout,
		ContextTimeoutEnabled: true,
		// RESP2 is what every supported server and the embedded one speak.
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if u.Dialer == nil {
		u.Dialer = guard(o.TLS, o.Timeout)
	}
	if o.SentinelMaster != "" {
		u.Addrs, u.MasterName = o.Sentinels, o.SentinelMaster
		u.SentinelUsername, u.SentinelPassword = o.SentinelUsername, o.SentinelPassword
	}
	rdb := redis.NewUniversalClient(u)
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		cluster.AddHook(&topologyHook{cluster: cluster})
	}
	return rdb
}
