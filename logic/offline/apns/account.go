package apns

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sideshow/apns2"
	"github.com/sideshow/apns2/token"

	"github.com/lightpush/lightpush/internal/namespace"
)

// account is one profile in use: its credential and its connection.
type account struct {
	// Fixed after newAccount.
	p          *Provider
	key        accountKey
	print      [sha256.Size]byte
	env        string
	host       string // https://host or https://host:port
	address    string // host:port
	topic      string
	expiration *int64 // nil: the message's own
	tls        *tls.Config
	token      *token.Token  // nil with a client certificate
	slots      chan struct{} // one per request on the connection

	// Guarded by Provider.mu.
	source  *namespace.Namespace // the profile's namespace when last looked at
	users   int
	retired bool

	mu       sync.Mutex
	current  *link // nil before the first request and after close
	closed   bool
	renewals []time.Time // of the provider token because APNs found it stale
	// The gateway's health: connections opened, or tried, since its last
	// answer, and until when nobody tries again.
	dials   int
	block   time.Duration
	blocked time.Time
	problem string
}

// newAccount reads a profile. Errors hold no secret.
func (p *Provider) newAccount(key accountKey, profile *namespace.APNsProfile, print [sha256.Size]byte) (*account, error) {
	credential, err := profile.Credential()
	if err != nil {
		return nil, err
	}
	a := &account{
		p: p, key: key, print: print, env: profile.Env, topic: profile.Topic, host: gateway(profile, p.o.Host),
		slots: make(chan struct{}, max(1, p.o.Concurrency/2)),
		tls:   &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}, RootCAs: p.o.RootCAs},
	}
	if !namespace.ValidAPNsHost(a.host) {
		return nil, errors.New("apns_host is not https://host:port")
	}
	a.address = addressOf(a.host)
	a.tls.ServerName, _, _ = net.SplitHostPort(a.address)
	if !printable(a.topic) {
		return nil, errors.New("apns_topic has characters no topic has")
	}
	if profile.Expiration != "" {
		n, err := strconv.ParseInt(profile.Expiration, 10, 64)
		if err != nil {
			return nil, errors.New("apns_expiration is not a number")
		}
		if n >= 0 { // light-push sends none below (4.8)
			a.expiration = &n
		}
	}
	if credential.TokenKey != nil {
		a.token = &token.Token{AuthKey: credential.TokenKey, KeyID: credential.KeyID, TeamID: credential.TeamID}
		if _, err := a.token.Generate(); err != nil {
			return nil, fmt.Errorf("sign provider token: %w", err)
		}
	} else {
		a.tls.Certificates = []tls.Certificate{*credential.Certificate}
	}
	return a, nil
}

// gateway is where the notifications of a profile go.
func gateway(profile *namespace.APNsProfile, standIn string) string {
	host := profile.Host
	if host == "" {
		host = standIn
	}
	switch {
	case host != "":
		return strings.TrimSuffix(host, "/")
	case profile.Production():
		return apns2.HostProduction
	default:
		return apns2.HostDevelopment
	}
}

// addressOf is where a gateway listens; host is a valid https URL.
func addressOf(host string) string {
	u, err := url.Parse(host)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// expires is when APNs may forget a notification. A configured value below
// 10⁹ counts seconds from now, a greater one is a date (B13); without one the
// message's own end counts. Zero: nobody knows.
func (a *account) expires(expireAt int64) time.Time {
	switch {
	case a.expiration == nil && expireAt <= 0:
		return time.Time{}
	case a.expiration == nil:
		return time.UnixMilli(expireAt)
	case *a.expiration < 1e9:
		return a.p.o.Now().Add(time.Duration(*a.expiration) * time.Second)
	default:
		return time.Unix(*a.expiration, 0)
	}
}

// enter takes a place among the requests of the connection and of the
// process; leave it.
func (a *account) enter(ctx context.Context) error {
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case a.p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-a.slots
		return ctx.Err()
	}
}

func (a *account) leave() {
	<-a.p.slots
	<-a.slots
}

// connection returns the current link, one user more.
func (a *account) connection() (*link, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, ErrClosed
	}
	if old := a.current; old != nil && old.over() { // its users close it
		old.retired, a.current = true, nil
		if old.users == 0 {
			old.close()
		}
	}
	if a.current == nil {
		a.current = a.newLink()
	}
	a.current.users++
	return a.current, nil
}

// drop leaves a link; the last one to leave a retired link closes it.
func (a *account) drop(l *link) {
	a.mu.Lock()
	l.users--
	last := l.retired && l.users == 0
	a.mu.Unlock()
	if last {
		l.close()
	}
}

// replace makes the next request open a new connection, unless somebody else
// has replaced l already. What is under way on l may still end well.
func (a *account) replace(l *link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == l {
		a.current = nil
		l.retired = true // whoever calls is a user of l and closes it with drop
	}
}

// close ends the connection; nobody uses the account any more.
func (a *account) close() {
	a.mu.Lock()
	l := a.current
	a.current, a.closed = nil, true
	a.mu.Unlock()
	if l != nil {
		l.close()
	}
}

// A provider token that APNs calls stale is signed anew, so often at most in
// renewWindow: more often means that this machine's clock is wrong, and APNs
// punishes it (TooManyProviderTokenUpdates).
const (
	renewMax    = 3
	renewWindow = 10 * time.Minute
)

// renew signs a new provider token in place of the stale one; false when
// that was done too often.
func (a *account) renew(stale string) bool {
	if a.token == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token.Lock()
	defer a.token.Unlock()
	if a.token.Bearer != stale {
		return true // another request was faster
	}
	now := a.p.o.Now()
	for len(a.renewals) > 0 && now.Sub(a.renewals[0]).Abs() > renewWindow { // also after a jump of the clock
		a.renewals = a.renewals[1:]
	}
	if len(a.renewals) >= renewMax {
		return false
	}
	if ok, err := a.token.Generate(); err != nil || !ok {
		return false
	}
	a.renewals = append(a.renewals, now)
	return true
}

// After blockAfter connections without an answer nobody tries to reach the
// gateway for a while, so that a dead one does not hold up the worker.
const (
	blockAfter = 5
	blockMin   = time.Second
	blockMax   = 15 * time.Second
)

// blockedFor says how long nobody is to try, and why.
func (a *account) blockedFor() (time.Duration, string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dials < blockAfter {
		return 0, ""
	}
	return time.Until(a.blocked), a.problem
}

// dialled counts an attempt to reach the gateway.
func (a *account) dialled() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dials++
}

// unreachable notes that a connection failed.
func (a *account) unreachable(problem string) {
	a.mu.Lock()
	a.problem = problem
	now := time.Now() // monotonic: no jump of the clock can block for long
	fresh := a.dials >= blockAfter && now.After(a.blocked)
	if fresh {
		a.block = min(max(2*a.block, blockMin), blockMax)
		a.blocked = now.Add(a.block)
	}
	a.mu.Unlock()
	if fresh {
		a.p.o.OnError(a.key.namespace, a.key.profile, fmt.Errorf("push gateway cannot be reached: %s", problem))
	}
}

// reached notes any answer of the gateway.
func (a *account) reached() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dials, a.block = 0, 0
}
