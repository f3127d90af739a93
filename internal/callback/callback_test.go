package callback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/queue"
)

// seen is one request a business system got.
type seen struct {
	method, target, body string
	header               http.Header
}

// business is a business system that answers what the test says.
type business struct {
	url  string
	mu   sync.Mutex
	got  []seen
	does func(w http.ResponseWriter, r *http.Request)
}

func newBusiness(t *testing.T, does func(w http.ResponseWriter, r *http.Request)) *business {
	b := &business{does: does}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.got = append(b.got, seen{r.Method, r.RequestURI, string(body), r.Header.Clone()})
		b.mu.Unlock()
		if b.does != nil {
			b.does(w, r)
		}
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func (b *business) requests() []seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

func ptr[T any](v T) *T { return &v }

// observer counts results, and what was told to the log.
type observer struct {
	mu     sync.Mutex
	counts map[string]int
	errs   []error
}

func (o *observer) options(opts Options) Options {
	o.counts = map[string]int{}
	opts.Observe = func(kind, result string) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.counts[kind+" "+result]++
	}
	opts.OnError = func(_, _ string, err error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.errs = append(o.errs, err)
	}
	return opts
}

func (o *observer) count(what string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts[what]
}

func newCaller(t *testing.T, o Options) (*Caller, *observer) {
	watch := &observer{}
	c := NewCaller(watch.options(o))
	t.Cleanup(c.Close)
	return c, watch
}

var request = Request{Query: url.Values{"uuid": {"u 1"}, "userid": {"ann"}, "token": {"a&b"}}, Cookie: "s=1; t=2", ClientIP: "192.0.2.9"}

func TestConnectRequest(t *testing.T) {
	b := newBusiness(t, nil)
	c, _ := newCaller(t, Options{})
	for _, tc := range []struct {
		ns     namespace.Namespace
		target string
		header map[string]string // "" means absent
	}{
		{namespace.Namespace{ConnectCallback: ptr(b.url + "/con")}, "/con?token=a%26b&userid=ann&uuid=u+1",
			map[string]string{"Namespace": "/demo", "Accept": "application/json", "Cookie": "s=1; t=2", "X-Forwarded-For": "192.0.2.9", "Authorization": "", HeaderSignature: "", HeaderDelivery: ""}},
		{namespace.Namespace{ConnectCallback: ptr(b.url + "/con?x=1"), CallbackAuth: ptr("Basic abc")}, "/con?x=1&token=a%26b&userid=ann&uuid=u+1",
			map[string]string{"Authorization": "Basic abc"}},
		{namespace.Namespace{ConnectCallback: ptr(b.url), CallbackAuth: ptr(""), CallbackSecret: ptr("")}, "/?token=a%26b&userid=ann&uuid=u+1",
			map[string]string{"Authorization": "", HeaderSignature: ""}},
	} {
		tc.ns.Key = "/demo"
		if _, err := c.Connect(t.Context(), &tc.ns, request); err != nil {
			t.Fatal(err)
		}
		got := b.requests()
		last := got[len(got)-1]
		if last.method != "GET" || last.target != tc.target || last.body != "" {
			t.Errorf("%s %s %q, want %s", last.method, last.target, last.body, tc.target)
		}
		for name, want := range tc.header {
			if value, present := last.header[http.CanonicalHeaderKey(name)]; present != (want != "") || present && value[0] != want {
				t.Errorf("%s: header %s %q, want %q", tc.target, name, value, want)
			}
		}
	}
}

func TestConnectAnswers(t *testing.T) {
	for _, tc := range []struct {
		status int
		body   string
		want   Answer
		err    string
	}{
		{200, "", Answer{}, ""},
		{200, "plain text", Answer{}, ""},
		{200, `[1]`, Answer{}, ""},
		{200, `{"userid":"bob","rooms":["a",5,"",null,{"x":1},["y"],true]}`, Answer{UserID: "bob", Rooms: []string{"a", "5"}}, ""},
		{200, `{"userid":7,"rooms":"a"}`, Answer{UserID: "7"}, ""},
		{200, `{"userid":0,"rooms":{}}`, Answer{}, ""},
		{200, `{"userid":false}`, Answer{}, ""},
		{200, `{"userid":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, Answer{}, ""},
		{200, strings.Repeat("x", 3<<20), Answer{}, ""},
		{201, `{"userid":"bob"}`, Answer{}, "handshake fail statusCode: 201"},
		{204, "", Answer{}, "handshake fail statusCode: 204"},
		{403, "who are you", Answer{}, "handshake fail statusCode: 403"},
		{500, "", Answer{}, "handshake fail statusCode: 500"},
	} {
		b := newBusiness(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tc.status)
			_, _ = io.WriteString(w, tc.body)
		})
		c, _ := newCaller(t, Options{})
		got, err := c.Connect(t.Context(), &namespace.Namespace{Key: "/demo", ConnectCallback: &b.url}, request)
		if fmt.Sprint(got) != fmt.Sprint(tc.want) || (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err {
			t.Errorf("%d %.60s: %+v, %v", tc.status, tc.body, got, err)
		}
	}
}

// TestConnectNoAnswer: whatever goes wrong, the client hears the neutral text
// and the log the details.
func TestConnectNoAnswer(t *testing.T) {
	hang := make(chan struct{})
	b := newBusiness(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			<-hang
		case "/cut":
			conn, _, _ := w.(http.Hijacker).Hijack()
			_ = conn.Close()
		case "/garbage":
			conn, _, _ := w.(http.Hijacker).Hijack()
			_, _ = io.WriteString(conn, "what is HTTP?\r\n\r\n")
			_ = conn.Close()
		case "/half":
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"userid":"bob"`)
		}
	})
	t.Cleanup(func() { close(hang) })
	c, watch := newCaller(t, Options{Timeout: 200 * time.Millisecond, BreakerAfter: -1})
	urls := []string{b.url + "/hang", b.url + "/cut", b.url + "/garbage", b.url + "/half", "http://127.0.0.1:1/", "http://[::1", "gopher://x/"}
	for _, target := range urls {
		_, err := c.Connect(t.Context(), &namespace.Namespace{Key: "/demo", ConnectCallback: &target}, request)
		if !errors.Is(err, ErrUnavailable) || err.Error() != "handshake fail" {
			t.Errorf("%s: %v", target, err)
		}
	}
	if watch.count("connect no_answer") != len(urls) || len(watch.errs) != len(urls) {
		t.Errorf("%v, %v", watch.counts, watch.errs)
	}
}

// TestConnectSlots: calls beyond the limit wait, and give up with their time.
func TestConnectSlots(t *testing.T) {
	hang := make(chan struct{})
	b := newBusiness(t, func(http.ResponseWriter, *http.Request) { <-hang })
	c, _ := newCaller(t, Options{Timeout: 300 * time.Millisecond, Concurrency: 1})
	ns := &namespace.Namespace{Key: "/demo", ConnectCallback: &b.url}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := c.Connect(context.Background(), ns, request); !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Connect(gone, ns, request); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	wg.Wait()
	close(hang)
}

// TestRedirects: only within the host that was configured (B60).
func TestRedirects(t *testing.T) {
	other := newBusiness(t, nil)
	b := newBusiness(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/end?moved=1", http.StatusTemporaryRedirect)
		case "/get":
			http.Redirect(w, r, "/end", http.StatusSeeOther)
		case "/other":
			http.Redirect(w, r, other.url, http.StatusTemporaryRedirect)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		}
	})
	c, _ := newCaller(t, Options{})
	for path, want := range map[string]string{
		"/same": "", "/other": "handshake fail statusCode: 307", "/file": "handshake fail statusCode: 302", "/loop": "handshake fail statusCode: 302",
	} {
		target := b.url + path
		_, err := c.Connect(t.Context(), &namespace.Namespace{Key: "/demo", ConnectCallback: &target, CallbackAuth: ptr("secret")}, request)
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if got := other.requests(); len(got) != 0 {
		t.Errorf("the other host got %v", got)
	}
	// Every hop carries a signature of its own.
	s, _ := newSender(t, registry{"/demo": {Key: "/demo", CallbackSecret: ptr("key")}}, Options{})
	for _, path := range []string{"/same", "/get"} {
		if err := s.Handle(t.Context(), farewell(t, b.url+path)); err != nil {
			t.Error(err)
		}
	}
	for _, r := range b.requests() {
		if sig := r.header.Get(HeaderSignature); sig != "" {
			if err := Verify("key", sig, r.method, r.target, []byte(r.body), time.Now(), time.Minute); err != nil {
				t.Errorf("%s %s: %v", r.method, r.target, err)
			}
		} else if !strings.Contains(r.target, "uuid=") && !strings.Contains(r.target, "loop") && !strings.Contains(r.target, "moved") {
			t.Errorf("%s %s is not signed", r.method, r.target)
		}
	}
}

func TestBreaker(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var code atomic.Int64
	code.Store(503)
	b := newBusiness(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(code.Load())) })
	c, watch := newCaller(t, Options{BreakerAfter: 3, Now: func() time.Time { return now }})
	ns := &namespace.Namespace{Key: "/demo", ConnectCallback: &b.url}
	call := func() string {
		_, err := c.Connect(t.Context(), ns, request)
		if err == nil {
			return "ok"
		}
		return strings.TrimPrefix(err.Error(), "handshake fail statusCode: ")
	}
	expect := func(step string, want ...string) {
		t.Helper()
		for i, w := range want {
			if got := call(); got != w {
				t.Fatalf("%s, call %d: %s, want %s", step, i, got, w)
			}
		}
	}
	const skipped = "handshake fail"
	expect("some fail", "503", "503")
	code.Store(403) // an answer like any other
	expect("one is answered", "403")
	code.Store(504)
	expect("in a row", "504", "504", "504")
	expect("open", skipped, skipped)
	now = now.Add(time.Second)
	expect("a probe fails", "504", skipped)
	now = now.Add(time.Second)
	expect("the pause has doubled", skipped)
	now = now.Add(time.Second)
	code.Store(200)
	expect("a probe succeeds", "ok", "ok", "ok")
	code.Store(502)
	expect("it starts from zero", "502", "502", "502", skipped)
	if n := len(c.breakers.states); n != 1 {
		t.Errorf("%d states", n)
	}
	if _, err := c.Connect(t.Context(), &namespace.Namespace{Key: "/other", ConnectCallback: ptr(newBusiness(t, nil).url)}, request); err != nil {
		t.Errorf("another namespace: %v", err)
	}
	if watch.count("connect skipped") != 5 || watch.count("connect refused") != 10 || watch.count("connect accepted") != 4 {
		t.Errorf("%v", watch.counts)
	}
}

// TestBreakerProbes: one probe at a time, and a client that goes away proves
// nothing.
func TestBreakerProbes(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	b := newBreakers(1, func() time.Time { return now })
	settle, _ := b.allow("a")
	late, _ := b.allow("a")
	settle(bad)
	if _, ok := b.allow("a"); ok {
		t.Fatal("open")
	}
	late(bad) // begun before: does not prolong the pause
	now = now.Add(firstPause)
	probe, ok := b.allow("a")
	if _, second := b.allow("a"); !ok || second {
		t.Fatal("one probe", ok, second)
	}
	probe(unknown)
	if probe, ok = b.allow("a"); !ok {
		t.Fatal("the next probe may go")
	}
	probe(bad)
	for range 10 {
		now = now.Add(mostPause)
		if probe, ok = b.allow("a"); !ok {
			t.Fatal("the pause has a limit")
		}
		probe(bad)
	}
	now = now.Add(mostPause)
	probe, _ = b.allow("a")
	probe(good)
	if len(b.states) != 0 {
		t.Error("kept although it answers")
	}
	if settle, ok := newBreakers(-1, time.Now).allow("a"); !ok {
		t.Error("switched off")
	} else {
		settle(bad)
	}
}

func TestSignature(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	const secret, target, body = "whsec", "/gone?x=1", `{"query":{}}`
	sig := Signature(secret, at, "POST", target, []byte(body))
	// echo -n '1800000000.POST./gone?x=1.{"query":{}}' | openssl dgst -sha256 -hmac whsec
	if want := "t=1800000000,v1=" + opensslDigest; sig != want {
		t.Errorf("%s, want %s", sig, want)
	}
	for _, tc := range []struct {
		what, secret, sig, method, target, body string
		now                                     time.Time
		ok                                      bool
	}{
		{"as sent", secret, sig, "POST", target, body, at, true},
		{"a little later", secret, sig, "POST", target, body, at.Add(299 * time.Second), true},
		{"clock behind", secret, sig, "POST", target, body, at.Add(-299 * time.Second), true},
		{"replayed", secret, sig, "POST", target, body, at.Add(301 * time.Second), false},
		{"from the future", secret, sig, "POST", target, body, at.Add(-301 * time.Second), false},
		{"other secret", "x", sig, "POST", target, body, at, false},
		{"no secret", "", Signature("", at, "POST", target, []byte(body)), "POST", target, body, at, false},
		{"other method", secret, sig, "GET", target, body, at, false},
		{"other target", secret, sig, "POST", "/gone?x=2", body, at, false},
		{"other body", secret, sig, "POST", target, body + " ", at, false},
		{"other time", secret, strings.Replace(sig, "1800000000", "1800000001", 1), "POST", target, body, at, false},
		{"empty", secret, "", "POST", target, body, at, false},
		{"no time", secret, sig[len("t=1800000000,"):], "POST", target, body, at, false},
		{"no number", secret, "t=x,v1=00", "POST", target, body, at, false},
		{"cut", secret, sig[:len(sig)-2], "POST", target, body, at, false},
		{"no hex", secret, "t=1800000000,v1=zz", "POST", target, body, at, false},
	} {
		if err := Verify(tc.secret, tc.sig, tc.method, tc.target, []byte(tc.body), tc.now, 5*time.Minute); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.what, err)
		}
	}
	b := newBusiness(t, nil)
	c, _ := newCaller(t, Options{Now: func() time.Time { return at }})
	if _, err := c.Connect(t.Context(), &namespace.Namespace{Key: "/demo", ConnectCallback: ptr(b.url + "/in?x=é"), CallbackSecret: ptr(secret)}, request); err != nil {
		t.Fatal(err)
	}
	r := b.requests()[0]
	if err := Verify(secret, r.header.Get(HeaderSignature), r.method, r.target, nil, at, 0); err != nil {
		t.Errorf("%s %s: %v", r.target, r.header.Get(HeaderSignature), err)
	}
}

const opensslDigest = "fb85538bed142cf7cad070edd56aa1c211afed88c295241b723726471eb03212"

func FuzzVerify(f *testing.F) {
	f.Add("t=1,v1=00")
	f.Add(Signature("s", time.Unix(5, 0), "GET", "/", nil))
	f.Fuzz(func(t *testing.T, sig string) {
		if Verify("another", sig, "GET", "/", nil, time.Unix(5, 0), time.Hour) == nil {
			t.Errorf("accepted %q", sig)
		}
	})
}

func TestNewFarewell(t *testing.T) {
	if f, err := NewFarewell(&namespace.Namespace{Key: "/demo", DisconnectCallback: ptr("")}, request); f != "" || err != nil {
		t.Error(f, err)
	}
	ns := &namespace.Namespace{Key: "/demo", DisconnectCallback: ptr("http://h/gone"), CallbackAuth: ptr("secret"), CallbackSecret: ptr("secret")}
	text, err := NewFarewell(ns, request)
	if want := `{"ns":"/demo","url":"http://h/gone","query":{"token":"a\u0026b","userid":"ann","uuid":"u 1"},"cookie":"s=1; t=2","ip":"192.0.2.9"}`; text != want || err != nil {
		t.Errorf("%s, %v", text, err)
	}
	big := Request{Query: url.Values{"x": {strings.Repeat("x", farewellMax)}}}
	if _, err := NewFarewell(ns, big); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

type registry map[string]*namespace.Namespace

func (r registry) Get(key string) (*namespace.Namespace, bool) {
	ns, ok := r[key]
	return ns, ok
}

func newSender(t *testing.T, r registry, o Options) (*Sender, *observer) {
	watch := &observer{}
	s := NewSender(r, watch.options(o))
	t.Cleanup(s.Close)
	return s, watch
}

func farewell(t *testing.T, target string) queue.Job {
	t.Helper()
	body, err := NewFarewell(&namespace.Namespace{Key: "/demo", DisconnectCallback: &target}, request)
	if err != nil {
		t.Fatal(err)
	}
	return queue.Job{ID: "/demo#ann#web-u 1|77", Body: []byte(body)}
}

func TestSender(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	b := newBusiness(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-hang
		}
		var code int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &code); err == nil {
			w.WriteHeader(code)
		}
	})
	all := registry{"/demo": {Key: "/demo", CallbackAuth: ptr("Basic abc"), CallbackSecret: ptr("key"), Offline: true}}
	for _, tc := range []struct {
		target, result string
		err            string
	}{
		{b.url + "/gone?x=1", ResultDelivered, ""},
		{b.url + "/204", ResultDelivered, ""},
		{b.url + "/302", ResultDelivered, ""},
		{b.url + "/404", ResultDelivered, ""},
		{b.url + "/408", ResultRepeat, "answered 408"},
		{b.url + "/429", ResultRepeat, "answered 429"},
		{b.url + "/500", ResultRepeat, "answered 500"},
		{b.url + "/503", ResultRepeat, "answered 503"},
		{b.url + "/hang", ResultNoAnswer, "no answer"},
		{"http://127.0.0.1:1/", ResultNoAnswer, "no answer"},
		{"http://[::1", ResultNoAnswer, "no answer"},
	} {
		s, watch := newSender(t, all, Options{Timeout: 200 * time.Millisecond})
		err := s.Handle(t.Context(), farewell(t, tc.target))
		if (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err || watch.count("disconnect "+tc.result) != 1 {
			t.Errorf("%s: %v, %v", tc.target, err, watch.counts)
		}
	}
	first := b.requests()[0]
	var body struct{ Query map[string]string }
	if err := json.Unmarshal([]byte(first.body), &body); err != nil || fmt.Sprint(body.Query) != "map[token:a&b userid:ann uuid:u 1]" {
		t.Errorf("%s, %v", first.body, err)
	}
	for name, want := range map[string]string{
		"Namespace": "/demo", "Content-Type": "application/json", "Accept": "application/json", "Authorization": "Basic abc",
		"Cookie": "s=1; t=2", "X-Forwarded-For": "192.0.2.9", HeaderDelivery: "/demo#ann#web-u 1|77",
	} {
		if got := first.header.Get(name); got != want {
			t.Errorf("header %s %q, want %q", name, got, want)
		}
	}
	if err := Verify("key", first.header.Get(HeaderSignature), "POST", "/gone?x=1", []byte(first.body), time.Now(), time.Minute); err != nil {
		t.Error(err)
	}
	// A namespace that is gone is called without credentials (B25).
	s, _ := newSender(t, registry{}, Options{})
	if err := s.Handle(t.Context(), farewell(t, b.url)); err != nil {
		t.Fatal(err)
	}
	got := b.requests()
	if last := got[len(got)-1]; last.header.Get("Authorization")+last.header.Get(HeaderSignature) != "" || last.method != "POST" {
		t.Errorf("%+v", last)
	}
	for _, bad := range []string{"", "{}", "nonsense", `{"url":5}`, `{"url":""}`} {
		if err := s.Handle(t.Context(), queue.Job{ID: "x", Body: []byte(bad)}); !errors.Is(err, queue.ErrBury) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestSenderShare: a business system that hangs does not take the places of
// others.
func TestSenderShare(t *testing.T) {
	hang, arrived := make(chan struct{}), make(chan struct{}, 10)
	slow := newBusiness(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-hang })
	quick := newBusiness(t, nil)
	s, watch := newSender(t, registry{}, Options{Concurrency: 4})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if err := s.Handle(context.Background(), farewell(t, slow.url)); err != nil {
				t.Error(err)
			}
		})
	}
	<-arrived
	<-arrived
	var again *queue.RetryError
	if err := s.Handle(t.Context(), farewell(t, slow.url)); !errors.As(err, &again) || again.After < delayed || again.After > 2*delayed || watch.count("disconnect delayed") != 1 {
		t.Errorf("%v, %v", err, watch.counts)
	}
	other, err := NewFarewell(&namespace.Namespace{Key: "/other", DisconnectCallback: &quick.url}, request)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Handle(t.Context(), queue.Job{ID: "x", Body: []byte(other)}); err != nil {
		t.Error(err)
	}
	close(hang)
	wg.Wait()
	if err := s.Handle(t.Context(), farewell(t, quick.url)); err != nil || len(s.underway) != 0 {
		t.Errorf("%v, %v", err, s.underway)
	}
}
