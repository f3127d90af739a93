//go:build !linux

package netpoll

func newNative(o Options) (Poller, error) { return NewGoroutines(o), nil }
