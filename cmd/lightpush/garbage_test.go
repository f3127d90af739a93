package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/embedded"
)

// oddRedis is a Redis that can be made to answer something else.
type oddRedis struct {
	listener net.Listener
	answer   atomic.Pointer[string] // nil: it is sane
	mu       sync.Mutex
	conns    map[net.Conn]bool
	serving  sync.WaitGroup
}

func newOddRedis(t *testing.T) *oddRedis {
	t.Helper()
	store, err := embedded.Open(context.Background(), embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &oddRedis{listener: listener, conns: map[net.Conn]bool{}}
	t.Cleanup(func() {
		_ = listener.Close()
		r.hangUp()
		r.serving.Wait()
		_ = store.Close()
	})
	r.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			behind, err := store.Dial(context.Background(), "", "")
			if err != nil {
				_ = conn.Close()
				continue
			}
			r.mu.Lock()
			r.conns[conn] = true
			r.mu.Unlock()
			r.serving.Go(func() { r.serve(conn, behind) })
		}
	})
	return r
}

func (r *oddRedis) serve(conn, behind net.Conn) {
	var back sync.WaitGroup
	back.Go(func() {
		defer func() { _ = conn.Close() }()
		_, _ = io.Copy(conn, behind)
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			break
		}
		to, what := behind, buf[:n]
		if odd := r.answer.Load(); odd != nil {
			to, what = conn, []byte(*odd)
		}
		if _, err := to.Write(what); err != nil {
			break
		}
	}
	_ = conn.Close()
	_ = behind.Close()
	back.Wait()
	r.mu.Lock()
	delete(r.conns, conn)
	r.mu.Unlock()
}

func (r *oddRedis) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		_ = conn.Close()
	}
}

// begin makes it answer that from now on, also to commands that are on their way; nil makes it sane.
func (r *oddRedis) begin(answer *string) {
	r.answer.Store(answer)
	if answer == nil {
		r.hangUp()
	}
}

// startRole runs one role in this process and returns its base URL.
func startRole(t *testing.T, role, redis string) (base string, stderr *lockedBuffer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	var stdout lockedBuffer
	stderr = &lockedBuffer{}
	go func() {
		done <- run(ctx, []string{role, "--listen", "127.0.0.1:0", "--redis", redis}, []string{
			"LIGHTPUSH_ADMIN_PASSWD=swordfish", "LIGHTPUSH_REDIS_TIMEOUT=500", "LIGHTPUSH_LOG_FORMAT=json", "LIGHTPUSH_SHUTDOWN_TIMEOUT=2000", "LIGHTPUSH_DRAIN_WAIT=0",
		}, &stdout, stderr)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			t.Errorf("%s does not stop", role)
		}
	})
	ready := regexp.MustCompile(`"address":"([^"]+)"[^\n]*"message":"ready"`)
	for deadline := time.Now().Add(30 * time.Second); base == ""; time.Sleep(10 * time.Millisecond) {
		if m := ready.FindStringSubmatch(stderr.String()); m != nil {
			base = "http://" + m[1]
		} else if time.Now().After(deadline) {
			t.Fatalf("%s is not ready:\n%s%s", role, stdout.String(), stderr.String())
		}
	}
	return base, stderr
}

// TestRedisAnswersGarbage: neither role crashes, hangs or grows; both say so at /readyz, pushes are refused, and all goes
// on when Redis has come to its senses. What single answers do to the client library is TestGarbage of internal/store.
func TestRedisAnswersGarbage(t *testing.T) {
	redis := newOddRedis(t)
	logic, _ := startRole(t, "logic", redis.listener.Addr().String())
	connector, _ := startRole(t, "connector", redis.listener.Addr().String())
	client := &http.Client{Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	ask := func(method, url, user, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			req.SetBasicAuth(user, "swordfish")
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	push := func() (int, string) {
		return ask(http.MethodPost, logic+"/api/auth/push", "/demo", `{"room":"news","pushData":{"a":1}}`)
	}
	until := func(what string, done func() (string, bool)) {
		t.Helper()
		var last string
		for deadline := time.Now().Add(40 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			var ok bool
			if last, ok = done(); ok {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %s", what, last)
			}
		}
	}
	if status, text := ask(http.MethodPost, logic+"/api/admin/namespace/save", "admin", `{"key":"/demo","auth_passwd":"swordfish"}`); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	until("pushes before", func() (string, bool) {
		status, text := push()
		return text, status == 200
	})
	for _, answer := range []string{
		"HTTP/1.1 400 Bad Request\r\n\r\n", "\x00\xff\x16\x03", "$100\r\nabc", "$1099511627776\r\n", "*200000000\r\n", strings.Repeat("*1\r\n", 10_000),
		":1\r\n", "-LOADING Redis is loading the dataset in memory\r\n", "-WRONGPASS invalid username-password pair\r\n",
	} {
		name := fmt.Sprintf("%.20q", answer)
		redis.begin(&answer)
		for _, base := range []string{logic, connector} {
			until(name+": not ready", func() (string, bool) {
				status, text := ask(http.MethodGet, base+"/readyz", "", "")
				return text, status == 503 && strings.Contains(text, `"store"`)
			})
		}
		if status, text := push(); status != 503 || !strings.Contains(text, `"code":120`) {
			t.Errorf("%s: push %d %s", name, status, text)
		}
		redis.begin(nil)
		for _, base := range []string{logic, connector} {
			until(name+": ready again", func() (string, bool) {
				status, text := ask(http.MethodGet, base+"/readyz", "", "")
				return text, status == 200
			})
		}
		until(name+": pushes again", func() (string, bool) {
			status, text := push()
			return text, status == 200
		})
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	if memory.Sys > 1<<30 {
		t.Errorf("%d MiB of memory", memory.Sys>>20)
	}
}
