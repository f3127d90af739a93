package simulator

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/simulator/simtest"
)

// startServer runs a server with faults until the end of the test.
func startServer(t *testing.T, f simtest.Faults) *simtest.Server {
	t.Helper()
	s, err := simtest.Start(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// small is a run against a server that ends quickly.
func small(s *simtest.Server) Config {
	c := Default()
	c.Server, c.Namespace, c.PushPassword = s.URL, simtest.Namespace, simtest.Password
	c.Total, c.ConnectInterval = 12, 0
	c.Protocol = Mix{{"3", 1}, {"4", 1}}
	c.Rules = []Rule{{"r", 4, 2}}
	c.PushRate, c.PushMax, c.PushSenders = 2000, 400, 4
	c.PushTarget = Mix{{"room", 3}, {"user", 1}}
	c.Duration, c.Drain, c.ConnectTimeout, c.ReconnectDelay = 20*time.Second, 3*time.Second, 10*time.Second, 20*time.Millisecond
	return c
}

func mustRun(t *testing.T, c Config) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	r, err := Run(ctx, c, Options{Progress: &Progress{Out: &out, Every: time.Millisecond}, patience: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "clients 12/12") {
		t.Errorf("the progress never shows all clients:\n%.2000s", out.String())
	}
	return r
}

const strict = "p99=10s,loss=0,dup=0,order=0,stray=0,drops=0,push_errors=0,ack_loss=0,connect=100%"

func TestGoodServer(t *testing.T) {
	s := startServer(t, simtest.Faults{})
	c := small(s)
	c.SLO, c.Report = strict, filepath.Join(t.TempDir(), "report.json")
	c.ServerPID = os.Getpid()
	r := mustRun(t, c)
	var table bytes.Buffer
	r.Print(&table)
	if r.Verdict != "ok" || r.Accepted != 400 || r.Lost != 0 || r.Delivered == 0 || r.AcksSent != r.Delivered || r.Samples == 0 || r.Got != r.GotServer {
		t.Errorf("verdict %s of\n%s", r.Verdict, table.String())
	}
	// Exactly what every member of every room must get, counted in another way: by the server.
	if r.Latency.Count != uint64(r.Delivered) || r.Connect.Count != 12 || r.Server == nil || r.Server.MemoryConnected == 0 {
		t.Errorf("figures: %+v", r)
	}
	if err := r.WriteFile(c.Report); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(c.Report)
	if err != nil || !bytes.Contains(text, []byte(`"verdict": "ok"`)) || bytes.Contains(text, []byte(simtest.Password)) {
		t.Errorf("report %s, %v", text, err)
	}
}

// TestBrokenServer: each fault is found, alone, and the first lost message is named.
func TestBrokenServer(t *testing.T) {
	for name, tt := range map[string]struct {
		faults simtest.Faults
		change func(*Config)
		missed string // the only objective that may be missed
		check  func(t *testing.T, s *simtest.Server, r *Report)
	}{
		"every 100th lost": {faults: simtest.Faults{LoseEvery: 100}, missed: "loss=0,ack_loss=0", check: func(t *testing.T, s *simtest.Server, r *Report) {
			if r.FirstLost == nil || r.FirstLost.ID != s.FirstLost() || r.FirstLost.Room == "" || !strings.HasPrefix(r.FirstLost.Device, "wid") {
				t.Errorf("first lost %+v, the server took %d", r.FirstLost, s.FirstLost())
			}
			var table bytes.Buffer
			r.Print(&table)
			if !strings.Contains(table.String(), "; the first: message 100, room ") {
				t.Errorf("not named in\n%s", table.String())
			}
		}},
		"every 1,000th lost, churn and storms": {faults: simtest.Faults{LoseEvery: 1000}, missed: "loss=0,ack_loss=0", change: func(c *Config) {
			c.PushMax, c.PushRate, c.Churn, c.StormInterval, c.StormShare = 3000, 1000, 0.2, time.Second, 0.3
			c.PushTarget = Mix{{"room", 1}}
			c.Rules = nil // one room, so that every loss has a message behind it
		}, check: func(t *testing.T, s *simtest.Server, r *Report) {
			if r.FirstLost == nil || r.FirstLost.ID%1000 != 0 || r.Left+r.Cut == 0 {
				t.Errorf("first lost %+v, left %d, cut %d", r.FirstLost, r.Left, r.Cut)
			}
		}},
		"nothing delivered": {faults: simtest.Faults{Silent: true}, change: func(c *Config) { c.Drain = time.Second }, missed: "p99=10s,loss=0,dup=0,order=0", check: func(t *testing.T, _ *simtest.Server, r *Report) {
			if r.Lost == 0 || r.Delivered != 0 || r.FirstLost == nil || r.FirstLost.ID != 1 {
				t.Errorf("lost %d, delivered %d, first %+v", r.Lost, r.Delivered, r.FirstLost)
			}
		}},
		"repeated": {faults: simtest.Faults{RepeatEvery: 50}, missed: "dup=0", check: func(t *testing.T, _ *simtest.Server, r *Report) {
			if r.FirstRepeated == nil || r.FirstRepeated.ID%50 != 0 || r.Lost != 0 {
				t.Errorf("first repeated %+v, lost %d", r.FirstRepeated, r.Lost)
			}
		}},
		"out of order": {faults: simtest.Faults{ReorderEvery: 40}, missed: "order=0,loss=0", change: func(c *Config) { c.Drain = 2 * time.Second },
			check: func(t *testing.T, _ *simtest.Server, r *Report) {
				if r.FirstReordered == nil || r.FirstReordered.ID%40 != 0 {
					t.Errorf("first out of order %+v", r.FirstReordered)
				}
			}},
		"acks dropped": {faults: simtest.Faults{DropAcks: true}, missed: "ack_loss=0", check: func(t *testing.T, _ *simtest.Server, r *Report) {
			if r.Acked == 0 || r.AckedServer != 0 {
				t.Errorf("acked %d, server %d", r.Acked, r.AckedServer)
			}
		}},
		"pushes refused": {faults: simtest.Faults{Reject: 10}, missed: "push_errors=0", check: func(t *testing.T, _ *simtest.Server, r *Report) {
			if r.Accepted != 360 || r.Lost != 0 || sum(r.PushFailures) != 40 {
				t.Errorf("accepted %d, lost %d, failures %v", r.Accepted, r.Lost, r.PushFailures)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, tt.faults)
			c := small(s)
			c.SLO = strict
			if tt.change != nil {
				tt.change(&c)
			}
			r := mustRun(t, c)
			if r.Verdict != "missed" {
				t.Errorf("verdict %s", r.Verdict)
			}
			first, _, _ := strings.Cut(tt.missed, ",")
			for _, f := range r.Findings {
				if !f.OK && !strings.Contains(tt.missed, f.Objective) || f.OK && f.Objective == first {
					t.Errorf("%s: %s, ok %v", f.Objective, f.Measured, f.OK)
				}
			}
			tt.check(t, s, r)
		})
	}
}

// TestCannotRun: what keeps a run from beginning is said before any load.
func TestCannotRun(t *testing.T) {
	good := startServer(t, simtest.Faults{})
	for name, tt := range map[string]struct {
		faults *simtest.Faults
		change func(*Config)
		want   string
	}{
		"nobody listens":   {change: func(c *Config) { c.Server = "http://127.0.0.1:1" }, want: "nobody listens at http://127.0.0.1:1"},
		"unknown name":     {change: func(c *Config) { c.Server = "http://no-such-host.invalid" }, want: "is the name right?"},
		"another path":     {change: func(c *Config) { c.Path = "/other/" }, want: "push_option_path"},
		"path in server":   {change: func(c *Config) { c.Server += "/push" }, want: "push_option_path, such as /push/socket.io/"},
		"remote":           {change: func(c *Config) { c.Server = "http://192.0.2.1:80" }, want: "--yes-remote"},
		"remote API":       {change: func(c *Config) { c.PushServer = "http://192.0.2.1:80" }, want: "--yes-remote"},
		"wrong password":   {change: func(c *Config) { c.PushPassword = "wrong" }, want: "HTTP 401 passwd error"},
		"no password":      {change: func(c *Config) { c.PushPassword = "" }, want: "push_password: missing"},
		"impossible rule":  {change: func(c *Config) { c.Rules = []Rule{{"r1", 5, 6}} }, want: "pick_count 6 of total 5"},
		"two prefixes":     {change: func(c *Config) { c.Rules = []Rule{{"r1", 5, 1}, {"r1", 5, 1}} }, want: "given twice"},
		"no room":          {change: func(c *Config) { c.Rules, c.PublicRoom = nil, "" }, want: "neither a public_room nor a join_room_rule"},
		"too many pushes":  {change: func(c *Config) { c.PushRate, c.Duration = 1e6, time.Hour }, want: "more than 20000000 pushes"},
		"wrong objective":  {change: func(c *Config) { c.SLO = "p98=1s" }, want: "no objective"},
		"wrong namespace":  {change: func(c *Config) { c.Namespace = "demo" }, want: "leading slash"},
		"no such process":  {change: func(c *Config) { c.ServerPID = 1 << 29 }, want: "measure the server"},
		"refused":          {faults: &simtest.Faults{Refuse: "this namespace not found"}, want: "refused: this namespace not found; create the namespace"},
		"no ack of a join": {faults: &simtest.Faults{DropJoinAcks: true}, change: func(c *Config) { c.ConnectTimeout = 200 * time.Millisecond }, want: "no ack of joinRoom"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			if tt.faults != nil {
				s = startServer(t, *tt.faults)
			}
			c := small(s)
			if tt.change != nil {
				tt.change(&c)
			}
			r, err := Run(t.Context(), c, Options{})
			if r != nil || !errors.Is(err, ErrCannotRun) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v; want %q", r, err, tt.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	local, remote := target{}, target{}
	local.addr, _, _ = resolve(t.Context(), "http://127.0.0.1:80")
	remote.addr, _, _ = resolve(t.Context(), "http://192.0.2.1:80")
	wide := limits{files: 1 << 20, low: 32768, high: 60999, portsKnown: true}
	for name, tt := range map[string]struct {
		target  target
		limits  limits
		clients int
		change  func(*Config)
		sources int
		want    string
	}{
		"few":               {local, wide, 100, nil, 1, ""},
		"three addresses":   {local, wide, 60_000, nil, 3, ""},
		"polling has two":   {local, wide, 30_000, func(c *Config) { c.Transport = Mix{{"polling", 1}} }, 3, ""},
		"one address given": {local, wide, 60_000, func(c *Config) { c.SourceAddress = 1 }, 0, "too few local ports"},
		"remote, full":      {remote, wide, 30_000, nil, 0, "too few local ports"},
		"remote, enough":    {remote, wide, 20_000, nil, 0, ""},
		"files":             {local, limits{files: 1024}, 1000, nil, 0, "too few open files: 1000 clients need 1072, this process may have 1024; raise it (ulimit -n 1072)"},
		"nothing known":     {local, limits{}, 1_000_000, nil, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := Default()
			if tt.change != nil {
				tt.change(&c)
			}
			err := tt.target.setSources(&c, tt.limits, tt.clients)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) || err == nil && len(tt.target.sources) != tt.sources {
				t.Errorf("got %v with %d sources; want %q with %d", err, len(tt.target.sources), tt.want, tt.sources)
			}
		})
	}
}

// TestDrops: a server that hangs up is found, and its clients come back.
func TestDrops(t *testing.T) {
	c := small(startServer(t, simtest.Faults{Hangup: true}))
	c.PushRate, c.Duration, c.Drain, c.SLO = 0, 500*time.Millisecond, time.Second, "drops=0"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := Run(ctx, c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != "missed" || r.Drops["closed by the server"] < 12 || r.Connects <= 12 {
		t.Errorf("verdict %s, drops %v, connects %d", r.Verdict, r.Drops, r.Connects)
	}
}

// TestInterrupt: the end of the context ends a run early, with its report.
func TestInterrupt(t *testing.T) {
	c := small(startServer(t, simtest.Faults{}))
	c.PushMax, c.PushRate, c.Duration, c.SLO = 0, 100, time.Hour, "loss=0"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := Run(ctx, c, Options{onPhase: func(phase string) {
		if phase == "run" {
			time.AfterFunc(300*time.Millisecond, cancel)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Delivered == 0 || r.Lost != 0 || r.Seconds > 30 {
		t.Errorf("interrupted %v, delivered %d, lost %d, %v s", r.Interrupted, r.Delivered, r.Lost, r.Seconds)
	}
}

// TestSeveralProcesses: three parties share one run, each device exists once, and a loss anywhere is found.
func TestSeveralProcesses(t *testing.T) {
	for name, faults := range map[string]simtest.Faults{"good": {}, "loses": {LoseEvery: 100}} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, faults)
			c := small(s)
			c.SLO, c.Churn = "loss=0,dup=0,order=0,stray=0,connect=100%", 0.05
			joins := make(chan error, 2)
			var outputs [2]bytes.Buffer
			r, err := Run(t.Context(), c, Options{Coordinator: "127.0.0.1:0", Processes: 3, onPhase: func(phase string) {
				if addr, ok := strings.CutPrefix(phase, "join "); ok {
					for i := range outputs {
						go func() { joins <- Join(t.Context(), addr, false, &outputs[i]) }()
					}
				}
			}})
			for range outputs {
				if err := <-joins; err != nil {
					t.Error(err)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.Processes != 3 || r.Connects < 12 || r.Delivered == 0 {
				t.Errorf("%d processes, %d connects, %d delivered", r.Processes, r.Connects, r.Delivered)
			}
			if lost := r.FirstLost; name == "good" && r.Verdict != "ok" || name == "loses" && (r.Verdict != "missed" || lost == nil || lost.ID%100 != 0) {
				t.Errorf("verdict %s, first lost %+v: %+v", r.Verdict, lost, r.Findings)
			}
			all := outputs[0].String() + outputs[1].String()
			for _, part := range []string{"clients wid4 to wid7", "clients wid8 to wid11"} {
				if !strings.Contains(all, part) {
					t.Errorf("no %q in %s", part, all)
				}
			}
		})
	}
}

// TestNobodyJoins: the coordinator does not wait for ever, and strangers do not count.
func TestNobodyJoins(t *testing.T) {
	c := small(startServer(t, simtest.Faults{}))
	_, err := Run(t.Context(), c, Options{Coordinator: "127.0.0.1:0", Processes: 2, JoinTimeout: 50 * time.Millisecond})
	if !errors.Is(err, ErrCannotRun) || !strings.Contains(err.Error(), "1 of 2 processes came") {
		t.Error(err)
	}
	for _, addr := range []string{"nonsense", "192.0.2.1:5"} {
		if err := Join(t.Context(), addr, false, nil); !errors.Is(err, ErrCannotRun) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	c.Rules = nil
	if _, err := Run(t.Context(), c, Options{Coordinator: "0.0.0.0:0", Processes: 2}); err == nil || !strings.Contains(err.Error(), "--yes-remote") {
		t.Error(err)
	}
}
