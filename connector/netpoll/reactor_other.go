//go:build !linux

package netpoll

func newNative(o Options) (Poller, error) { return NewGoroutines(o), nil }

// Prefetch is of use to reactors only.
func Prefetch([]Conn) int { return 0 }

func prefetch([]Deferrer) int { return 0 }
