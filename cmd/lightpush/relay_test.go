package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/connector/relay"
)

type fixedAddr string

func (fixedAddr) Network() string  { return "tcp" }
func (a fixedAddr) String() string { return string(a) }

func TestNodeAddress(t *testing.T) {
	interfaces := func(list ...string) func() ([]net.Addr, error) {
		return func() (all []net.Addr, err error) {
			for _, a := range list {
				all = append(all, fixedAddr(a))
			}
			return all, nil
		}
	}
	for _, c := range []struct {
		listen string
		own    []string
		want   string
	}{
		{"127.0.0.1:21314", []string{"10.0.0.5/8"}, "127.0.0.1:21314"},
		{"10.1.2.3:80", nil, "10.1.2.3:80"},
		{"[2001:db8::1]:80", nil, "[2001:db8::1]:80"},
		{"0.0.0.0:80", []string{"127.0.0.1/8", "::1/128", "10.0.0.5/8"}, "10.0.0.5:80"},
		{"[::]:80", []string{"127.0.0.1/8", "fe80::1/64", "203.0.113.7/24", "192.168.3.4/24"}, "192.168.3.4:80"},
		{"0.0.0.0:80", []string{"127.0.0.1/8", "2001:db8::7/64", "fd00::7/64"}, "[fd00::7]:80"},
		{"0.0.0.0:80", []string{"127.0.0.1/8", "nonsense"}, "127.0.0.1:80"},
		{"0.0.0.0:80", nil, "127.0.0.1:80"},
	} {
		if got, err := nodeAddress(fixedAddr(c.listen), interfaces(c.own...)); err != nil || got != c.want {
			t.Errorf("listening on %s with %v: %s, %v; want %s", c.listen, c.own, got, err, c.want)
		}
	}
	if _, err := nodeAddress(fixedAddr("nonsense"), interfaces()); err == nil {
		t.Error("no error for no address")
	}
	if _, err := nodeAddress(fixedAddr("0.0.0.0:1"), func() ([]net.Addr, error) { return nil, errors.New("no") }); err == nil {
		t.Error("no error without interfaces")
	}
}

func TestDirectory(t *testing.T) {
	secret := []byte("secret")
	tagA, tagB := relay.Tag(secret, "a"), relay.Tag(secret, "b")
	var mu sync.Mutex
	now, reads := time.Unix(1000, 0), 0
	nodes, fail := map[string]string{"a": "10.0.0.1:1"}, error(nil)
	d := &directory{
		secret: secret, onError: func(error) {},
		now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now },
		read: func(context.Context) (map[string]string, error) {
			mu.Lock()
			defer mu.Unlock()
			reads++
			return nodes, fail
		},
	}
	look := func(after time.Duration, tag, want string, wantReads int) {
		t.Helper()
		mu.Lock()
		now = now.Add(after)
		mu.Unlock()
		if got := d.Lookup(t.Context(), tag).Address; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) { // for a read in the background
			d.mu.Lock()
			idle := d.asking == nil
			d.mu.Unlock()
			if idle || time.Now().After(deadline) {
				break
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if reads != wantReads {
			t.Errorf("%d reads, want %d", reads, wantReads)
		}
	}
	look(0, tagA, "10.0.0.1:1", 1)
	look(0, tagA, "10.0.0.1:1", 1)
	look(0, tagB, "", 1) // just asked
	mu.Lock()
	nodes = map[string]string{"a": "10.0.0.1:1", "b": "10.0.0.2:2"}
	mu.Unlock()
	look(time.Second, tagB, "10.0.0.2:2", 2)
	look(time.Second, tagB, "10.0.0.2:2", 2)
	mu.Lock()
	fail = errors.New("away")
	mu.Unlock()
	look(10*time.Second, tagB, "10.0.0.2:2", 3) // what was known stays known
	mu.Lock()
	nodes, fail = map[string]string{"a": "10.0.0.1:1"}, nil
	mu.Unlock()
	d.Failed(tagB, "another address")
	look(time.Second, tagB, "10.0.0.2:2", 3)
	d.Failed(tagB, "10.0.0.2:2")
	look(0, tagB, "10.0.0.2:2", 4)
	look(0, tagB, "", 4)
}

func TestOwner(t *testing.T) {
	pins := []relay.Pin{{1}, {2, 3}}
	for _, o := range []relay.Owner{{Address: "10.0.0.1:80"}, {Address: "[fd00::7]:443", Pins: pins}, {Address: "a.example:443", Pins: pins[:1]}} {
		got, ok := parseOwner(writeOwner(o))
		if !ok || got.Address != o.Address || !slices.Equal(got.Pins, o.Pins) {
			t.Errorf("%+v: %s is read as %+v, %v", o, writeOwner(o), got, ok)
		}
	}
	if _, _, err := net.SplitHostPort(writeOwner(relay.Owner{Address: "10.0.0.1:80", Pins: pins})); err == nil {
		t.Error("a version before would speak without TLS")
	}
	// A later version may add to it; without a pin there is no safe way.
	if got, ok := parseOwner("https://h:1#later:abc," + pins[1].String()); !ok || len(got.Pins) != 1 || got.Pins[0] != pins[1] {
		t.Errorf("%+v, %v", got, ok)
	}
	for _, text := range []string{"", "https://h:1", "https://h:1#", "https://h:1#00", "https://#" + pins[0].String(), "quic://h:1"} {
		if got, ok := parseOwner(text); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

// TestDirectoryRenew: what is asked for anew was read after the asking.
func TestDirectoryRenew(t *testing.T) {
	secret := []byte("secret")
	tag := relay.Tag(secret, "a")
	began, goOn := make(chan int, 3), make(chan string)
	reads := 0
	d := &directory{
		secret: secret, onError: func(err error) { t.Error(err) }, now: time.Now,
		read: func(context.Context) (map[string]string, error) {
			reads++
			began <- reads
			return map[string]string{"a": <-goOn}, nil
		},
	}
	found := make(chan relay.Owner)
	go func() { found <- d.Lookup(t.Context(), tag) }()
	<-began
	renewed := make(chan relay.Owner)
	go func() { renewed <- d.Renew(t.Context(), tag) }()
	goOn <- "10.0.0.1:1"
	if got := <-found; got.Address != "10.0.0.1:1" {
		t.Errorf("%+v", got)
	}
	// The first answer may be either: Renew was asked in the middle of it, or after it.
	<-began
	goOn <- "10.0.0.1:2"
	if got := <-renewed; got.Address != "10.0.0.1:2" {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { renewed <- d.Renew(ctx, tag) }()
	<-began
	cancel()
	if got := <-renewed; got.Address != "" {
		t.Errorf("%+v", got)
	}
	goOn <- "10.0.0.1:3"
}

func TestProbes(t *testing.T) {
	var found []reason
	m := &mux{
		ready: func() error { return nil }, reasons: func() []reason { return found },
		rest: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
	}
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusTeapot && w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", path, w.Header().Get("Content-Type"))
		}
		return w.Code, w.Body.String()
	}
	const ok = `{"status":"ok","reasons":[]}` + "\n"
	for _, path := range []string{"/livez", "/readyz"} {
		if code, body := ask(path); code != http.StatusOK || body != ok {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	found = []reason{{"draining", errDraining.Error()}, {"store", errStoreAway.Error()}}
	want := `{"status":"unready","reasons":[{"check":"draining","reason":"this process is about to stop"},` +
		`{"check":"store","reason":"the store does not answer"}]}` + "\n"
	if code, body := ask("/readyz"); code != http.StatusServiceUnavailable || body != want {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if code, body := ask("/livez"); code != http.StatusOK || body != ok {
		t.Errorf("/livez: %d %s", code, body)
	}
	if code, _ := ask("/readyz/x"); code != http.StatusTeapot {
		t.Errorf("/readyz/x: %d", code)
	}
}
