package netpoll

import (
	"io"
	"testing"
)

// echoer answers what it gets.
type echoer struct{ c Conn }

func (e *echoer) OnData(p []byte) error { return e.c.Write(append([]byte(nil), p...)) }
func (e *echoer) OnClose(error)         {}

// BenchmarkRoundTrip is the latency of one small message to a Handler and back, on idle processors.
func BenchmarkRoundTrip(b *testing.B) {
	for _, portable := range []bool{false, true} {
		name := map[bool]string{false: "native", true: "portable"}[portable]
		b.Run(name, func(b *testing.B) {
			p, err := New(Options{Portable: portable})
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			server, client := tcpPair(b)
			h := new(echoer)
			if h.c, err = p.Attach(server, nil, h); err != nil {
				b.Fatal(err)
			}
			h.c.Resume()
			buf := make([]byte, 100)
			for b.Loop() {
				if _, err := client.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(client, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
