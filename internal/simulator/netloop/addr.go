package netloop

import "net/netip"

func netipPort(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, 0) }
