package relay

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The benchmarks run client, both servers and all in one process, so the cost of the relay is the difference.
//
//	go test ./connector/relay -run - -bench .

func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkPost is a POST of a session: to its own server, and by way of another one.
func BenchmarkPost(b *testing.B) {
	for _, name := range []string{"direct", "relayed"} {
		b.Run(name, func(b *testing.B) {
			a, owner := benchPair(b)
			target := owner
			if name == "relayed" {
				target = a
			}
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
			defer client.CloseIdleConnections()
			url := "http://" + target.addr + "/socket.io/?transport=polling&sid=" + NewID(owner.tag)()
			before := cpu(b)
			for b.Loop() {
				res, err := client.Post(url, "text/plain", strings.NewReader("42[\"event\"]"))
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

type benchServer struct {
	tag, addr string
	relay     *Relay
}

type twoServers map[string]string

func benchPair(b *testing.B) (a, owner *benchServer) {
	addresses := twoServers{}
	var servers []*benchServer
	for _, name := range []string{"a", "owner"} {
		s := &benchServer{tag: Tag(testSecret, name)}
		var err error
		s.relay, err = New(Options{
			Secret: testSecret, Tag: s.tag, Directory: addresses,
			Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(w, "ok")
			}),
		})
		if err != nil {
			b.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		server := &http.Server{Handler: s.relay}
		go func() { _ = server.Serve(l) }()
		s.addr = l.Addr().String()
		addresses[s.tag] = s.addr
		b.Cleanup(func() {
			_ = server.Close()
			s.relay.Close()
		})
		servers = append(servers, s)
	}
	return servers[0], servers[1]
}

// Lookup implements Directory.
func (t twoServers) Lookup(_ context.Context, tag string) Owner { return Owner{Address: t[tag]} }

// Renew implements Directory.
func (t twoServers) Renew(_ context.Context, tag string) Owner { return Owner{Address: t[tag]} }

// Failed implements Directory.
func (t twoServers) Failed(string, string) {}
