//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// simulation is the report of a run, as far as the tests read it.
type simulation struct {
	Interrupted bool
	Processes   int
	Clients     int
	Verdict     string
	Connects    int64
	Delivered   int64
	Lost        int64
	Repeated    int64
	OutOfOrder  int64            `json:"out_of_order"`
	Accepted    int64            `json:"push_accepted"`
	ReportsRead int              `json:"reports_read"`
	Left        int64            `json:"churn_left"`
	Cut         int64            `json:"storm_cut"`
	Failures    map[string]int64 `json:"connect_failures"`
	Server      *struct {
		MemoryPerConnection int64 `json:"memory_per_connection"`
	}
	FirstLost *struct {
		ID     int64 `json:"message_id"`
		Room   string
		Device string
	} `json:"first_lost"`
	SLO []struct {
		Objective, Measured string
		OK                  bool
	}
}

// ended runs lightpush to its end and returns its exit code, stdout and stderr.
func ended(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := startProcess(t, "lightpush "+args[0], env, binary, args...)
	p.markStopped()
	select {
	case <-p.done:
	case <-time.After(3 * time.Minute):
		p.kill()
		t.Fatalf("lightpush %s has not ended", strings.Join(args, " "))
	}
	lines, _ := p.output()
	return p.cmd.ProcessState.ExitCode(), strings.Join(lines, "\n"), p.log()
}

// simulate runs a simulation against a deployment and returns its exit code, report and output.
func simulate(t *testing.T, d *deployment, args ...string) (int, *simulation, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.json")
	args = append([]string{"simulate", "--plain", "--server", d.sockets[0], "--push-server", d.apis[0], "--client-namespace", d.namespace.name, "--report", file}, args...)
	code, stdout, stderr := ended(t, []string{"PUSH_PASSWORD=" + d.namespace.passwd}, args...)
	return code, readReport(t, file), stdout + "\n" + stderr
}

func readReport(t *testing.T, file string) *simulation {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil || len(text) == 0 {
		return nil // the run could not begin
	}
	var s simulation
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatalf("report: %v\n%s", err, text)
	}
	return &s
}

const keepEverything = "loss=0,dup=0,order=0,stray=0,drops=0,connect=100%,push_errors=0,ack_loss=0"

// TestSimulate: both generations, all transports, churn and storms: nothing is lost, repeated or out of order, and the
// verdict is the exit code.
func TestSimulate(t *testing.T) {
	forEachDeployment(t, func(t *testing.T, d *deployment) {
		pid := d.procs[len(d.procs)-1].cmd.Process.Pid
		code, s, out := simulate(t, d, "--client-total", "120", "--connect-rate", "200", "--client-protocol", "3=1,4=1",
			"--client-transport", "websocket=2,polling=1,upgrade=1", "--client-platform", "web=2,ios=1,android=1",
			"--push-rate", "40", "--push-target", "room=1,user=1", "--ack-delay", "0s..100ms", "--duration", "6s", "--churn", "3%",
			"--storm-interval", "2s", "--storm-share", "20%", "--reconnect-delay", "300ms", "--drain", "20s", "--connect-timeout", "60s",
			"--server-pid", fmt.Sprint(pid), "--slo", keepEverything)
		if code != 0 || s == nil || s.Verdict != "ok" {
			t.Fatalf("exit code %d:\n%s", code, out)
		}
		if s.Connects <= 120 || s.Accepted < 200 || s.Delivered == 0 || s.Left+s.Cut == 0 || s.ReportsRead == 0 || s.Server == nil || s.Lost+s.Repeated+s.OutOfOrder != 0 {
			t.Errorf("report %+v\n%s", s, out)
		}
		// The namespace really has seen that many messages.
		var stat map[string]any
		d.api(t, 0).get("/api/auth/namespace/current-message-stat", &stat)
		if got := fmt.Sprint(stat["currDateMessageCount"]); got != fmt.Sprint(s.Accepted) {
			t.Errorf("the server counts %s messages, the report %d", got, s.Accepted)
		}
	})
}

// TestSimulateVerdicts: what is missed is 1, what cannot run is 2, each said clearly.
func TestSimulateVerdicts(t *testing.T) {
	d := startAllInOne(t, t.TempDir()).deployment
	quick := []string{"--client-total", "5", "--connect-rate", "100", "--join-room-rule", "", "--duration", "1s"}
	if code, s, out := simulate(t, d, append(quick, "--push-rate", "20", "--slo", "p50=1us,loss=0")...); code != 1 || s == nil || s.Verdict != "missed" || !strings.Contains(out, "MISSED p50=1us") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if code, _, out := simulate(t, d, quick...); code != 0 || strings.Contains(out, "verdict") {
		t.Errorf("without objectives: exit code %d:\n%s", code, out)
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("client_totl: 5\njoin_room_rule:\n  - {prefix: r1, total: 5, pick_count: 9}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"nobody listens at http://127.0.0.1:1":           {"--server", "http://127.0.0.1:1"},
		"this namespace not found; create the namespace": {"--client-namespace", "/none"},
		"push_option_path":                               {"--push-option-path", "/none/"},
		"pick_count 9 of total 5":                        {"--join-room-rule", "r1,5,9"},
		"too few open files":                             {"--client-total", "1000000"},
		"--yes-remote":                                   {"--server", "http://192.0.2.1:1"},
		"HTTP 401":                                       {"--push-rate", "1", "--push-password", "wrong"},
		`unknown key "client_totl", did you mean client_total?`: {"-f", bad},
		"unknown flag: --client-totl":                           {"--client-totl", "5"},
		"connection refused":                                    {"--join", "127.0.0.1:1"},
	} {
		if code, s, out := simulate(t, d, args...); code != 2 || s != nil || !strings.Contains(out, want) {
			t.Errorf("%v: exit code %d, want 2 and %q:\n%s", args, code, want, out)
		}
	}
}

// TestSimulateInterrupt: Ctrl-C prints the report so far.
func TestSimulateInterrupt(t *testing.T) {
	d := startAllInOne(t, t.TempDir()).deployment
	p := startProcess(t, "simulate", []string{"PUSH_PASSWORD=" + d.namespace.passwd}, binary, "simulate", "--server", d.sockets[0],
		"--client-namespace", d.namespace.name, "--client-total", "10", "--connect-rate", "100", "--push-rate", "50", "--duration", "1h", "--slo", "loss=0", "--progress", "50ms")
	deliveries := regexp.MustCompile(`deliveries [1-9]`)
	eventually(t, startTimeout, "deliveries", func() error {
		if !deliveries.MatchString(p.log()) {
			return fmt.Errorf("none in %s", tail(p.log()))
		}
		return nil
	})
	p.markStopped()
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.done:
	case <-time.After(startTimeout):
		p.kill()
		t.Fatal("not interrupted")
	}
	lines, _ := p.output()
	if out := strings.Join(lines, "\n"); p.cmd.ProcessState.ExitCode() != 0 || !strings.Contains(out, "Simulation, interrupted: 10 clients") || !strings.Contains(out, "verdict: ok") {
		t.Errorf("%v:\n%s", p.cmd.ProcessState, out)
	}
}

// TestSimulateTogether: three processes are one run with one verdict; nobody edits client_uuid_init.
func TestSimulateTogether(t *testing.T) {
	d := startRoles(t, 2, 1)
	addr := freeAddress(t)
	for i := range 2 {
		p := startProcess(t, fmt.Sprintf("joined %d", i), nil, binary, "simulate", "--join", addr)
		t.Cleanup(func() {
			p.markStopped()
			select {
			case <-p.done:
				lines, _ := p.output()
				if p.cmd.ProcessState.ExitCode() != 0 || !strings.Contains(strings.Join(lines, "\n"), "joined: clients wid") {
					t.Errorf("%v: %q, %s", p.cmd.ProcessState, lines, p.log())
				}
			case <-time.After(startTimeout):
				p.kill()
				t.Error("a joined process has not ended")
			}
		})
	}
	code, s, out := simulate(t, d, "--coordinator", addr, "--processes", "3", "--client-total", "90", "--connect-rate", "100", "--client-uuid-prefix", "wid",
		"--churn", "2%", "--push-rate", "30", "--push-target", "room=1,user=1", "--duration", "4s", "--drain", "20s", "--connect-timeout", "60s", "--slo", keepEverything)
	if code != 0 || s == nil || s.Processes != 3 || s.Connects < 90 || s.Delivered == 0 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// TestBenchPush: what is accepted, delivered and acknowledged, at a rate and flat out.
func TestBenchPush(t *testing.T) {
	d := startAllInOne(t, t.TempDir()).deployment
	for name, tt := range map[string]struct {
		args []string
		want []string
	}{
		"rate":           {[]string{"--rate", "100", "-d", "2s", "--subscribers", "3"}, []string{`accepted   200 of 200 pushes`, `delivered  (\d+) of \d+ to own subscribers`, `reports    3\.00 deliveries and 3\.00 acks per push`}},
		"flat out":       {[]string{"-n", "300", "-c", "8", "--subscribers", "2"}, []string{`accepted   300 of 300`, `delivered  600 of 600`, `2\.00 deliveries and 2\.00 acks`}},
		"no subscribers": {[]string{"-n", "50", "--subscribers", "0"}, []string{`accepted   50 of 50`, `0\.00 deliveries and 0\.00 acks`}},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"bench", "push", "--server", d.sockets[0], "--namespace", d.namespace.name, "--room", "bench-" + strings.ReplaceAll(name, " ", "-")}, tt.args...)
			if !strings.Contains(name, "no ") {
				args = append(args, "--slo", "loss=0,dup=0,order=0,push_errors=0,ack_loss=0")
			}
			code, out, errs := ended(t, []string{"PUSH_PASSWORD=" + d.namespace.passwd}, args...)
			if code != 0 {
				t.Fatalf("exit code %d:\n%s\n%s", code, out, errs)
			}
			for _, want := range tt.want {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}

// TestDoctor: a healthy deployment behind nginx, and an nginx that forgot the upgrade headers.
func TestDoctor(t *testing.T) {
	redis := startRedis(t)
	env := []string{"LIGHTPUSH_PINGINTERVAL=1000"}
	d := startRoles(t, 1, 1, env...)
	front := startNginx(t, d)
	args := []string{"doctor", "--redis", redis, "--push-option-path", "/push/socket.io/", "--namespace", d.namespace.name, "--clients", "10", "--origin", "https://app.example.org", "--json"}
	read := func(more ...string) (int, map[string]string, string) {
		t.Helper()
		code, out, errs := ended(t, nil, append(args, more...)...)
		var report struct {
			Checks []struct{ Check, Level, Found, Mend string }
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatalf("%v:\n%s\n%s", err, out, errs)
		}
		levels := map[string]string{}
		for _, c := range report.Checks {
			levels[c.Check] = c.Level
			if (c.Level == "fail" || c.Level == "warn") && c.Mend == "" {
				t.Errorf("nothing mends %s", c.Check)
			}
		}
		return code, levels, out
	}
	healthy := []string{"Redis version", "Redis permissions", "Redis eviction", "Redis persistence", "clock against Redis", "long-polling", "polling through the proxy",
		"WebSocket upgrade", "held poll", "CORS, Socket.IO", "CORS, REST"}
	_, levels, out := read("--url", front, "--api-url", front+"/push-logic")
	for _, check := range healthy { // the machine's own limits are not ours to judge
		if levels[check] != "ok" {
			t.Errorf("%s is %q in\n%s", check, levels[check], out)
		}
	}
	forgetful := regexp.MustCompile(`(?m)^.*(Upgrade|\$connection_upgrade|map ).*\n`).ReplaceAllString(nginxConf, "")
	plain := startNginxWith(t, d, forgetful)
	code, levels, out := read("--url", plain, "--quick")
	if code != 1 || levels["WebSocket upgrade"] != "fail" || levels["long-polling"] != "ok" || !strings.Contains(out, "proxy_set_header Upgrade $http_upgrade") {
		t.Errorf("exit code %d, %v:\n%s", code, levels, out)
	}
	if code, _, errs := ended(t, nil, "doctor", "--url", "nonsense"); code != 2 || !strings.Contains(errs, "--url") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}
