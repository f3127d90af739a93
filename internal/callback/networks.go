package callback

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// errNetwork is the failure of a call to an address that may not be called.
var errNetwork = errors.New("callbacks to this address are not allowed")

// dialer connects to addresses in allow (all when it is empty) that are not in
// deny. It judges the address it is about to connect to, so that no name can
// hide one, neither that of a redirect nor one that resolves differently the
// second time (B60).
func dialer(allow, deny []netip.Prefix) *net.Dialer {
	return &net.Dialer{
		Timeout: 30 * time.Second, KeepAlive: 30 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !allowed(to.Addr(), allow, deny) {
				return errNetwork
			}
			return nil
		},
	}
}

func allowed(to netip.Addr, allow, deny []netip.Prefix) bool {
	to = to.Unmap().WithZone("")
	holds := func(p netip.Prefix) bool { return p.Contains(to) }
	return (len(allow) == 0 || slices.ContainsFunc(allow, holds)) && !slices.ContainsFunc(deny, holds)
}
