package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/bcrypt"

	"github.com/lightpush/lightpush/internal/leaktest"
	"github.com/lightpush/lightpush/internal/name"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/logic/report"
	"github.com/lightpush/lightpush/logic/report/reporttest"
)

// TestMain fails the run when a goroutine is left behind.
func TestMain(m *testing.M) { os.Exit(leaktest.Run(m, transport.CloseIdleConnections)) }

var (
	transport  = &http.Transport{DisableCompression: true}
	httpClient = &http.Client{Transport: transport, Timeout: 30 * time.Second}
)

const (
	password = "123456"
	tenantOK = "/demo:" + password
	adminOK  = "root:s3cret:with:colons"
)

// passwordHash is what namespace.HashPassword makes of password, at the lowest
// cost: every server of the tests verifies it once.
var passwordHash = sync.OnceValue(func() string { return cheapHash(password) })

func cheapHash(password string) string {
	sum := sha256.Sum256([]byte(password))
	hash, err := bcrypt.GenerateFromPassword([]byte(base64.StdEncoding.EncodeToString(sum[:])), bcrypt.MinCost)
	if err != nil {
		panic(err)
	}
	return string(hash)
}

// namespaces is a namespace.Store in memory.
type namespaces struct {
	mu   sync.Mutex
	all  map[string]*namespace.Namespace
	fail error
}

func (n *namespaces) LoadNamespaces(context.Context) ([]*namespace.Namespace, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		return nil, n.fail
	}
	var list []*namespace.Namespace
	for _, ns := range n.all {
		list = append(list, ns)
	}
	return list, nil
}

func (n *namespaces) UpdateNamespace(_ context.Context, key string, change func(*namespace.Namespace) (*namespace.Namespace, error)) (*namespace.Namespace, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		return nil, n.fail
	}
	saved, err := change(n.all[key])
	if err == nil {
		n.all[key] = saved
	}
	return saved, err
}

func (n *namespaces) get(key string) *namespace.Namespace {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all[key]
}

// pushes is a Pusher that keeps what it gets.
type pushes struct {
	mu     sync.Mutex
	last   push.Request
	ns     string
	n      int64
	fail   error
	panics any
}

func (p *pushes) Push(ctx context.Context, ns *namespace.Namespace, req push.Request) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.panics != nil {
		panic(p.panics)
	}
	if errors.Is(p.fail, errHang) {
		<-ctx.Done()
		return 0, fmt.Errorf("accept: %w", ctx.Err())
	}
	if p.fail != nil {
		return 0, p.fail
	}
	p.n++
	p.last, p.ns = req, ns.Key
	return p.n, nil
}

func (p *pushes) set(fail error, panics any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail, p.panics = fail, panics
}

var errHang = errors.New("hang")

type administrator struct{}

func (administrator) Verify(name, password string) bool { return name+":"+password == adminOK }
func (administrator) Named(name string) bool            { return name == "root" }
func (administrator) Mark() string                      { return adminOK }

// observations counts what the Observer hears.
type observations struct {
	mu     sync.Mutex
	counts map[string]int
}

func (o *observations) Answered(route, method string, status, code int, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts[fmt.Sprintf("%s %s %d %d", method, route, status, code)]++
}

func (o *observations) LoginFailed(admin, limited bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts[fmt.Sprintf("login admin=%v limited=%v", admin, limited)]++
}

func (o *observations) Limited(limit string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts["limited "+limit]++
}

func (o *observations) get(key string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts[key]
}

// logs is a log that can be read while it is written.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// server is an API on a real port with everything behind it in memory.
type server struct {
	url        string
	namespaces *namespaces
	registry   *namespace.Registry
	reports    *reporttest.Store
	pushes     *pushes
	devices    *devices
	observed   *observations
	log        *logs
}

// newServer has the tenants /demo and /other with the same password, and
// /closed, which is offline, /bare without a password, and the root.
func newServer(t *testing.T, change ...func(*Options)) *server {
	t.Helper()
	named := "Demo <&>"
	hash := passwordHash()
	s := &server{
		namespaces: &namespaces{all: map[string]*namespace.Namespace{
			"/demo": {
				Key: "/demo", Name: &named, PasswdHash: hash, UpdateDate: 1795165647740,
				APNs: []namespace.APNsProfile{{Name: "default", Env: "production", TokenKey: "very secret"}},
			},
			"/other":  {Key: "/other", PasswdHash: hash, UpdateDate: 1},
			"/closed": {Key: "/closed", PasswdHash: hash, UpdateDate: 2, Offline: true},
			"/bare":   {Key: "/bare", UpdateDate: 3},
			"/":       {Key: "/", PasswdHash: hash, UpdateDate: 4},
		}},
		reports: reporttest.New(), pushes: &pushes{}, devices: newDevices(), log: &logs{},
		observed: &observations{counts: map[string]int{}},
	}
	s.registry = namespace.NewRegistry(s.namespaces, time.Hour, nil)
	if err := s.registry.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.registry.Close)
	o := Options{
		Namespaces: s.registry, Push: s.pushes, Devices: s.devices, Admin: administrator{},
		Reports:        report.New(s.reports, report.Options{}),
		Rules:          push.Rules{Names: name.DefaultRules(), Expire: 1, ExpireMax: 10, APSDataSize: 4000},
		AllowedOrigins: []string{"*"},
		// Tests fail to log in all the time.
		FailuresPerMinute: -1,
		Logger:            zerolog.New(s.log), Observer: s.observed,
	}
	for _, f := range change {
		f(&o)
	}
	api, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(api)
	t.Cleanup(listener.Close)
	s.url = listener.URL
	return s
}

type answer struct {
	status int
	header http.Header
	body   string
}

type with func(*http.Request)

func auth(credential string) with {
	return header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credential)))
}

func header(key, value string) with {
	return func(r *http.Request) { r.Header.Set(key, value) }
}

func typed(contentType, body string) with {
	return func(r *http.Request) {
		r.Body = io.NopCloser(strings.NewReader(body))
		r.ContentLength = int64(len(body))
		r.Header.Set("Content-Type", contentType)
	}
}

func jsonBody(body string) with { return typed("application/json", body) }
func formBody(body string) with { return typed("application/x-www-form-urlencoded", body) }

// do sends a request and holds the answer against doc/openapi.yaml and the
// rules for headers.
func (s *server) do(t *testing.T, method, path string, options ...with) answer {
	t.Helper()
	req, err := http.NewRequest(method, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range options {
		option(req)
	}
	res, err := httpClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	checkHeaders(t, req, res)
	checkDocumented(t, req, res, body)
	return answer{status: res.StatusCode, header: res.Header, body: string(body)}
}

var responseTime = regexp.MustCompile(`^[0-9]+ms$`)

// checkHeaders: every answer, an error too, has all of them (B47).
func checkHeaders(t *testing.T, req *http.Request, res *http.Response) {
	t.Helper()
	h := res.Header
	if got := h.Get("from"); got != "light-push" {
		t.Errorf("%s %s: from = %q", req.Method, req.URL.Path, got)
	}
	if got := h.Get("X-Response-Time"); !responseTime.MatchString(got) {
		t.Errorf("%s %s: X-Response-Time = %q", req.Method, req.URL.Path, got)
	}
	origin, ok := h["Access-Control-Allow-Origin"]
	if !ok || len(origin) != 1 || origin[0] != req.Header.Get("Origin") {
		t.Errorf("%s %s: Access-Control-Allow-Origin = %q, want %q", req.Method, req.URL.Path, origin, req.Header.Get("Origin"))
	}
	if got := h.Get("Access-Control-Allow-Credentials"); got != "true" {
		t.Errorf("%s %s: Access-Control-Allow-Credentials = %q", req.Method, req.URL.Path, got)
	}
	if len(h.Get("X-Request-Id")) != 24 {
		t.Errorf("%s %s: X-Request-Id = %q", req.Method, req.URL.Path, h.Get("X-Request-Id"))
	}
	want := typeJSON
	if res.StatusCode == http.StatusOK && (req.Method == http.MethodOptions || strings.Contains(strings.ToLower(req.URL.Path), "/health")) {
		want = typeText
	}
	if res.StatusCode == http.StatusNoContent {
		want = ""
	}
	if got := h.Get("Content-Type"); got != want {
		t.Errorf("%s %s: Content-Type = %q, want %q", req.Method, req.URL.Path, got, want)
	}
	if res.StatusCode == http.StatusServiceUnavailable && h.Get("Retry-After") != "1" {
		t.Errorf("%s %s: Retry-After = %q, want 1", req.Method, req.URL.Path, h.Get("Retry-After"))
	}
}

// want fails the test unless the answer is that status and body.
func (a answer) want(t *testing.T, what string, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("%s: %d %s, want %d %s", what, a.status, clip(a.body), status, body)
	}
}

// refused is the body of a failure.
func refused(code int, msg string) string {
	b, err := marshal(&Failure{Code: code, Msg: msg})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func clip(s string) string {
	if len(s) > 500 {
		return s[:500] + "…"
	}
	return s
}

func itoa(n int) string { return strconv.Itoa(n) }
