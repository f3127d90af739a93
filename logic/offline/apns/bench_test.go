package apns

import (
	"fmt"
	"testing"

	"github.com/lightpush/lightpush/logic/offline/provider"
	"github.com/lightpush/lightpush/test/apnsgateway"
)

// BenchmarkSend is the throughput of one worker process against a gateway in
// the same process, which therefore pays for both ends of TLS and HTTP/2:
//
//	go test -run '^$' -bench Send -benchtime 30000x ./logic/offline/apns
func BenchmarkSend(b *testing.B) {
	for _, chunk := range []int{100, 500} {
		for _, auth := range []string{"token", "certificate"} {
			b.Run(fmt.Sprintf("%s/chunk=%d", auth, chunk), func(b *testing.B) {
				bench := newBench(b, Options{}, apnsgateway.Options{Forget: true})
				name := ""
				if auth == "certificate" {
					name = "cert"
				}
				s := bench.open(b, "/demo", name)
				batch := devices(chunk, `{"aps":{"alert":{"title":"News","body":"Something has happened"},"badge":1,"sound":"default"},"id":123456}`)
				if r := s.Send(b.Context(), batch[:1])[0]; r.Outcome != provider.Sent {
					b.Fatalf("%+v", r)
				}
				b.ReportAllocs()
				b.ResetTimer()
				for sent := 0; sent < b.N; sent += chunk {
					for _, r := range s.Send(b.Context(), batch[:min(chunk, b.N-sent)]) {
						if r.Outcome != provider.Sent {
							b.Fatalf("%+v", r)
						}
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "notifications/s")
			})
		}
	}
}
