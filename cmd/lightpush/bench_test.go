package main

import (
	"testing"

	"github.com/lightpush/lightpush/internal/metrics"
)

// BenchmarkEngineMetrics is what the metrics cost with every packet.
func BenchmarkEngineMetrics(b *testing.B) {
	m := newEngineMetrics(metrics.New(), nil, nil)
	b.Run("sent", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Sent(1, 200)
		}
	})
	b.Run("received", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Received(1, 40)
		}
	})
}
