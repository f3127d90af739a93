//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	crowdConnectors = 4
	crowdPushes     = 20_000 // to one user each
	crowdMessages   = 5      // to everybody
	crowdIdle       = 60 * time.Second
)

// TestCrowd measures a service with very many clients at once and prints what doc/scaling.md says. It runs only when
// E2E_CROWD names the number of clients; `make crowd` does. Each process may have 20,000 file descriptors, so there are
// four connectors and four load clients for 60,000.
func TestCrowd(t *testing.T) {
	set := os.Getenv("E2E_CROWD")
	if set == "" {
		t.Skip("E2E_CROWD is not set")
	}
	clients, err := strconv.Atoi(set)
	if err != nil || clients < crowdConnectors {
		t.Fatalf("E2E_CROWD=%s: %v", set, err)
	}
	useReleased(t)
	redis := newRedisPlace(t)
	d := startOn(t, redis.addr, crowdConnectors, 1)
	c := &crowd{t: t, d: d, redis: redis.proc, each: clients / crowdConnectors}
	c.startLoad()
	c.phase("connect", float64(c.each*crowdConnectors), "client", func() {
		c.all(func(i int) map[string]any {
			return map[string]any{"op": "connect", "group": "g", "addr": d.host(i), "namespace": d.namespace.name, "count": c.each,
				"first": i * c.each, "eio": 4, "window": 100, "timeout": 15 * time.Minute, "stall": time.Minute}
		}, func(r loadReply) error {
			if r.Completed != c.each {
				return fmt.Errorf("%d of %d connected, %s", r.Completed, c.each, r.Reason)
			}
			return nil
		})
	})
	c.memory(float64(c.each * crowdConnectors))
	c.phase("idle", float64(c.each*crowdConnectors)*crowdIdle.Seconds(), "client and second", func() { time.Sleep(crowdIdle) })
	c.phase("push to one user", crowdPushes, "push", c.pushUsers)
	c.all(func(int) map[string]any {
		return map[string]any{"op": "join", "group": "g", "room": "everybody", "timeout": 10 * time.Minute, "stall": time.Minute}
	}, func(r loadReply) error {
		if r.Completed != c.each {
			return fmt.Errorf("%d of %d joined", r.Completed, c.each)
		}
		return nil
	})
	var ids []int64
	deliveries := float64(c.each * crowdConnectors * crowdMessages)
	c.phase("delivery to everybody", deliveries, "delivery", func() {
		c.all(func(int) map[string]any {
			return map[string]any{"op": "expect", "group": "g", "messages": crowdMessages}
		}, nil)
		for i := range crowdMessages {
			ids = append(ids, d.api(t, 0).push("everybody", map[string]any{"n": i, "text": strings.Repeat("x", 100)}))
		}
		c.waitAll(c.each * crowdMessages)
	})
	c.phase("ack", deliveries, "ack", func() {
		c.all(func(int) map[string]any {
			return map[string]any{"op": "ack", "group": "g", "ids": ids, "timeout": 5 * time.Minute, "stall": time.Minute}
		}, nil)
		for _, id := range ids {
			want := strconv.Itoa(c.each * crowdConnectors)
			eventually(t, 5*time.Minute, "all acks are recorded", func() error {
				r, err := d.api(t, 0).receipt(id)
				if err == nil && r.AckCount != want {
					err = fmt.Errorf("%s of %s", r.AckCount, want)
				}
				return err
			})
		}
	})
	c.all(func(int) map[string]any { return map[string]any{"op": "stats", "group": "g"} }, func(r loadReply) error {
		if r.Open != c.each || r.Dropped != 0 {
			return fmt.Errorf("%d open, %d dropped", r.Open, r.Dropped)
		}
		return nil
	})
}

// crowd are the load clients and what they work on.
type crowd struct {
	t     *testing.T
	d     *deployment
	redis *process
	each  int // clients of one load process
	loads []*loadProcess
}

// loadReply is the part of an answer of test/bench/cmd/load that is looked at.
type loadReply struct {
	Error     string
	Reason    string
	Completed int
	Received  int
	Open      int
	Dropped   int
}

type loadProcess struct {
	proc  *process
	lines chan string
}

func (c *crowd) startLoad() {
	c.t.Helper()
	program := filepath.Join(c.t.TempDir(), "load")
	if out, err := exec.Command("go", "build", "-o", program, "../bench/cmd/load").CombinedOutput(); err != nil {
		c.t.Fatalf("%v\n%s", err, out)
	}
	for i := range crowdConnectors {
		l := &loadProcess{lines: make(chan string, 16)}
		l.proc = startPiped(c.t, fmt.Sprintf("load %d", i), func(line string) { l.lines <- line }, program)
		c.loads = append(c.loads, l)
	}
}

// all gives each load process a command and judges the answers.
func (c *crowd) all(command func(i int) map[string]any, judge func(loadReply) error) {
	c.t.Helper()
	var wg sync.WaitGroup
	for i, l := range c.loads {
		wg.Go(func() {
			line, _ := json.Marshal(command(i))
			if _, err := l.proc.stdin.Write(append(line, '\n')); err != nil {
				c.t.Error(err)
				return
			}
			var r loadReply
			select {
			case answer := <-l.lines:
				if err := json.Unmarshal([]byte(answer), &r); err != nil || r.Error != "" {
					c.t.Errorf("load %d: %s, %v", i, answer, err)
					return
				}
			case <-l.proc.done:
				c.t.Errorf("load %d ended: %s", i, tail(l.proc.log()))
				return
			}
			if judge != nil {
				if err := judge(r); err != nil {
					c.t.Errorf("load %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	if c.t.Failed() {
		c.t.FailNow()
	}
}

func (c *crowd) waitAll(each int) {
	c.t.Helper()
	c.all(func(int) map[string]any {
		return map[string]any{"op": "wait", "group": "g", "total": each, "timeout": 5 * time.Minute, "stall": time.Minute}
	}, func(r loadReply) error {
		if r.Received != each {
			return fmt.Errorf("%d of %d messages", r.Received, each)
		}
		return nil
	})
}

// pushUsers pushes to users in turn, in batches, and waits for the last.
func (c *crowd) pushUsers() {
	c.all(func(int) map[string]any {
		return map[string]any{"op": "expect", "group": "g", "total": crowdPushes / crowdConnectors}
	}, nil)
	api := c.d.api(c.t, 0)
	var batch []map[string]any
	for i := range crowdPushes {
		user := i%crowdConnectors*c.each + i/crowdConnectors%c.each
		batch = append(batch, map[string]any{"room": fmt.Sprintf("user_%d", user), "pushData": map[string]any{"n": i, "text": strings.Repeat("x", 100)}})
		if len(batch) == 500 {
			api.post("/api/auth/push/batch", batch, 200)
			batch = batch[:0]
		}
	}
	c.waitAll(crowdPushes / crowdConnectors)
}

// phase does something and prints what it has cost.
func (c *crowd) phase(name string, n float64, unit string, do func()) {
	c.t.Helper()
	type cost struct{ connectors, logic, redis time.Duration }
	read := func() (k cost) {
		for i := range c.d.sockets {
			k.connectors += cpuTime(c.t, c.d.connectorProcess(i))
		}
		return cost{k.connectors, cpuTime(c.t, c.d.procs[0]), cpuTime(c.t, c.redis)}
	}
	before, start := read(), time.Now()
	do()
	took, after := time.Since(start), read()
	per := func(a, b time.Duration) float64 { return (b - a).Seconds() * 1e6 / n }
	c.t.Logf("%s: %.0f in %s (%.0f/s); CPU µs per %s: connectors %.2f, logic %.2f, Redis %.2f", name, n, took.Round(time.Millisecond),
		n/took.Seconds(), unit, per(before.connectors, after.connectors), per(before.logic, after.logic), per(before.redis, after.redis))
}

// memory prints what the processes hold for each client.
func (c *crowd) memory(clients float64) {
	c.t.Helper()
	var connectors float64
	for i := range c.d.sockets {
		connectors += rss(c.t, c.d.connectorProcess(i))
	}
	c.t.Logf("memory: connectors %.0f MB, %.2f KB per client; Redis %.0f MB, %.2f KB per client",
		connectors/1e6, connectors/clients/1e3, rss(c.t, c.redis)/1e6, rss(c.t, c.redis)/clients/1e3)
}

// rss is the resident memory of a process in bytes.
func rss(t testing.TB, p *process) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return float64(pages) * float64(os.Getpagesize())
}
