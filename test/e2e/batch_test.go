//go:build e2e

package e2e

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// TestBatchDelivers: a batch reaches everybody it names, in order, and its refusals are seen beside its ids.
func TestBatchDelivers(t *testing.T) {
	d := startRoles(t, 2, 1)
	ann, ben := d.connect(t, 0, "ann"), d.connect(t, 1, "ben")
	api := d.api(t, 0)
	var batch []map[string]any
	const each = 50
	for i := range each {
		for _, user := range []string{"ann", "ben"} {
			batch = append(batch, map[string]any{"room": "user_" + user, "pushData": map[string]int{"n": i}})
		}
	}
	batch = append(batch, map[string]any{"room": "no such name!", "pushData": map[string]int{}})
	answer := api.post("/api/auth/push/batch", batch, 200)
	var results []struct {
		ID   int64
		Code int
		Msg  string
	}
	if err := json.Unmarshal(answer, &results); err != nil || len(results) != 2*each+1 {
		t.Fatalf("%d results, %v: %s", len(results), err, answer)
	}
	for i, r := range results[:2*each] {
		if r.ID <= 0 || i > 0 && r.ID <= results[i-1].ID {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	if last := results[2*each]; last.ID != 0 || last.Code != 9999 || last.Msg != "room invalid" {
		t.Errorf("the refused push: %+v", last)
	}
	for name, conn := range map[string]*wsclient.Conn{"ann": ann, "ben": ben} {
		_ = conn.SetReadDeadline(time.Now().Add(eventTimeout))
		for n := 0; n < each; {
			p, err := conn.Next()
			if err != nil {
				t.Fatalf("%s has got %d pushes: %v", name, n, err)
			}
			if p.Name() != "push" {
				continue
			}
			var event struct{ PushData struct{ N int } }
			if err := p.Arg(0, &event); err != nil || event.PushData.N != n {
				t.Fatalf("%s got %s in place of %d", name, p.Data, n)
			}
			n++
		}
	}
}

// TestIdempotencyOverProcesses: repeats at the same time through several logic processes push once, and all hear the
// same; also after every process has been started anew.
func TestIdempotencyOverProcesses(t *testing.T) {
	redis := startRedis(t)
	d := &deployment{admin: credential{"admin", "e2e-admin-passwd"}, namespace: credential{"/demo", "e2e-demo-passwd"}}
	for i := range 2 {
		d.apis = append(d.apis, d.startRole(t, "logic", i, redis))
	}
	d.adminAPI(t, 0).post("/api/admin/namespace/save", map[string]any{"key": "/demo", "auth_passwd": d.namespace.passwd}, 200)
	eventually(t, eventTimeout, "the namespace is known", func() error {
		var ns struct{ Key string }
		return d.api(t, 1).tryGet("/api/auth/namespace", &ns)
	})
	const repeats, keys = 12, 5
	answers := make([][keys]string, repeats)
	var wg sync.WaitGroup
	ask := func(i, key int, room string) (int, string) {
		status, body, err := d.api(t, i%len(d.apis)).doWith("POST", "/api/auth/push",
			[]byte(fmt.Sprintf(`{"room":%q,"pushData":{}}`, room)), "Idempotency-Key", fmt.Sprint("key-", key))
		if err != nil {
			t.Error(err)
		}
		return status, string(body)
	}
	for i := range repeats {
		for key := range keys {
			wg.Go(func() {
				status, body := ask(i, key, "r")
				if status != 200 {
					t.Errorf("%d %s", status, body)
				}
				answers[i][key] = body
			})
		}
	}
	wg.Wait()
	d.apis = append(d.apis, d.startRole(t, "logic", 2, redis))
	for key := range keys {
		for i := range answers {
			if answers[i][key] != answers[0][key] {
				t.Errorf("key %d: %s and %s", key, answers[0][key], answers[i][key])
			}
		}
		if status, body := ask(2, key, "r"); status != 200 || body != answers[0][key] {
			t.Errorf("key %d on a new process: %d %s, want %s", key, status, body, answers[0][key])
		}
		if status, body := ask(2, key, "other"); status != 422 || !strings.Contains(body, "1107") {
			t.Errorf("key %d for another push: %d %s", key, status, body)
		}
	}
	var history []struct{ ID string }
	d.api(t, 0).get("/api/auth/report/push?size=100", &history)
	if len(history) != keys {
		t.Errorf("%d messages in the history, want %d", len(history), keys)
	}
}

// doWith is do with one more header.
func (a *api) doWith(method, path string, body []byte, header, value string) (int, []byte, error) {
	req, err := http.NewRequest(method, a.base+path, strings.NewReader(string(body)))
	if err != nil {
		return 0, nil, err
	}
	req.SetBasicAuth(a.as.name, a.as.passwd)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(header, value)
	resp, err := httpClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// batchRatio is how much faster pushes in batches must be than one by one. On a machine that does nothing else it is 5
// and more; the test only notices when the batch is none any more.
const batchRatio = 3

// TestBatchThroughput: the batch route takes at least batchRatio times the pushes of the single route, both asked by as
// cheap a client as can be, in turns in one run.
func TestBatchThroughput(t *testing.T) {
	useReleased(t)
	d := startRoles(t, 1, 1)
	const size, connections = 500, 32
	item := `{"room":"user_ann","pushData":{"text":"hello, this is a push of usual size","n":12345,"more":[1,2,3]}}`
	batch := "[" + strings.TrimSuffix(strings.Repeat(item+",", size), ",") + "]"
	var single, batched, ratios []float64
	redis, logic := redisProcess(t), d.procs[0]
	for i := range 5 {
		before := [2]time.Duration{cpuTime(t, redis), cpuTime(t, logic)}
		one := d.rate(t, "/api/auth/push", item, connections, 1500*time.Millisecond)
		between := [2]time.Duration{cpuTime(t, redis), cpuTime(t, logic)}
		many := d.rate(t, "/api/auth/push/batch", batch, 4, 1500*time.Millisecond) * size
		after := [2]time.Duration{cpuTime(t, redis), cpuTime(t, logic)}
		if i == 4 {
			per := func(d time.Duration, rate float64) float64 { return d.Seconds() * 1e6 / (rate * 1.5) }
			t.Logf("CPU per push, µs: one by one Redis %.1f, logic %.1f; in batches Redis %.1f, logic %.1f",
				per(between[0]-before[0], one), per(between[1]-before[1], one), per(after[0]-between[0], many), per(after[1]-between[1], many))
		}
		single, batched, ratios = append(single, one), append(batched, many), append(ratios, many/one)
	}
	for _, s := range [][]float64{single, batched, ratios} {
		slices.Sort(s)
	}
	t.Logf("pushes per second: %.0f one by one, %.0f in batches of %d (medians of %d); ratios %.1f", single[2], batched[2], size, len(single), ratios)
	if ratios[2] < batchRatio {
		t.Errorf("batches are %.1f times as fast, want %d", ratios[2], batchRatio)
	}
}

// cpuTime is the CPU time a process has used, user and system.
func cpuTime(t testing.TB, p *process) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 on every Linux
}

// rate posts body as often as can be and returns the answers with 200 per second.
func (d *deployment) rate(t *testing.T, path, body string, connections int, within time.Duration) float64 {
	t.Helper()
	request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, base64.StdEncoding.EncodeToString([]byte(d.namespace.name+":"+d.namespace.passwd)), len(body), body)
	var answered atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	deadline := start.Add(within)
	for range connections {
		wg.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(d.apis[0], "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(deadline.Add(eventTimeout))
			reader := bufio.NewReaderSize(conn, 64<<10)
			for time.Now().Before(deadline) {
				if _, err := io.WriteString(conn, request); err != nil {
					t.Error(err)
					return
				}
				res, err := http.ReadResponse(reader, nil)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != 200 {
					t.Errorf("%d, %v", res.StatusCode, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(answered.Load()) / time.Since(start).Seconds()
}
