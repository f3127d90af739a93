package namespace

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lightpush/lightpush/internal/input"
)

// Store keeps namespaces for all processes. Implementations are safe for
// concurrent use and wrap their errors once.
type Store interface {
	// LoadNamespaces returns all of them, in any order.
	LoadNamespaces(ctx context.Context) ([]*Namespace, error)
	// UpdateNamespace reads the namespace (nil when absent), passes it to
	// change and stores the result, atomically with respect to other
	// updates of the same key; change may be called again on a conflict.
	// It tells every process afterwards through the control stream.
	UpdateNamespace(ctx context.Context, key string, change func(*Namespace) (*Namespace, error)) (*Namespace, error)
}

// Registry is this process's copy of all namespaces. Reads are lock-free and
// never wait for the store. It is reloaded when the control stream says that
// a namespace changed, and by a timer, so that a missed notice heals (B11).
type Registry struct {
	store    Store
	verifier *Verifier
	refresh  time.Duration
	onError  func(error)

	all  atomic.Pointer[map[string]*Namespace] // nil until the first load
	kick chan struct{}                         // capacity 1: a reload is due
	told chan struct{}                         // capacity 1: there are changes to tell

	mu        sync.Mutex
	listeners []func(changed []*Namespace) // called by the run goroutine only
	changed   map[string]*Namespace        // by key: what the listeners are still to hear
	// Loads are numbered when they begin. What an older load brings must not
	// replace what a newer one, or a save, has shown already.
	begun, shown uint64

	configured atomic.Pointer[Limits] // nil before Configure

	noKey string // why APNs credentials cannot be saved, "" when they can; fixed before Start

	cancel context.CancelFunc // nil before Start
	done   chan struct{}
}

// NewRegistry returns a Registry that reloads at least every refresh
// interval. onError hears of failed reloads; it may be nil.
func NewRegistry(store Store, refresh time.Duration, onError func(error)) *Registry {
	if onError == nil {
		onError = func(error) {}
	}
	return &Registry{
		store: store, verifier: NewVerifier(), refresh: refresh, onError: onError,
		kick: make(chan struct{}, 1), told: make(chan struct{}, 1),
		changed: map[string]*Namespace{}, done: make(chan struct{}),
	}
}

// Start loads all namespaces and starts the goroutine that keeps them fresh
// until Close. After an error it may be called again.
func (r *Registry) Start(ctx context.Context) error {
	if err := r.Reload(ctx); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.run(run)
	return nil
}

// Close stops the goroutine and waits for it; without Start it does nothing.
func (r *Registry) Close() {
	if r.cancel != nil {
		r.cancel()
		<-r.done
	}
}

func (r *Registry) run(ctx context.Context) {
	defer close(r.done)
	ticker := time.NewTicker(r.refresh)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.told:
			r.tell()
			continue
		case <-ticker.C:
		case <-r.kick:
		}
		load, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := r.Reload(load)
		cancel()
		if err != nil && ctx.Err() == nil {
			r.onError(err)
		}
	}
}

// Invalidate asks for a reload soon; it never blocks.
func (r *Registry) Invalidate() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// OnChange registers f to be told of namespaces that changed or, with only
// Key set and Offline true, vanished. Register before Start, or miss what
// changed before; f is called by
// the goroutine that Start began, soon after Get shows the change.
func (r *Registry) OnChange(f func(changed []*Namespace)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listeners = append(r.listeners, f)
}

// Reload replaces the copy by what the store has now.
func (r *Registry) Reload(ctx context.Context) error {
	r.mu.Lock()
	r.begun++
	turn := r.begun
	r.mu.Unlock()
	list, err := r.store.LoadNamespaces(ctx)
	if err != nil {
		return fmt.Errorf("load namespaces: %w", err)
	}
	next := make(map[string]*Namespace, len(list))
	for _, n := range list {
		next[n.Key] = n
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if turn > r.shown {
		r.shown = turn
		r.showLocked(next)
	}
	return nil
}

// showSaved puts a namespace this process has just stored into the copy.
func (r *Registry) showSaved(saved *Namespace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all.Load()
	if all == nil {
		return // the first load will bring it
	}
	if old, ok := (*all)[saved.Key]; ok && old.UpdateDate > saved.UpdateDate {
		return // saved again meanwhile
	}
	// Loads that have begun before now may not know it yet.
	r.begun++
	r.shown = r.begun
	next := maps.Clone(*all)
	next[saved.Key] = saved
	r.showLocked(next)
}

// showLocked makes next the copy and notes what the listeners are to hear.
func (r *Registry) showLocked(next map[string]*Namespace) {
	prev := r.all.Swap(&next)
	if prev == nil || len(r.listeners) == 0 {
		return
	}
	for _, n := range difference(*prev, next) {
		r.changed[n.Key] = n
	}
	if len(r.changed) > 0 {
		select {
		case r.told <- struct{}{}:
		default:
		}
	}
}

// tell calls the listeners, on the run goroutine.
func (r *Registry) tell() {
	r.mu.Lock()
	listeners, changed := r.listeners, slices.Collect(maps.Values(r.changed))
	clear(r.changed)
	r.mu.Unlock()
	if len(changed) == 0 {
		return
	}
	for _, f := range listeners {
		f(changed)
	}
}

func difference(prev, next map[string]*Namespace) (changed []*Namespace) {
	for key, n := range next {
		if old, ok := prev[key]; !ok || old.UpdateDate != n.UpdateDate || old.Offline != n.Offline {
			changed = append(changed, n)
		}
	}
	for key := range prev {
		if _, ok := next[key]; !ok {
			changed = append(changed, &Namespace{Key: key, Offline: true})
		}
	}
	return changed
}

// Ready reports whether namespaces have been loaded.
func (r *Registry) Ready() bool { return r.all.Load() != nil }

// Get returns the namespace of that exact key.
func (r *Registry) Get(key string) (*Namespace, bool) {
	all := r.all.Load()
	if all == nil {
		return nil, false
	}
	n, ok := (*all)[key]
	return n, ok
}

// List returns all namespaces sorted by key in byte order.
func (r *Registry) List() []*Namespace {
	all := r.all.Load()
	if all == nil {
		return nil
	}
	list := make([]*Namespace, 0, len(*all))
	for _, n := range *all {
		list = append(list, n)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Key < list[j].Key })
	return list
}

// Authenticate checks a namespace credential. Errors: ErrNotFound,
// ErrPassword, ErrUnavailable.
func (r *Registry) Authenticate(key, password string) (*Namespace, error) {
	if !r.Ready() {
		return nil, ErrUnavailable
	}
	n, ok := r.Get(key)
	if !ok || !strings.HasPrefix(key, "/") {
		return nil, ErrNotFound
	}
	if !r.verifier.Verify(n.PasswdHash, password) {
		return nil, ErrPassword
	}
	return n, nil
}

// Verifier is shared with the administrator's login so that both use one
// cache.
func (r *Registry) Verifier() *Verifier { return r.verifier }

// RefuseCredentials makes Save refuse new APNs credentials with that problem,
// because there is no key to encrypt them with. Call it before Start.
func (r *Registry) RefuseCredentials(problem string) { r.noKey = problem }

// Save applies patch and returns the stored namespace. The local copy shows
// it at once, other processes when the control stream tells them. Errors:
// those of Patch.Apply, else the store's, and then it may be stored or not.
func (r *Registry) Save(ctx context.Context, patch Patch, now time.Time) (*Namespace, error) {
	if field := firstCredential(patch.APNs); field != "" && r.noKey != "" {
		return nil, &input.FieldError{Field: field, Problem: r.noKey}
	}
	patch.Configured, patch.hashes = r.Configured(), map[string]string{}
	saved, err := r.store.UpdateNamespace(ctx, patch.Key, func(old *Namespace) (*Namespace, error) {
		return patch.Apply(old, now.UnixMilli())
	})
	if err != nil {
		return nil, err
	}
	r.showSaved(saved)
	r.Invalidate() // a load that showSaved overtook may have had other news
	return saved, nil
}
