package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/leaktest"
	"github.com/lightpush/lightpush/internal/store/redistest"
)

// ringVariable, set to "redis", adds a Redis Cluster to the tests.
const ringVariable = "LIGHTPUSH_RING"

// TestMain stops the servers that were started and fails the run when a
// goroutine is left behind.
func TestMain(m *testing.M) {
	redis.SetLogger(silent{}) // refused connections are part of the tests
	os.Exit(leaktest.Run(m, stopServers))
}

func stopServers() {
	for _, s := range []*shared{&server, &cluster} {
		if s.redis != nil {
			s.redis.Stop()
		}
	}
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

type shared struct {
	once  sync.Once
	redis *redistest.Redis
	err   error
}

var server, cluster shared

// backend is one kind of Redis the contract suites run on.
type backend struct {
	name    string
	mini    *miniredis.Miniredis // only the in-process one
	options Options
}

var prefixes atomic.Int64

// open returns a Store with keys of its own. change may be nil.
func (b *backend) open(t testing.TB, change func(*Options)) *Store {
	t.Helper()
	o := b.options
	o.OnError = func(err error) { t.Errorf("background: %v", err) }
	if change != nil {
		change(&o)
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// onEach runs test on every kind of Redis there is.
func onEach(t *testing.T, test func(t *testing.T, b *backend)) {
	prefix := func() string { return fmt.Sprintf("t%d:", prefixes.Add(1)) }
	t.Run("embedded", func(t *testing.T) {
		m := miniredis.RunT(t)
		test(t, &backend{name: "embedded", mini: m, options: Options{Addresses: []string{m.Addr()}, Prefix: prefix(), RecoveryWindow: 2 * time.Minute}})
	})
	t.Run("redis", func(t *testing.T) {
		r := realServer(t)
		test(t, &backend{name: "redis", options: Options{Addresses: r.Addresses, Prefix: prefix(), RecoveryWindow: 2 * time.Minute}})
	})
	if os.Getenv(ringVariable) == "redis" {
		t.Run("cluster", func(t *testing.T) {
			r := realCluster(t)
			test(t, &backend{name: "cluster", options: Options{Addresses: r.Addresses, Cluster: true, Prefix: prefix(), RecoveryWindow: 2 * time.Minute}})
		})
	}
}

func realServer(t testing.TB) *redistest.Redis {
	server.once.Do(func() { server.redis, server.err = redistest.StartServer() })
	return started(t, &server)
}

func realCluster(t testing.TB) *redistest.Redis {
	cluster.once.Do(func() { cluster.redis, cluster.err = redistest.StartCluster() })
	return started(t, &cluster)
}

func started(t testing.TB, s *shared) *redistest.Redis {
	t.Helper()
	if errors.Is(s.err, redistest.ErrMissing) {
		t.Skip(s.err)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.redis
}

// keysLeft are all keys of the store, without its prefix.
func keysLeft(t testing.TB, s *Store) []string {
	t.Helper()
	var mu sync.Mutex
	var found []string
	scan := func(ctx context.Context, c *redis.Client) error {
		iter := c.Scan(ctx, 0, s.opt.Prefix+"*", 1000).Iterator()
		for iter.Next(ctx) {
			mu.Lock()
			found = append(found, strings.TrimPrefix(iter.Val(), s.opt.Prefix))
			mu.Unlock()
		}
		return iter.Err()
	}
	var err error
	switch c := s.rdb.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(t.Context(), scan)
	case *redis.Client:
		err = scan(t.Context(), c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// eventually fails the test when ok does not hold in time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("in vain: %s", what)
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func zMember(score float64, member string) redis.Z { return redis.Z{Score: score, Member: member} }
