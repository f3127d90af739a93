package maintenance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/leaktest"
	"github.com/lightpush/lightpush/internal/namespace"
)

// TestMain fails the run when a goroutine is left behind.
func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }

// fakeStore keeps namespaces, locks and devices in memory.
type fakeStore struct {
	mu          sync.Mutex
	all         map[string]*namespace.Namespace
	locks       map[string]string // name → owner
	connections map[string]int
	devices     map[string][]string // not seen for long, by namespace
	stays       map[string]bool     // a device that is online
	before      map[string]int64    // when what was last asked for was seen, by namespace
	did         []string
	fail        error         // of the next purge
	block       chan struct{} // nil, or purges wait for it
}

func newStore(list ...*namespace.Namespace) *fakeStore {
	f := &fakeStore{
		all: map[string]*namespace.Namespace{}, locks: map[string]string{}, connections: map[string]int{},
		devices: map[string][]string{}, stays: map[string]bool{}, before: map[string]int64{},
	}
	for _, n := range list {
		f.all[n.Key] = n
	}
	return f
}

func (f *fakeStore) LoadNamespaces(context.Context) (list []*namespace.Namespace, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.all {
		if !n.Doomed() {
			list = append(list, n)
		}
	}
	return list, nil
}

func (f *fakeStore) UpdateNamespace(_ context.Context, key string, change func(*namespace.Namespace) (*namespace.Namespace, error)) (*namespace.Namespace, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := change(f.all[key])
	if err == nil {
		f.all[key] = n
	}
	return n, err
}

func (f *fakeStore) Namespace(_ context.Context, key string) (*namespace.Namespace, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[key], nil
}

func (f *fakeStore) Purges(context.Context) (list []*namespace.Namespace, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.all {
		if n.Purge != namespace.PurgeNone {
			list = append(list, n)
		}
	}
	return list, nil
}

func (f *fakeStore) RemoveNamespace(_ context.Context, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all[key].Doomed() {
		delete(f.all, key)
	}
	return nil
}

func (f *fakeStore) Lock(_ context.Context, name, by string, _ time.Duration) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if owner := f.locks[name]; owner != "" && owner != by {
		return false, nil
	}
	f.locks[name] = by
	return true, nil
}

func (f *fakeStore) Unlock(_ context.Context, name, by string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locks[name] == by {
		delete(f.locks, name)
	}
	return nil
}

// ConnectionsOf lets one client go each time it is asked.
func (f *fakeStore) ConnectionsOf(ctx context.Context, ns string, step Step) (int, error) {
	f.mu.Lock()
	n := f.connections[ns]
	if n > 0 {
		f.connections[ns]--
	}
	f.mu.Unlock()
	return max(n, -n), step(ctx)
}

func (f *fakeStore) doing(ctx context.Context, what, ns string) error {
	f.mu.Lock()
	f.did = append(f.did, what+" "+ns)
	err, block := f.fail, f.block
	f.fail = nil
	f.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

func (f *fakeStore) EvictClients(ctx context.Context, ns string, step Step) error {
	return errors.Join(f.doing(ctx, "evict", ns), step(ctx))
}

func (f *fakeStore) PurgeRealtime(ctx context.Context, ns string, step Step) error {
	return errors.Join(f.doing(ctx, "realtime", ns), step(ctx))
}

func (f *fakeStore) PurgeData(ctx context.Context, ns string, step Step) error {
	return errors.Join(f.doing(ctx, "data", ns), step(ctx))
}

func (f *fakeStore) LegacyClients(_ context.Context, ns string, before int64, skip, count int) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before[ns] = before
	list := f.devices[ns]
	list = list[min(skip, len(list)):]
	return slices.Clone(list[:min(count, len(list))]), nil
}

func (f *fakeStore) ForgetClients(ctx context.Context, ns string, ids []string, _ int64) (gone []string, err error) {
	if err := f.doing(ctx, "forget", ns); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if !f.stays[id] {
			gone = append(gone, id)
			f.devices[ns] = slices.DeleteFunc(f.devices[ns], func(d string) bool { return d == id })
		}
	}
	return gone, nil
}

func (f *fakeStore) done() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.did, ", ")
}

func (f *fakeStore) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// start returns a running service with short times.
func start(t *testing.T, f *fakeStore, id string, change func(*Options)) (*Service, *namespace.Registry) {
	t.Helper()
	registry := namespace.NewRegistry(f, time.Hour, nil)
	if err := registry.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	o := Options{
		Store: f, Namespaces: registry, ID: id,
		Every: 5 * time.Millisecond, Poll: time.Millisecond, Settle: time.Millisecond, Patience: 20 * time.Millisecond,
	}
	if change != nil {
		change(&o)
	}
	s := New(o)
	s.Start()
	t.Cleanup(s.Close)
	return s, registry
}

func offline(key string) *namespace.Namespace {
	return &namespace.Namespace{Key: key, PasswdHash: "hash", Offline: true, UpdateDate: 1}
}

func short(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

func TestPurge(t *testing.T) {
	f := newStore(offline("/a"), offline("/b"), offline("/c"), &namespace.Namespace{Key: "/on"})
	f.connections["/b"] = 5
	s, registry := start(t, f, "me", nil)
	for _, c := range []struct {
		key  string
		p    namespace.Purge
		want error
	}{
		{"/nothing", namespace.PurgeClear, namespace.ErrNotOffline},
		{"/on", namespace.PurgeFlush, namespace.ErrNotOffline},
		{"/on", namespace.PurgeRealtime, namespace.ErrNotOffline},
		{"/a", namespace.PurgeRealtime, nil},
		{"/b", namespace.PurgeClear, nil},
		{"/c", namespace.PurgeFlush, nil},
		{"/c", namespace.PurgeFlush, namespace.ErrNotOffline}, // gone
	} {
		done, err := s.Purge(t.Context(), c.key, c.p)
		if !errors.Is(err, c.want) || done != (c.want == nil) {
			t.Errorf("%s %s: %v, %v", c.p, c.key, done, err)
		}
	}
	if got, want := f.done(), "evict /a, realtime /a, data /b, data /c"; got != want {
		t.Errorf("did %s, want %s", got, want)
	}
	for key, there := range map[string]bool{"/a": true, "/b": true, "/c": false, "/on": true} {
		n, _ := f.Namespace(t.Context(), key)
		if (n != nil) != there || (n != nil && n.Purge != namespace.PurgeNone) {
			t.Errorf("%s: %+v", key, n)
		}
	}
	if _, ok := registry.Get("/c"); ok {
		t.Error("the registry still has /c")
	}
	if len(f.locks) != 0 {
		t.Errorf("locks %v", f.locks)
	}
}

// The caller does not wait for ever; the namespace is gone for others at once.
func TestPurgeGoesOnWithoutTheCaller(t *testing.T) {
	f := newStore(offline("/a"))
	f.block = make(chan struct{})
	s, registry := start(t, f, "me", nil)
	if done, err := s.Purge(short(t, 30*time.Millisecond), "/a", namespace.PurgeFlush); done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
	if _, err := registry.Authenticate("/a", "x"); !errors.Is(err, namespace.ErrNotFound) {
		t.Errorf("a doomed namespace answers %v", err)
	}
	password := "p"
	_, err := registry.Save(t.Context(), namespace.Patch{Key: "/a", Password: &password}, time.Now())
	if !errors.Is(err, namespace.ErrBusy) {
		t.Errorf("made new meanwhile: %v", err)
	}
	// Who asks again waits for the same work.
	noted, _ := f.Namespace(t.Context(), "/a")
	again := make(chan bool)
	go func() {
		done, _ := s.Purge(t.Context(), "/a", namespace.PurgeFlush)
		again <- done
	}()
	eventually(t, "the second call has made its note", func() bool {
		n, _ := f.Namespace(t.Context(), "/a")
		return n.UpdateDate > noted.UpdateDate
	})
	if done, err := s.Purge(t.Context(), "/a", namespace.PurgeClear); done || !errors.Is(err, namespace.ErrNotOffline) {
		t.Errorf("clear of a doomed namespace: %v, %v", done, err)
	}
	close(f.block)
	if !<-again {
		t.Error("never done")
	}
	if _, err := registry.Save(t.Context(), namespace.Patch{Key: "/a", Password: &password}, time.Now()); err != nil {
		t.Errorf("made new afterwards: %v", err)
	}
}

// A process that dies leaves its note and, until the lease ends, its lock.
func TestPurgeIsResumed(t *testing.T) {
	f := newStore(offline("/a"))
	f.block = make(chan struct{})
	first, _ := start(t, f, "first", nil)
	if done, _ := first.Purge(short(t, 20*time.Millisecond), "/a", namespace.PurgeClear); done {
		t.Fatal("done")
	}
	first.Close()
	f.set(func() { f.locks["purge-/a"] = "first" }) // as if it had been killed
	close(f.block)
	purged := make(chan namespace.Purge, 1)
	start(t, f, "second", func(o *Options) {
		o.OnPurged = func(_ string, p namespace.Purge, _ time.Duration) { purged <- p }
	})
	time.Sleep(20 * time.Millisecond) // gives it the chance to do it too early
	if n, _ := f.Namespace(t.Context(), "/a"); n.Purge != namespace.PurgeClear {
		t.Fatal("done without the lock")
	}
	f.set(func() { delete(f.locks, "purge-/a") })
	if p := <-purged; p != namespace.PurgeClear {
		t.Errorf("purged %s", p)
	}
}

// A flush that comes while a clear runs follows it.
func TestPurgeIsExtended(t *testing.T) {
	f := newStore(offline("/a"))
	f.block = make(chan struct{})
	s, _ := start(t, f, "me", nil)
	if done, _ := s.Purge(short(t, 20*time.Millisecond), "/a", namespace.PurgeRealtime); done {
		t.Fatal("done")
	}
	if done, err := s.Purge(short(t, 20*time.Millisecond), "/a", namespace.PurgeFlush); done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
	close(f.block)
	eventually(t, "the namespace is gone", func() bool { n, _ := f.Namespace(t.Context(), "/a"); return n == nil })
	if got, want := f.done(), "evict /a, realtime /a, data /a"; got != want {
		t.Errorf("did %s, want %s", got, want)
	}
}

func TestPurgeIsRepeatedAfterAFailure(t *testing.T) {
	f := newStore(offline("/a"))
	failure := errors.New("store away")
	f.fail = failure
	heard := make(chan error, 1)
	s, _ := start(t, f, "me", func(o *Options) {
		o.OnError = func(_ string, err error) { heard <- err }
	})
	if done, err := s.Purge(t.Context(), "/a", namespace.PurgeClear); !done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	if err := <-heard; !errors.Is(err, failure) {
		t.Errorf("heard %v", err)
	}
}

// A connection that never ends holds nothing up for ever.
func TestPurgeHasPatience(t *testing.T) {
	f := newStore(offline("/a"))
	f.connections["/a"] = -1
	heard := make(chan error, 1)
	s, _ := start(t, f, "me", func(o *Options) {
		o.OnError = func(_ string, err error) { heard <- err }
	})
	if done, err := s.Purge(t.Context(), "/a", namespace.PurgeClear); !done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	if err := <-heard; !errors.Is(err, errStalled) {
		t.Errorf("heard %v", err)
	}
}

func TestMoreNamespacesThanWorkers(t *testing.T) {
	f := newStore()
	for i := range 3 * worksMax {
		n := offline(fmt.Sprint("/", i))
		n.Purge = namespace.PurgeFlush
		f.all[n.Key] = n
	}
	start(t, f, "me", func(o *Options) { o.Every = time.Hour }) // found at the start, then one after the other
	eventually(t, "all are gone", func() bool { list, _ := f.Purges(t.Context()); return len(list) == 0 })
}

func TestForgetLegacy(t *testing.T) {
	f := newStore(offline("/a"), &namespace.Namespace{Key: "/on"}, &namespace.Namespace{Key: "/gone", Offline: true, Purge: namespace.PurgeFlush})
	var want []string
	for i := range 3*legacyStep + 1 {
		id := fmt.Sprintf("/a#%d", i)
		f.devices["/a"] = append(f.devices["/a"], id)
		if i%3 == 0 {
			f.stays[id] = true
		} else {
			want = append(want, id)
		}
	}
	forgotten := 0
	s, _ := start(t, f, "me", func(o *Options) {
		o.Every = time.Hour
		o.OnForgotten = func(_ string, n int) { forgotten += n }
	})
	for _, key := range []string{"/on", "/gone", "/nothing"} {
		if _, _, err := s.ForgetLegacy(t.Context(), key); !errors.Is(err, namespace.ErrNotOffline) {
			t.Errorf("%s: %v", key, err)
		}
	}
	ids, done, err := s.ForgetLegacy(t.Context(), "/a")
	if err != nil || !done || !slices.Equal(ids, want) || forgotten != len(want) {
		t.Errorf("%d devices, %v, %v; %d counted", len(ids), done, err, forgotten)
	}
	if ids, done, err = s.ForgetLegacy(t.Context(), "/a"); err != nil || !done || ids == nil || len(ids) != 0 {
		t.Errorf("again: %v, %v, %v", ids, done, err)
	}
	f.set(func() { f.locks["legacy-/a"] = "other" })
	if _, _, err := s.ForgetLegacy(t.Context(), "/a"); !errors.Is(err, namespace.ErrBusy) {
		t.Errorf("while another process is at it: %v", err)
	}
	f.set(func() { delete(f.locks, "legacy-/a") })

	// The caller leaves, the work does not.
	f.set(func() { f.devices["/a"], f.block = []string{"/a#late"}, make(chan struct{}) })
	if ids, done, err = s.ForgetLegacy(short(t, 20*time.Millisecond), "/a"); err != nil || done || len(ids) != 0 {
		t.Errorf("%v, %v, %v", ids, done, err)
	}
	close(f.block)
	eventually(t, "forgotten", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.devices["/a"]) == 0 && f.locks["legacy-/a"] == ""
	})

	s.Close()
	if _, _, err := s.ForgetLegacy(t.Context(), "/a"); err == nil {
		t.Error("a closed service works")
	}
}

func TestForgetLegacyFails(t *testing.T) {
	f := newStore(offline("/a"))
	f.devices["/a"] = []string{"/a#1"}
	s, _ := start(t, f, "me", nil)
	f.set(func() { f.fail = errors.New("store away") })
	if _, _, err := s.ForgetLegacy(t.Context(), "/a"); err == nil || !strings.Contains(err.Error(), "store away") {
		t.Errorf("error %v", err)
	}
}

func TestSweep(t *testing.T) {
	f := newStore(offline("/a"), &namespace.Namespace{Key: "/on"}, &namespace.Namespace{Key: "/busy"})
	for _, key := range []string{"/a", "/on", "/busy"} {
		f.devices[key] = []string{key + "#1", key + "#2"}
	}
	f.stays["/on#2"] = true
	f.locks["legacy-/busy"] = "other"
	s, _ := start(t, f, "me", nil)
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.devices["/a"]) != 0 || !slices.Equal(f.devices["/on"], []string{"/on#2"}) || len(f.devices["/busy"]) != 2 {
		t.Errorf("left %v", f.devices)
	}
	if len(f.locks) != 1 {
		t.Errorf("locks %v", f.locks)
	}
}

// A namespace may forget its devices earlier than the configuration says.
func TestSweepByNamespace(t *testing.T) {
	f := newStore(&namespace.Namespace{Key: "/a"}, &namespace.Namespace{Key: "/soon", Limits: namespace.Limits{ClientExpire: 1}},
		&namespace.Namespace{Key: "/late", Granted: namespace.Limits{ClientExpire: 480}})
	now := time.UnixMilli(1_800_000_000_000)
	s, _ := start(t, f, "me", func(o *Options) { o.Now = func() time.Time { return now } })
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, hours := range map[string]int64{"/a": 240, "/soon": 1, "/late": 480} {
		if got := now.UnixMilli() - f.before[key]; got != hours*3600*1000 {
			t.Errorf("%s: %d ms, want %d h", key, got, hours)
		}
	}
}

// A lock that went to another process ends the work.
func TestLostLock(t *testing.T) {
	f := newStore(offline("/a"))
	s, _ := start(t, f, "me", func(o *Options) { o.Lease, o.Every = time.Nanosecond, time.Hour })
	l, err := s.lock(t.Context(), "x")
	if err != nil || l == nil {
		t.Fatal(l, err)
	}
	f.set(func() { f.locks["x"] = "other" })
	time.Sleep(time.Millisecond)
	if err := l.renew(t.Context()); !errors.Is(err, errLost) {
		t.Errorf("error %v", err)
	}
	l.release()
	if f.locks["x"] != "other" {
		t.Error("took the lock of another process away")
	}
}
