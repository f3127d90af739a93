package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Kind is what a revocation blocks.
type Kind string

// Kinds.
const (
	User   Kind = "user"   // a user id, on all devices
	Device Kind = "device" // a uuid, whoever uses it
	Token  Kind = "token"  // the jti of a token
)

// Bounds of revocations.
const (
	ValueMax  = 400 // bytes of a blocked value
	ReasonMax = 200 // bytes of a reason
	// RevocationMax is the longest time one lasts.
	RevocationMax = 366 * 24 * time.Hour
	// RevocationsMax of one namespace.
	RevocationsMax = 100_000
)

// ErrRevocationsFull refuses another revocation of a namespace.
var ErrRevocationsFull = errors.New("too many revocations")

// Revocation blocks a user, a device or a token of one namespace until a time.
// With Lifted it tells that one has ended.
type Revocation struct {
	Namespace string `json:"ns"`
	Kind      Kind   `json:"kind"`
	Value     string `json:"value"`
	Since     int64  `json:"since"` // ms
	Until     int64  `json:"until"` // ms
	Reason    string `json:"reason,omitempty"`
	By        string `json:"by,omitempty"`
	Lifted    bool   `json:"lifted,omitempty"`
}

// RevocationStore keeps revocations for all processes.
type RevocationStore interface {
	// Revocations returns all, in any order; ended ones may be among them
	// and are removed by the way.
	Revocations(ctx context.Context) ([]Revocation, error)
	// SaveRevocation stores r, or removes it when it is lifted, and tells
	// every process through the control stream.
	SaveRevocation(ctx context.Context, r Revocation) error
}

// Revocations is this process's copy of all revocations. Looking one up takes
// no lock while there are none. It is changed by the control stream's notices,
// and loaded anew by a timer and when notices may have been missed.
type Revocations struct {
	store   RevocationStore
	refresh time.Duration
	now     func() time.Time
	onError func(error)

	some atomic.Bool // there is at least one
	kick chan struct{}

	mu        sync.RWMutex
	all       map[revocationKey]Revocation
	count     map[string]int // by namespace
	loading   bool
	missed    []Revocation // notices that came while loading
	listeners []func(Revocation)

	cancel context.CancelFunc // nil before Start
	done   chan struct{}
}

type revocationKey struct {
	namespace string
	kind      Kind
	value     string
}

func (r *Revocation) key() revocationKey { return revocationKey{r.Namespace, r.Kind, r.Value} }

// NewRevocations returns an empty copy that is loaded anew every refresh
// interval; onError may be nil.
func NewRevocations(store RevocationStore, refresh time.Duration, onError func(error)) *Revocations {
	if onError == nil {
		onError = func(error) {}
	}
	return &Revocations{
		store: store, refresh: refresh, now: time.Now, onError: onError, kick: make(chan struct{}, 1),
		all: map[revocationKey]Revocation{}, count: map[string]int{}, done: make(chan struct{}),
	}
}

// OnRevoked registers f to be told of every new revocation, soon after Blocked
// knows it. It must not block. Register before clients are let in.
func (r *Revocations) OnRevoked(f func(Revocation)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listeners = append(r.listeners, f)
}

// Start loads all and starts the goroutine that keeps them fresh until Close.
func (r *Revocations) Start(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.run(run)
	return nil
}

// Close stops the goroutine and waits for it; without Start it does nothing.
func (r *Revocations) Close() {
	if r.cancel != nil {
		r.cancel()
		<-r.done
	}
}

func (r *Revocations) run(ctx context.Context) {
	defer close(r.done)
	ticker := time.NewTicker(r.refresh)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-r.kick:
		}
		load, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := r.load(load)
		cancel()
		if err != nil && ctx.Err() == nil {
			r.onError(err)
		}
	}
}

// Invalidate asks for a load soon; it never blocks.
func (r *Revocations) Invalidate() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

func (r *Revocations) load(ctx context.Context) error {
	r.mu.Lock()
	r.loading, r.missed = true, nil
	r.mu.Unlock()
	list, err := r.store.Revocations(ctx)
	r.mu.Lock()
	defer func() { r.loading, r.missed = false, nil; r.mu.Unlock() }()
	if err != nil {
		return fmt.Errorf("load revocations: %w", err)
	}
	before := r.all
	r.all, r.count = make(map[revocationKey]Revocation, len(list)), map[string]int{}
	for _, revocation := range append(list, r.missed...) { // what came meanwhile is newer
		r.putLocked(revocation)
	}
	for key, revocation := range r.all {
		if old, known := before[key]; !known || old.Since != revocation.Since {
			r.tellLocked(revocation)
		}
	}
	return nil
}

// Apply takes a notice of the control stream.
func (r *Revocations) Apply(notice Revocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loading {
		r.missed = append(r.missed, notice)
	}
	if r.putLocked(notice) {
		r.tellLocked(notice)
	}
}

// putLocked reports whether the copy has a revocation in force that it had
// not.
func (r *Revocations) putLocked(n Revocation) bool {
	key := n.key()
	old, known := r.all[key]
	if known {
		r.count[key.namespace]--
		delete(r.all, key)
	}
	inForce := !n.Lifted && n.Until > r.now().UnixMilli()
	if inForce {
		r.all[key] = n
		r.count[key.namespace]++
	}
	r.some.Store(len(r.all) > 0)
	return inForce && (!known || old.Since != n.Since)
}

func (r *Revocations) tellLocked(n Revocation) {
	for _, f := range r.listeners {
		f(n)
	}
}

// Blocked reports whether a value of that kind is blocked now; "" never is.
func (r *Revocations) Blocked(namespace string, kind Kind, value string) bool {
	if value == "" || !r.some.Load() {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	found, ok := r.all[revocationKey{namespace, kind, value}]
	return ok && found.Until > r.now().UnixMilli()
}

// List returns the revocations of a namespace that are in force, the newest
// first, at most limit behind the first skip, and how many there are.
func (r *Revocations) List(namespace string, skip, limit int) (list []Revocation, total int) {
	now := r.now().UnixMilli()
	r.mu.RLock()
	for key, revocation := range r.all {
		if key.namespace == namespace && revocation.Until > now {
			list = append(list, revocation)
		}
	}
	r.mu.RUnlock()
	sort.Slice(list, func(i, j int) bool {
		if list[i].Since != list[j].Since {
			return list[i].Since > list[j].Since
		}
		return list[i].Value < list[j].Value
	})
	total = len(list)
	list = list[min(skip, total):]
	return list[:min(len(list), limit)], total
}

// Save stores a revocation, or lifts one; this process knows at once, others
// when the control stream tells them. Error: ErrRevocationsFull, else the
// store's.
func (r *Revocations) Save(ctx context.Context, n Revocation) error {
	r.mu.RLock()
	_, known := r.all[n.key()]
	full := r.count[n.Namespace] >= RevocationsMax
	r.mu.RUnlock()
	if full && !known && !n.Lifted {
		return ErrRevocationsFull
	}
	if err := r.store.SaveRevocation(ctx, n); err != nil {
		return err
	}
	r.Apply(n)
	return nil
}

// Encode is the form in which a revocation is stored and told.
func (r *Revocation) Encode() string {
	text, _ := json.Marshal(r) // texts and numbers always marshal
	return string(text)
}

// DecodeRevocation reads Encode's form.
func DecodeRevocation(text string) (r Revocation, err error) {
	if err = json.NewDecoder(strings.NewReader(text)).Decode(&r); err != nil {
		return Revocation{}, fmt.Errorf("decode revocation: %w", err)
	}
	return r, nil
}
