package simulator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrCannotRun is wrapped by everything that keeps a run from beginning.
var ErrCannotRun = errors.New("cannot run")

func cannot(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCannotRun, fmt.Errorf(format, args...))
}

const preflightTimeout = 10 * time.Second

// resolve finds the address of a URL.
func resolve(ctx context.Context, text string) (netip.AddrPort, *url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return netip.AddrPort{}, nil, err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, nil, fmt.Errorf("port %q", port)
	}
	ctx, cancel := context.WithTimeout(ctx, preflightTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return netip.AddrPort{}, nil, err
	}
	best := addrs[0].Unmap()
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() {
			best = a
			break
		}
	}
	return netip.AddrPortFrom(best, uint16(n)), u, nil
}

// findTarget resolves the server and refuses what is not loopback unless remote is allowed.
func findTarget(ctx context.Context, cfg *Config, remote bool) (target, error) {
	addr, u, err := resolve(ctx, cfg.Server)
	if err != nil {
		return target{}, cannot("server %s: %w; is the name right?", cfg.Server, err)
	}
	t := target{addr: addr, host: u.Host}
	if u.Scheme == "https" {
		t.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	}
	for _, other := range []string{cfg.Server, cfg.PushServer, cfg.ServerMetrics} {
		if other == "" {
			continue
		}
		at, _, err := resolve(ctx, other)
		if err != nil {
			return target{}, cannot("%s: %w; is the name right?", other, err)
		}
		if !at.Addr().IsLoopback() && !remote {
			return target{}, cannot("%s (%s) is not this machine; --yes-remote says that you may load it", other, at.Addr())
		}
	}
	return t, nil
}

// limits are what the system allows this process.
type limits struct {
	files      uint64 // open at once; 0: unknown
	low, high  int    // local ports
	portsKnown bool
}

func readLimits() limits {
	l := limits{files: openFiles()}
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, err := fmt.Sscan(string(text), &l.low, &l.high)
		l.portsKnown = err == nil
	}
	return l
}

// portsUsable is the share of a port range that is surely free of what closed just now.
const portsUsable = 0.9

// setSources chooses the addresses clients come from, and refuses what the system cannot hold. clients are those of this
// process.
func (t *target) setSources(cfg *Config, l limits, clients int) error {
	perClient := 1 + (cfg.Transport.Of("polling") + cfg.Transport.Of("upgrade"))
	conns := int(float64(clients)*perClient + 0.999)
	if need := uint64(conns + cfg.PushSenders + 64); l.files > 0 && need > l.files {
		return cannot("too few open files: %d clients need %d, this process may have %d; raise it (ulimit -n %d), take fewer clients, or share them with --coordinator and --join",
			clients, need, l.files, need)
	}
	if !l.portsKnown {
		return nil
	}
	per := int(float64(l.high-l.low+1) * portsUsable)
	if !t.addr.Addr().IsLoopback() || !t.addr.Addr().Is4() {
		if conns > per {
			return cannot("too few local ports: %d connections to one address, the range %d–%d holds about %d; widen it (sysctl net.ipv4.ip_local_port_range=\"1024 65535\"), or take several machines with --coordinator and --join",
				conns, l.low, l.high, per)
		}
		return nil
	}
	n := cfg.SourceAddress
	if n == 0 {
		n = conns/per + 1
	}
	if conns > n*per {
		return cannot("too few local ports: %d connections from %d source address(es) with about %d ports each; raise source_addresses or widen net.ipv4.ip_local_port_range", conns, n, per)
	}
	if n > 200 {
		return cannot("%d connections need %d source addresses, at most 200 are used", conns, n)
	}
	for i := range n {
		t.sources = append(t.sources, netip.AddrFrom4([4]byte{127, 0, 0, byte(2 + i)}))
	}
	return nil
}

// checkServer finds out whether Socket.IO answers where it should. It leaves no session behind: it asks for a transport
// that does not exist, which every Socket.IO server refuses in the same words.
func checkServer(ctx context.Context, cfg *Config, t target) error {
	ctx, cancel := context.WithTimeout(ctx, preflightTimeout)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: t.tls, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(cfg.Server, "/")+cfg.Path+"?EIO=4&transport=none", nil)
	if err != nil {
		return cannot("server %s: %w", cfg.Server, err)
	}
	res, err := transport.RoundTrip(req)
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return cannot("no free local port to reach %s: the range is full (connections in TIME_WAIT count); wait a minute, or widen net.ipv4.ip_local_port_range", cfg.Server)
	case errors.Is(err, syscall.ECONNREFUSED):
		return cannot("nobody listens at %s: is the server started, and are host and port of server right?", cfg.Server)
	case err != nil:
		return cannot("%s does not answer: %w; is the address right?", cfg.Server, err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 2000)) // only to be looked at
	if res.StatusCode == http.StatusBadRequest && strings.Contains(string(body), `"code":0`) {
		return nil
	}
	return cannot("%s answers HTTP %d under %s, which is not Socket.IO: is push_option_path right? Behind nginx it is often /push/socket.io/",
		cfg.Server, res.StatusCode, cfg.Path)
}

// checkPush tries the credential.
func checkPush(ctx context.Context, cfg *Config, a *api) error {
	ctx, cancel := context.WithTimeout(ctx, preflightTimeout)
	defer cancel()
	status, body, err := a.call(ctx, http.MethodPost, "/api/auth/login", []byte("{}"))
	switch {
	case err != nil:
		return cannot("REST API %s does not answer: %w; is push_server right?", a.base, err)
	case status == http.StatusNotFound:
		return cannot("%s has no REST API (HTTP 404): set push_server to the logic process; behind nginx with its prefix, such as /push-logic", a.base)
	case status != http.StatusOK:
		return cannot("REST API %s refuses namespace %s with the given push_password: HTTP %d %s", a.base, cfg.Namespace, status, clip(strings.TrimSpace(string(body))))
	}
	return nil
}

// checkNamespace lets the first device connect once, as it will in the run.
func checkNamespace(ctx context.Context, p *plan, t target, device int32) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ConnectTimeout+preflightTimeout)
	defer cancel()
	c, err := newCrew(p, t, newJournal(p.streams()), device, 1, 1)
	if err != nil {
		return cannot("%w", err)
	}
	defer c.stop()
	c.begin(0)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		now := c.tally()
		if now.Connects > 0 {
			c.shards[0].do(func() { c.shards[0].clients[0].leave() })
			return nil
		}
		for why := range now.Failures {
			return cannot("the first client (%s) is not let in to %s: %s%s", p.uuid(device), p.cfg.Namespace, why, hint(why))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return cannot("the first client: %w", ctx.Err())
		}
	}
}

// hint is what to do about a failure of the first client.
func hint(why string) string {
	switch {
	case strings.Contains(why, "not found"), strings.Contains(why, "Invalid namespace"):
		return "; create the namespace in the console, or set client_namespace to one there is"
	case strings.Contains(why, "namespace offline"):
		return "; switch it on in the console"
	case strings.Contains(why, "uuid"):
		return "; change client_uuid_prefix"
	case strings.Contains(why, "room"):
		return "; check public_room and join_room_rule against the server's limits (client_rooms_max)"
	case strings.Contains(why, "statusCode"):
		return "; the connect_callback of the namespace says no"
	}
	return ""
}
