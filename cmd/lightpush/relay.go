package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/lightpush/lightpush/connector/gate"
	"github.com/lightpush/lightpush/connector/relay"
	"github.com/lightpush/lightpush/internal/config"
)

// entrance is what stands in front of the engine of a connector: requests for
// sessions of other nodes go there, and no more handshakes get in than may.
type entrance struct {
	handler http.Handler
	gate    *gate.Gate
	relay   *relay.Relay // nil when node_address is off, or there are no others
}

// relayPlan is how this node takes part in relaying: its session ids begin
// with tag, and other nodes find it at address.
type relayPlan struct {
	secret      []byte
	tag         string
	address     string
	certificate *certificate // nil without TLS
}

// advertised is what other nodes are told.
func (p *relayPlan) advertised() string {
	var pins []relay.Pin
	if p.certificate != nil {
		pins = p.certificate.pins()
	}
	return writeOwner(relay.Owner{Address: p.address, Pins: pins})
}

// securely begins the address of a node that serves TLS. Versions that do not
// know of that cannot dial it, and find no such node.
const securely = "https://"

// writeOwner is the address alone or, with TLS, https://host:port#<pin>,<pin>.
func writeOwner(o relay.Owner) string {
	if len(o.Pins) == 0 {
		return o.Address
	}
	pins := make([]string, len(o.Pins))
	for i, p := range o.Pins {
		pins[i] = p.String()
	}
	return securely + o.Address + "#" + strings.Join(pins, ",")
}

// parseOwner reads writeOwner's form.
func parseOwner(text string) (o relay.Owner, ok bool) {
	rest, secured := strings.CutPrefix(text, securely)
	if !secured {
		return relay.Owner{Address: text}, text != "" && !strings.Contains(text, "/")
	}
	address, pins, _ := strings.Cut(rest, "#")
	o.Address = address
	for text := range strings.SplitSeq(pins, ",") {
		if pin, ok := relay.ParsePin(text); ok { // others may be of later versions
			o.Pins = append(o.Pins, pin)
		}
	}
	return o, address != "" && len(o.Pins) > 0 // never without TLS then
}

// planRelay returns nil when this node does not take part.
func planRelay(ctx context.Context, b *backend, nodeID string, listen net.Addr, certificate *certificate) (*relayPlan, error) {
	if b.embedded != nil || b.cfg.NodeAddress == config.NodeAddressOff {
		return nil, nil
	}
	secret := b.cfg.ClusterSecret.Reveal()
	if secret == "" {
		var fresh [32]byte
		_, _ = rand.Read(fresh[:]) // never fails (crypto/rand)
		var err error
		if secret, err = b.store.ClusterSecret(ctx, hex.EncodeToString(fresh[:])); err != nil {
			return nil, err
		}
	}
	address := b.cfg.NodeAddress
	if address == "" {
		var err error
		if address, err = nodeAddress(listen, net.InterfaceAddrs); err != nil {
			return nil, err
		}
	}
	return &relayPlan{secret: []byte(secret), tag: relay.Tag([]byte(secret), nodeID), address: address, certificate: certificate}, nil
}

// advertise publishes the plan with every heartbeat of the node, and a new key
// of its certificate before anybody is shown it.
func (p *relayPlan) advertise(b *backend, nodeID string) {
	b.store.Advertise(nodeID, p.advertised)
	if p.certificate == nil {
		return
	}
	p.certificate.beforeChange(func() {
		ctx, cancel := context.WithTimeout(context.Background(), b.cfg.RedisTimeout)
		defer cancel()
		if err := b.store.AdvertiseNow(ctx, nodeID); err != nil { // the next heartbeat will
			b.log.Warn().Err(err).Msg("tell other nodes of the new certificate")
		}
	})
}

// nodeAddress is where other nodes reach a process that listens on listen: the
// address itself or, when that is every address, one of this machine's, not
// of loopback where there is another.
func nodeAddress(listen net.Addr, interfaces func() ([]net.Addr, error)) (string, error) {
	own, err := netip.ParseAddrPort(listen.String())
	if err != nil {
		return "", fmt.Errorf("node_address: %w", err)
	}
	port := own.Port()
	if !own.Addr().IsUnspecified() {
		return own.String(), nil
	}
	list, err := interfaces()
	if err != nil {
		return "", fmt.Errorf("node_address: %w", err)
	}
	best := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	rank := 0
	for _, a := range list {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		ip := prefix.Addr().Unmap()
		if r := rankAddress(ip); r > rank {
			best, rank = netip.AddrPortFrom(ip, port), r
		}
	}
	return best.String(), nil
}

// rankAddress prefers private IPv4 addresses: nodes talk inside a data centre.
func rankAddress(ip netip.Addr) int {
	switch {
	case ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast():
		return 0
	case ip.Is4() && ip.IsPrivate():
		return 4
	case ip.Is4():
		return 3
	case ip.IsPrivate():
		return 2
	}
	return 1
}

// newEntrance puts relay and gate in front of engine; plan may be nil.
func newEntrance(b *backend, plan *relayPlan, engine http.Handler) (*entrance, error) {
	e := &entrance{gate: gate.New(gate.Options{
		Next: engine, Rate: b.cfg.AcceptRate,
		Refused: func(r gate.Reason) { b.metrics.HandshakesRefused.WithLabelValues(string(r)).Inc() },
	})}
	e.handler = e.gate
	if plan == nil {
		return e, nil
	}
	var err error
	e.relay, err = relay.New(relay.Options{
		Secret: plan.secret, Tag: plan.tag, Next: e.gate, Max: b.cfg.RelayMax,
		Directory: &directory{
			secret: plan.secret, read: b.store.Addresses, now: time.Now,
			onError: func(err error) { b.log.Warn().Err(err).Msg("addresses of other nodes") },
		},
		// A GET is held until the next heartbeat at most; the rest is for the way.
		HoldTimeout: b.cfg.PingInterval + b.cfg.PingTimeout + 10*time.Second,
		Observe: func(k relay.Kind, o relay.Outcome) {
			b.metrics.Relayed.WithLabelValues(string(k), string(o)).Inc()
		},
		Refused: b.metrics.RelayRefused.Inc,
	})
	if err != nil {
		return nil, err
	}
	e.handler = e.relay
	return e, nil
}

// directory knows the nodes by their tags. It asks the store when a tag is
// unknown, and in the background when it has not asked for a while, so that a
// store that is away leaves the nodes known that were.
type directory struct {
	secret  []byte
	read    func(context.Context) (map[string]string, error)
	now     func() time.Time
	onError func(error)

	mu     sync.Mutex
	byTag  map[string]relay.Owner // replaced, never changed
	asked  time.Time
	asking chan struct{} // closed at the end of the read under way; nil: none
}

const (
	directoryStale = 2 * time.Second        // older answers are read anew
	directoryPause = 500 * time.Millisecond // between two reads, whoever asks
)

// Lookup implements relay.Directory.
func (d *directory) Lookup(ctx context.Context, tag string) relay.Owner {
	owner, known, asking := d.look(tag)
	if known || asking == nil {
		return owner
	}
	select {
	case <-asking:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.byTag[tag]
}

// Renew implements relay.Directory. A read that is under way may have begun
// too early.
func (d *directory) Renew(ctx context.Context, tag string) relay.Owner {
	for fresh := false; !fresh; {
		d.mu.Lock()
		if fresh = d.asking == nil; fresh {
			d.asking = make(chan struct{})
			go d.refresh(d.asking) // ends with the store's time-out
		}
		asking := d.asking
		d.mu.Unlock()
		select {
		case <-asking:
		case <-ctx.Done():
			return relay.Owner{}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.byTag[tag]
}

func (d *directory) look(tag string) (owner relay.Owner, known bool, asking <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	owner, known = d.byTag[tag]
	age := d.now().Sub(d.asked)
	if d.asking == nil && (age > directoryStale || !known && age > directoryPause) {
		d.asking = make(chan struct{})
		go d.refresh(d.asking) // ends with the store's time-out
	}
	return owner, known, d.asking
}

func (d *directory) refresh(done chan struct{}) {
	addresses, err := d.read(context.Background())
	d.mu.Lock()
	defer d.mu.Unlock()
	defer close(done)
	d.asked, d.asking = d.now(), nil
	if err != nil {
		d.onError(err)
		return
	}
	byTag := make(map[string]relay.Owner, len(addresses))
	for node, address := range addresses {
		if owner, ok := parseOwner(address); ok {
			byTag[relay.Tag(d.secret, node)] = owner
		}
	}
	d.byTag = byTag
}

// Failed implements relay.Directory: the next to ask for the node makes the
// directory look whether it still lives.
func (d *directory) Failed(tag, address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byTag[tag].Address == address {
		d.asked = time.Time{}
	}
}
