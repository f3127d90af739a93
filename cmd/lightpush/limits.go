package main

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/query"
	"github.com/lightpush/lightpush/connector/session"
	"github.com/lightpush/lightpush/internal/address"
	"github.com/lightpush/lightpush/internal/config"
	"github.com/lightpush/lightpush/internal/limits"
	"github.com/lightpush/lightpush/internal/namespace"
)

// Codes of handshakes that are refused by a limit; the numbers stay the same.
const (
	codeNodeFull      = 1301
	codeAddressFull   = 1302
	codeHandshakeRate = 1303
)

// addressesMax bounds the addresses whose handshakes are timed.
const addressesMax = 100_000

// handshakeBurst is for how many seconds the handshakes of an address may come
// at once.
const handshakeBurst = 5

// door refuses handshakes before the engine sees them: of addresses that have
// too many connections or come too fast, and of everybody while the node is
// full. It costs an address that has connections about 60 bytes, a client
// nothing.
type door struct {
	limits  atomic.Pointer[doorLimits]
	proxies []netip.Prefix
	open    *limits.Counts[netip.Addr] // connections by address
	rates   *limits.Rates[netip.Addr]
	len     func() int // connections of this node
	refused func(limit string)
}

// doorLimits may change at run time; 0 is none.
type doorLimits struct{ node, address, rate int }

func newDoor(cfg config.Config, refused func(string)) *door {
	d := &door{
		proxies: cfg.TrustedProxies, refused: refused,
		open: limits.NewCounts[netip.Addr](), rates: limits.NewRates[netip.Addr](addressesMax, nil),
	}
	d.set(cfg)
	return d
}

// set takes the limits of a configuration.
func (d *door) set(cfg config.Config) {
	d.limits.Store(&doorLimits{node: cfg.ConnectionsPerNode, address: cfg.ConnectionsPerAddress, rate: cfg.HandshakesPerSecond})
}

// before returns next behind the door.
func (d *door) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if begins(r) {
			if code, text, wait := d.judge(r); code != 0 {
				turnAway(w, code, text, wait)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// begins reports whether a request asks for a new session, judging the query
// as the engine does: the last of several values counts.
func begins(r *http.Request) bool {
	id, _ := query.Last(r.URL.RawQuery, "sid")
	return r.Method == http.MethodGet && id == ""
}

// judge returns the code of a refusal, 0 for none.
func (d *door) judge(r *http.Request) (code int, text string, wait time.Duration) {
	l := d.limits.Load()
	if l.node > 0 && d.len() >= l.node {
		d.refused("connections_per_node")
		return codeNodeFull, "too many connections on this node", 5 * time.Second
	}
	a := d.key(r.RemoteAddr, r.Header.Values("X-Forwarded-For"))
	switch {
	case !a.IsValid():
		return 0, "", 0
	case l.address > 0 && d.open.Of(a) >= l.address:
		d.refused("connections_per_address")
		return codeAddressFull, "too many connections from this address", 5 * time.Second
	}
	if wait, ok := d.rates.Take(a, l.rate, handshakeBurst*l.rate); !ok {
		d.refused("handshakes_per_second")
		return codeHandshakeRate, "too many handshakes from this address", wait
	}
	return 0, "", 0
}

// key is what a client's address is counted under; invalid for this machine
// and for proxies that say nothing about their clients, which may stand for
// everybody.
func (d *door) key(remote string, forwarded []string) netip.Addr {
	a := address.Client(remote, forwarded, d.proxies)
	if !a.IsValid() || a.Unmap().IsLoopback() {
		return netip.Addr{}
	}
	for _, p := range d.proxies {
		if p.Contains(a.Unmap()) {
			return netip.Addr{}
		}
	}
	return limits.Network(a)
}

func (d *door) opened(s *engineio.Session) {
	r := s.Request()
	if a := d.key(r.RemoteAddr, r.Header.Values("X-Forwarded-For")); a.IsValid() {
		d.open.Add(a)
	}
}

func (d *door) closed(s *engineio.Session) {
	r := s.Request()
	if a := d.key(r.RemoteAddr, r.Header.Values("X-Forwarded-For")); a.IsValid() {
		d.open.Done(a)
	}
}

// turnAway answers a handshake: 503 when the node is full, so that a balancer
// tries another, else 429.
func turnAway(w http.ResponseWriter, code int, text string, wait time.Duration) {
	status := http.StatusTooManyRequests
	if code == codeNodeFull {
		status = http.StatusServiceUnavailable
	}
	body, _ := json.Marshal(struct { // a number and a text always marshal
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{code, text})
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Connection", "close")
	h.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// ceilings are the limits of the hub.
func ceilings(cfg config.Config) session.Ceilings {
	return session.Ceilings{PerUser: cfg.ConnectionsPerUser, PerNamespace: cfg.ConnectionsPerNamespace, Events: cfg.EventsPerSecond}
}

// configuredLimits are the limits that those of namespaces are held against.
func configuredLimits(cfg config.Config) namespace.Limits {
	hours := func(d time.Duration) int { return int((d + time.Hour - 1) / time.Hour) }
	return namespace.Limits{
		Connections: cfg.ConnectionsPerNamespace, ConnectionsPerUser: cfg.ConnectionsPerUser,
		EventsPerSecond: cfg.EventsPerSecond, RoomsPerClient: cfg.ClientRoomsMax,
		DefaultExpire: hours(cfg.PushMessageExpire), MaxExpire: hours(cfg.PushMessageMaxExpire),
		InboxMax: cfg.AndroidUnreadMessageListMaxLimit, HistoryMax: cfg.PushMessageListMaxLimit,
		ClientExpire: hours(cfg.ClientLegacyExpire),
	}
}
