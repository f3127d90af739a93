package limits

import (
	"net/netip"
	"testing"
	"time"
)

// BenchmarkBudget is one token of a client.
func BenchmarkBudget(b *testing.B) {
	var budget Budget
	start := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		budget.Take(time.Since(start), 1_000_000, 5_000_000)
	}
}

// BenchmarkRates is one token of a caller the limiter knows already.
func BenchmarkRates(b *testing.B) {
	r := NewRates[netip.Addr](1000, nil)
	address := netip.MustParseAddr("2001:db8::1:2:3:4")
	r.Take(Network(address), 1_000_000, 5_000_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := r.Take(Network(address), 1_000_000, 5_000_000); !ok {
			b.Fatal("refused")
		}
	}
}

// BenchmarkCounts is a connection that is counted and done.
func BenchmarkCounts(b *testing.B) {
	c := NewCounts[netip.Addr]()
	address := netip.MustParseAddr("192.0.2.1")
	c.Add(address)
	b.ReportAllocs()
	for b.Loop() {
		c.Add(address)
		c.Done(address)
	}
}
