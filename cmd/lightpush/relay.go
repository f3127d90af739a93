package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
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
	secret       []byte
	tag, address string
}

// planRelay returns nil when this node does not take part.
func planRelay(ctx context.Context, b *backend, nodeID string, listen net.Addr) (*relayPlan, error) {
	if b.embedded != nil || b.cfg.NodeAddress == config.NodeAddressOff || b.cfg.TLSCert != "" { // nodes speak plain HTTP to each other
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
	return &relayPlan{secret: []byte(secret), tag: relay.Tag([]byte(secret), nodeID), address: address}, nil
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
	byTag  map[string]string // replaced, never changed
	asked  time.Time
	asking chan struct{} // closed at the end of the read under way; nil: none
}

const (
	directoryStale = 2 * time.Second        // older answers are read anew
	directoryPause = 500 * time.Millisecond // between two reads, whoever asks
)

// Lookup implements relay.Directory.
func (d *directory) Lookup(ctx context.Context, tag string) string {
	address, known, asking := d.look(tag)
	if known || asking == nil {
		return address
	}
	select {
	case <-asking:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.byTag[tag]
}

func (d *directory) look(tag string) (address string, known bool, asking <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	address, known = d.byTag[tag]
	age := d.now().Sub(d.asked)
	if d.asking == nil && (age > directoryStale || !known && age > directoryPause) {
		d.asking = make(chan struct{})
		go d.refresh(d.asking) // ends with the store's time-out
	}
	return address, known, d.asking
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
	byTag := make(map[string]string, len(addresses))
	for node, address := range addresses {
		byTag[relay.Tag(d.secret, node)] = address
	}
	d.byTag = byTag
}

// Failed implements relay.Directory: the next to ask for the node makes the
// directory look whether it still lives.
func (d *directory) Failed(tag, address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byTag[tag] == address {
		d.asked = time.Time{}
	}
}
