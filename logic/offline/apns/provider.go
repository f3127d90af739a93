// Package apns sends to Apple's push service (light-push-wire.md 4.8).
//
// Overview. A Provider keeps one account per (namespace, profile): the parsed
// credential and one HTTP/2 connection, found by a fingerprint of everything
// that matters, so that a changed profile gets a new account and the old one
// closes when its last request has ended (B7). Send spreads a batch over the
// streams of that connection, judges every answer (judge.go) and repeats what
// is worth repeating, with backoff. Credentials are taken from namespace
// profiles as PEM text only; nothing here reads a file or logs a secret.
//
// Goroutines. Send runs up to half of Options.Concurrency of them and ends
// them before it returns; connections own those of net/http2 until they are
// closed. Close ends everything.
//
// Imports: logic/offline/provider, internal/namespace and sideshow/apns2 with
// what that stands on; no store, no gin.
package apns

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/logic/offline/provider"
)

// Namespaces is where profiles come from; *namespace.Registry is one.
type Namespaces interface {
	Get(key string) (*namespace.Namespace, bool)
	Ready() bool
}

// Options of a Provider. Namespaces is required; other zero values take the
// defaults named.
type Options struct {
	Namespaces Namespaces
	// Host takes the place of Apple's gateways for profiles without one of
	// their own; "".
	Host string
	// RootCAs are trusted for gateways; nil: the system's.
	RootCAs *x509.CertPool

	Alert       string        // of a notification that brings none; 通知
	MaxPayload  int           // bytes of apsData; 4,000
	Concurrency int           // requests at once, of all profiles; 1,000
	Timeout     time.Duration // of one attempt, connecting included; 5 s
	Retries     int           // after the first attempt; 3, negative for none
	Backoff     time.Duration // before the first of them, then doubled; 200 ms
	MaxWait     time.Duration // longest Retry-After that is waited for; 5 s

	// Observe hears of every notification that has its outcome; may be nil.
	Observe func(outcome provider.Outcome, status int, took time.Duration)
	// OnError hears of profiles that cannot be used and of gateways that
	// cannot be reached; may be nil. It gets no secret.
	OnError func(namespace, profile string, err error)
	Now     func() time.Time // wall clock; time.Now
}

func (o *Options) setDefaults() {
	if o.Alert == "" {
		o.Alert = "通知"
	}
	if o.MaxPayload <= 0 {
		o.MaxPayload = 4000
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 1000
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Retries == 0 {
		o.Retries = 3
	}
	if o.Backoff <= 0 {
		o.Backoff = 200 * time.Millisecond
	}
	if o.MaxWait <= 0 {
		o.MaxWait = 5 * time.Second
	}
	if o.Observe == nil {
		o.Observe = func(provider.Outcome, int, time.Duration) {}
	}
	if o.OnError == nil {
		o.OnError = func(string, string, error) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Provider implements provider.Provider.
type Provider struct {
	o       Options
	slots   chan struct{} // one per request under way
	ctx     context.Context
	cancel  context.CancelFunc
	sending sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	accounts map[accountKey]*account
}

// accountKey is where a profile stands.
type accountKey struct{ namespace, profile string }

// New returns a Provider; Close it.
func New(o Options) (*Provider, error) {
	if o.Namespaces == nil {
		return nil, errors.New("apns: Options.Namespaces is missing")
	}
	if o.Host != "" && !namespace.ValidAPNsHost(o.Host) {
		return nil, errors.New("apns: Options.Host must be https://host:port")
	}
	o.setDefaults()
	p := &Provider{o: o, slots: make(chan struct{}, o.Concurrency), accounts: map[accountKey]*account{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// Name implements provider.Provider.
func (p *Provider) Name() string { return "apns" }

// Member implements provider.Provider.
func (p *Provider) Member() string { return "apsData" }

// MaxPayload implements provider.Provider.
func (p *Provider) MaxPayload() int { return p.o.MaxPayload }

// defaultProfile is the profile of the root namespace that messages without
// apnsName use.
const defaultProfile = "default"

// Errors of Open that pass.
var (
	ErrClosed = errors.New("apns: provider is closed")
)

// Open implements provider.Provider. Besides *provider.ProfileError it
// returns namespace.ErrUnavailable and ErrClosed.
func (p *Provider) Open(ns, name string) (provider.Sender, error) {
	a, err := p.acquire(ns, name)
	if err != nil {
		return nil, err
	}
	defer p.release(a)
	return &sender{p: p, namespace: ns, name: name, env: a.env}, nil
}

// find looks for the profile a message names and says where it stands.
func (p *Provider) find(ns, name string) (*namespace.Namespace, *namespace.APNsProfile, error) {
	if !p.o.Namespaces.Ready() {
		return nil, nil, namespace.ErrUnavailable
	}
	missing := provider.TextNoProfile(name)
	if name == "" {
		ns, name, missing = namespace.Root, defaultProfile, provider.TextNoDefault
	}
	if n, ok := p.o.Namespaces.Get(ns); ok {
		for i := range n.APNs {
			if n.APNs[i].Name == name {
				return n, &n.APNs[i], nil
			}
		}
	}
	return nil, nil, &provider.ProfileError{Text: missing}
}

// acquire returns the account of the profile as it is now; release it.
func (p *Provider) acquire(ns, name string) (*account, error) {
	n, profile, err := p.find(ns, name)
	if err != nil {
		return nil, err
	}
	key := accountKey{n.Key, profile.Name}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	a := p.accounts[key]
	if a == nil || a.source != n { // n is immutable: the same one means the same profile
		print := p.fingerprint(profile)
		if a == nil || a.print != print {
			var old *account
			if old, a, err = p.replaceLocked(key, profile, print); err != nil {
				p.mu.Unlock()
				p.closeAll(old)
				p.o.OnError(key.namespace, key.profile, err)
				return nil, &provider.ProfileError{Text: provider.TextNoProvider, Err: err}
			}
			defer p.closeAll(old)
		}
		a.source = n
	}
	a.users++
	p.mu.Unlock()
	return a, nil
}

// replaceLocked puts a new account in the place of an old one, which it
// returns when nobody uses it any more.
func (p *Provider) replaceLocked(key accountKey, profile *namespace.APNsProfile, print [sha256.Size]byte) (unused, a *account, err error) {
	unused = p.retireLocked(key)
	if a, err = p.newAccount(key, profile, print); err != nil {
		return unused, nil, err
	}
	p.accounts[key] = a
	return unused, a, nil
}

// retireLocked takes an account out of the pool and returns it when nobody
// uses it; else the last release closes it.
func (p *Provider) retireLocked(key accountKey) (unused *account) {
	a := p.accounts[key]
	if a == nil {
		return nil
	}
	delete(p.accounts, key)
	a.retired = true
	if a.users > 0 {
		return nil
	}
	return a
}

func (p *Provider) release(a *account) {
	p.mu.Lock()
	a.users--
	last := a.retired && a.users == 0
	p.mu.Unlock()
	if last {
		a.close()
	}
}

func (p *Provider) closeAll(accounts ...*account) {
	for _, a := range accounts {
		if a != nil {
			a.close()
		}
	}
}

// Changed closes the connections of profiles that are gone or different in
// the namespaces given; register it with namespace.Registry.OnChange.
func (p *Provider) Changed(changed []*namespace.Namespace) {
	var unused []*account
	p.mu.Lock()
	for key, a := range p.accounts {
		at := slices.IndexFunc(changed, func(n *namespace.Namespace) bool { return n.Key == key.namespace })
		if at < 0 {
			continue
		}
		profiles := changed[at].APNs
		i := slices.IndexFunc(profiles, func(profile namespace.APNsProfile) bool { return profile.Name == key.profile })
		if i < 0 || p.fingerprint(&profiles[i]) != a.print {
			unused = append(unused, p.retireLocked(key))
		}
	}
	p.mu.Unlock()
	p.closeAll(unused...)
}

// fingerprint tells profiles apart by all that a connection depends on.
func (p *Provider) fingerprint(profile *namespace.APNsProfile) [sha256.Size]byte {
	text, err := json.Marshal(profile)
	if err != nil { // a struct of strings always marshals
		return sha256.Sum256(nil)
	}
	return sha256.Sum256(append(text, p.o.Host...))
}

// Close interrupts what is under way, waits for it and closes all
// connections. What had no outcome yet is Unavailable.
func (p *Provider) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.sending.Wait()
	p.mu.Lock()
	var unused []*account
	for key := range p.accounts {
		unused = append(unused, p.retireLocked(key))
	}
	p.mu.Unlock()
	p.closeAll(unused...)
}

// begin registers a Send with Close.
func (p *Provider) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.sending.Add(1)
	return true
}

var _ provider.Provider = (*Provider)(nil)
