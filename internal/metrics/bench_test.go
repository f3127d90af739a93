package metrics

import "testing"

// BenchmarkObserve is one figure of each kind, reported the way the hot paths
// do it.
func BenchmarkObserve(b *testing.B) {
	s := New()
	out := s.Packets.WithLabelValues("out")
	s.Requests.WithLabelValues("/api/auth/push", "200").Inc()
	s.RequestSeconds.WithLabelValues("/api/auth/push").Observe(0.001)
	for _, bm := range []struct {
		name    string
		observe func()
	}{
		{"counter", func() { out.Add(3) }},
		{"counter by label", func() { s.Packets.WithLabelValues("out").Add(3) }},
		{"counter by two labels", func() { s.Requests.WithLabelValues("/api/auth/push", "200").Inc() }},
		{"histogram", func() { s.CommitSeconds.Observe(0.001) }},
		{"histogram by label", func() { s.RequestSeconds.WithLabelValues("/api/auth/push").Observe(0.001) }},
	} {
		b.Run(bm.name, func(b *testing.B) {
			bm.observe()
			b.ReportAllocs()
			for b.Loop() {
				bm.observe()
			}
		})
	}
}
