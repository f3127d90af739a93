// Package address tells who a request comes from when proxies may stand in
// between.
//
// It imports nothing of the project.
package address

import (
	"net/netip"
	"strings"
)

// hopsMax bounds how many entries of X-Forwarded-For are looked at.
const hopsMax = 32

// Client is the address of the client of a request from remote ("host:port").
// Only a trusted proxy is believed: forwarded, its X-Forwarded-For headers,
// is read from the right, past other trusted proxies, to the first address
// that nobody trusted vouches for. The result is invalid when remote is.
func Client(remote string, forwarded []string, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	client := plain(peer.Addr())
	if !within(trusted, client) {
		return client
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0 && len(hops)-i <= hopsMax; i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			break
		}
		if client = hop; !within(trusted, client) {
			break
		}
	}
	return client
}

// parseHop reads an address, with or without a port.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if address, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return plain(address), true
	}
	port, err := netip.ParseAddrPort(s)
	return plain(port.Addr()), err == nil
}

func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func within(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
