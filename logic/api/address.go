package api

import (
	"net/http"
	"net/netip"
	"strings"
)

// hopsMax bounds how many entries of X-Forwarded-For are looked at.
const hopsMax = 32

// clientAddress is who the request comes from. Only a trusted proxy is
// believed: its X-Forwarded-For is read from the right, past other trusted
// proxies, to the first address nobody trusted vouches for.
func (a *API) clientAddress(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	address := peer.Addr().Unmap().WithZone("")
	if !a.trusted(address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && len(hops)-i <= hopsMax; i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			break
		}
		if address = hop; !a.trusted(address) {
			break
		}
	}
	return address
}

// parseHop reads an address, with or without a port.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	address, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		port, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		address = port.Addr()
	}
	return address.Unmap().WithZone(""), true
}

func (a *API) trusted(address netip.Addr) bool {
	for _, prefix := range a.o.TrustedProxies {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}
