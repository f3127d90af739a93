package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/apnsgateway"
	"github.com/lightpush/lightpush/test/contract"
)

// contractSeed begins the same run every time; CONTRACT_SEED and CONTRACT_REQUESTS ask for another one.
const (
	contractSeed     = 20261120
	contractRequests = 10_000
	contractWorkers  = 4
	restoreEvery     = 400 // requests
)

// contractSite is everything in one process on the embedded store, full of secrets.
type contractSite struct {
	tb      testing.TB
	base    string
	site    *contract.Site
	secrets []string
	output  *lockedBuffer
	client  *http.Client
	stop    func()

	tokenKey string   // of APNs
	limits   []string // fields of a namespace that are numbers
}

// keyName is that of the API keys that are not to be removed.
const keyName = "kept"

// mark is in every secret, so that it can be looked for.
const mark = "Canary7Zq"

func newContractSite(tb testing.TB, document *contract.Document) *contractSite {
	tb.Helper()
	values := maps.Clone(contractValues)
	var limits []string
	for name, property := range document.T.Components.Schemas["NamespacePatch"].Value.Properties {
		if number := property.Value.Type; number.Includes("integer") || number.Includes("number") {
			limits, values[name] = append(limits, name), []any{0, nil}
		}
	}
	s := &contractSite{tb: tb, output: &lockedBuffer{}, client: &http.Client{Timeout: 30 * time.Second}, secrets: []string{mark}, limits: limits}
	secret := func(name string) string { return name + mark + strings.Repeat("x", 32) }
	var stdout lockedBuffer
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"--listen", "127.0.0.1:0", "--data-dir", filepath.Join(tb.TempDir(), "data")}, []string{
			"LIGHTPUSH_LOG_LEVEL=debug", "LIGHTPUSH_LOG_FORMAT=json", "LIGHTPUSH_ADMIN_PASSWD=" + secret("admin"),
			"LIGHTPUSH_VIEWER_NAME=viewer", "LIGHTPUSH_VIEWER_PASSWD=" + secret("viewer"),
			"LIGHTPUSH_SECRET_KEY=" + strings.Repeat("0123456789abcdef", 4), "LIGHTPUSH_APNS_HOST=https://127.0.0.1:1",
			"LIGHTPUSH_AUTH_FAILURES_PER_MINUTE=100000", "LIGHTPUSH_REQUESTS_PER_SECOND=0", "LIGHTPUSH_TRUSTED_PROXIES=127.0.0.1/32",
			"LIGHTPUSH_PINGINTERVAL=3600000", "LIGHTPUSH_CALLBACK_TIMEOUT=1000", "LIGHTPUSH_APNS_TIMEOUT=1000",
			"LIGHTPUSH_SHUTDOWN_TIMEOUT=5000",
		}, &stdout, s.output)
	}()
	ready := regexp.MustCompile(`(?m)^  REST API   (http://\S+)/api/$`)
	for deadline := time.Now().Add(30 * time.Second); s.base == ""; time.Sleep(5 * time.Millisecond) {
		if m := ready.FindStringSubmatch(stdout.String()); m != nil {
			s.base = m[1]
		} else if time.Now().After(deadline) {
			cancel()
			tb.Fatalf("not ready:\n%s%s", stdout.String(), s.output.String())
		}
	}
	s.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case code := <-done:
			if code != 0 {
				tb.Errorf("exit code %d", code)
			}
		case <-time.After(30 * time.Second):
			tb.Error("does not stop")
		}
		s.client.CloseIdleConnections()
	})
	tb.Cleanup(s.stop)
	s.site = &contract.Site{
		Host: strings.TrimPrefix(s.base, "http://"), Namespace: "/contract", Password: secret("namespace"),
		Admin: "admin", AdminPass: secret("admin"), Values: values,
	}
	key, _, err := apnsgateway.NewTokenKey()
	if err != nil {
		tb.Fatal(err)
	}
	s.tokenKey = key
	s.secrets = append(s.secrets, strings.Split(key, "\n")[1])
	if err := s.restore(); err != nil {
		tb.Fatal(err)
	}
	for _, scope := range []string{"push", "read", "admin"} {
		var key struct{ Key string }
		if _, err := s.call(http.MethodPost, "/api/auth/apikeys", s.namespace, map[string]any{"name": keyName, "scope": scope}, &key); err != nil {
			tb.Fatal(err)
		}
		s.site.Keys = append(s.site.Keys, key.Key)
		s.secrets = append(s.secrets, key.Key)
	}
	return s
}

func (s *contractSite) namespace(r *http.Request) { r.SetBasicAuth(s.site.Namespace, s.site.Password) }
func (s *contractSite) admin(r *http.Request)     { r.SetBasicAuth(s.site.Admin, s.site.AdminPass) }

// call sends one request that must succeed. While a namespace is being cleared it waits.
func (s *contractSite) call(method, path string, with func(*http.Request), body, answer any) (*http.Response, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		req, err := http.NewRequest(method, s.base+path, bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		with(req)
		res, err := s.client.Do(req)
		if err != nil {
			return nil, err
		}
		got, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		switch {
		case err != nil:
			return nil, err
		case res.StatusCode == http.StatusServiceUnavailable && time.Now().Before(deadline):
			continue
		case res.StatusCode >= 300:
			return nil, fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, got)
		case answer != nil:
			err = json.Unmarshal(got, answer)
		}
		return res, err
	}
}

// reset makes the password of the namespace known again.
func (s *contractSite) reset() error {
	_, err := s.call(http.MethodPost, "/api/admin/namespace/save", s.admin, map[string]any{"key": s.site.Namespace, "auth_passwd": s.site.Password}, nil)
	return err
}

// restore undoes what requests have done to the site that would make the next ones pointless. One that is under way may
// change the password once more.
func (s *contractSite) restore() (err error) {
	for range 5 {
		if err = s.restoreOnce(); err == nil {
			break
		}
	}
	return err
}

func (s *contractSite) restoreOnce() error {
	admin, owner := s.admin, s.namespace
	victim := func(r *http.Request) { r.SetBasicAuth("/victim", s.site.Password) }
	var problems []error
	post := func(path string, with func(*http.Request), body map[string]any) {
		_, err := s.call(http.MethodPost, path, with, body, nil)
		problems = append(problems, err)
	}
	for _, key := range []string{s.site.Namespace, "/victim"} {
		fields := map[string]any{
			"key": key, "auth_passwd": s.site.Password, "auth": "open", "callback_auth": "Bearer " + mark, "callback_secret": "sign" + mark,
			"viewer_passwd": "reader" + mark, "auth_key": "jwt" + mark + strings.Repeat("y", 32), "auth_jwks": "", "auth_audience": "",
			"client_push": "on", "connect_callback": "", "disconnect_callback": "",
			"apns_list": []any{map[string]string{
				"name": "default", "apns_host": "https://127.0.0.1:1", "apns_topic": "com.example.app", "token_key": s.tokenKey, "token_keyId": "K", "token_teamId": "T",
			}},
		}
		for _, limit := range s.limits {
			fields[limit] = 0
		}
		post("/api/admin/namespace/save", admin, fields)
	}
	post("/api/auth/namespace/save", victim, map[string]any{"offline": "on"})
	post("/api/auth/namespace/save", owner, map[string]any{"offline": "off"})
	var session struct{ CSRF string }
	login := map[string]any{"name": s.site.Admin, "password": s.site.AdminPass}
	res, err := s.call(http.MethodPost, "/api/console/login", func(*http.Request) {}, login, &session)
	if err != nil {
		return err
	}
	for _, cookie := range res.Cookies() {
		s.site.Cookie, s.site.CSRF = cookie.Name+"="+cookie.Value, session.CSRF
		s.secrets = append(s.secrets, cookie.Value)
	}
	problems = append(problems, s.device())
	var list struct{ List []struct{ ID, Name string } }
	_, err = s.call(http.MethodGet, "/api/auth/apikeys", owner, nil, &list)
	problems = append(problems, err)
	s.site.Values["removeAPIKey.id"] = nil
	for _, key := range list.List {
		if key.Name != keyName {
			s.site.Values["removeAPIKey.id"] = append(s.site.Values["removeAPIKey.id"], key.ID)
		}
	}
	for range 3 {
		post("/api/auth/push", owner, map[string]any{"room": "news", "pushData": map[string]any{"a": 1}, "leaveMessage": true})
	}
	return errors.Join(problems...)
}

// device connects a device and lets it join a room. It is never heard of again, nor missed: pings come once an hour.
func (s *contractSite) device() error {
	url := s.base + "/socket.io/?EIO=4&transport=polling&userid=ann&uuid=a1&platform=android"
	poll := func(method, url, body string) (string, error) {
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			return "", err
		}
		res, err := s.client.Do(req)
		if err != nil {
			return "", err
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s %s: %d %s", method, url, res.StatusCode, text)
		}
		return string(text), err
	}
	opened, err := poll(http.MethodGet, url, "")
	if err != nil {
		return err
	}
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(opened, "0")), &open); err != nil {
		return err
	}
	url += "&sid=" + open.SID
	for _, step := range [][2]string{{http.MethodPost, "40" + s.site.Namespace + ","}, {http.MethodGet, ""}, {http.MethodPost, `42` + s.site.Namespace + `,1["joinRoom","news"]`}} {
		if _, err := poll(step[0], url, step[1]); err != nil {
			return err
		}
	}
	return nil
}

// contractValues are what exists on the site, and what must stay harmless: nothing may be called but a closed port of
// this machine, and nothing locks the next request out.
var contractValues = map[string][]any{
	"room": {"news", "r1", "user_ann"}, "targetRoom": {"r2"}, "sourceRooms": {"news", "r1"},
	"client.id": {"/contract#ann#android-a1", "/contract#bob#web-b1"}, "id": {"/contract#ann#android-a1"}, "clientId": {"/contract#ann#android-a1"},
	"message.id": {"1", "2"}, "receipts.id": {"1", "2"}, "messages.id": {"1"}, "messageTrace.id": {"1"}, "userMessages.id": {"ann"}, "room.name": {"news"}, "roomClients.name": {"news"},
	"cursor": {""}, "from": {""}, "to": {""}, "user": {"ann"}, "userid": {"bob"}, "uuid": {"b1"},
	"namespace": {"contract", "/contract"}, "clearRealtime.namespace": {"victim"}, "saveNamespace.key": {"/spare", "spare2"}, "key": {"victim", "%2Fvictim"}, "listNamespaces.key": {"contract"},
	"auth_passwd": {"******", nil}, "viewer_passwd": {"******", nil}, "callback_auth": {"******"}, "callback_secret": {"******"}, "auth_key": {"******"},
	"auth_key_old": {"******"}, "auth": {"open", ""}, "auth_jwks": {""}, "auth_audience": {""}, "connect_callback": {"", "http://127.0.0.1:1/c"},
	"disconnect_callback": {"", "http://127.0.0.1:1/d"}, "apns_host": {"", "https://127.0.0.1:1"}, "apns_expiration": {""},
	"apns_dev_cert": {"******"}, "apns_dev_key": {"******"}, "apns_production_cert": {"******"}, "apns_production_key": {"******"}, "token_key": {"******"}, "token_keyId": {"K"}, "token_teamId": {"T"},
	"apns_list": {[]any{}, nil}, "saveOwnNamespace.offline": {"off"}, "consoleLogin.name": {"/contract", "admin"}, "consoleLogin.password": {"x"}, "prefix": {"", "/push-logic"},
	"apnsName": {"", "default"}, "except": {"/contract#ann#android-a1"}, "deviceToken": {"aa11"}, "ids": {"1"}, "Idempotency-Key": {"k1", "k2"},
}

// TestContract sends requests made from doc/openapi.yaml, valid, nearly valid and hostile, and holds every answer
// against the document.
func TestContract(t *testing.T) {
	document, err := contract.Load("../../doc/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	seed, count := numberOf(t, "CONTRACT_SEED", contractSeed), numberOf(t, "CONTRACT_REQUESTS", contractRequests)
	if raceDetector && os.Getenv("CONTRACT_REQUESTS") == "" {
		count /= 5
	}
	fmt.Printf("contract: CONTRACT_SEED=%d CONTRACT_REQUESTS=%d\n", seed, count)
	site := newContractSite(t, document)
	g := &contract.Generator{Document: document, Site: site.site}
	var mu sync.Mutex
	statuses, served, problems := map[int]int{}, map[string]int{}, 0
	var next atomic.Uint64
	var workers sync.WaitGroup
	for range contractWorkers {
		workers.Go(func() {
			client := &contract.Client{Host: site.site.Host, Timeout: 30 * time.Second}
			defer client.Close()
			for {
				n := next.Add(1) - 1
				mu.Lock()
				if n >= count || problems > 40 {
					mu.Unlock()
					return
				}
				if n%restoreEvery == restoreEvery-1 {
					if err := site.restore(); err != nil {
						t.Error(err)
					}
				}
				r := g.Next(contract.FromSeed(seed, n))
				mu.Unlock()
				res, err := client.Do(r)
				mu.Lock()
				if err != nil {
					t.Errorf("request %d, %s: %v", n, r, err)
					problems++
				} else {
					statuses[res.Status]++
					if res.Status < 300 && r.Route != nil {
						served[r.Route.Name()]++
					}
					if res.Status == http.StatusOK && bytes.Contains(r.Body, []byte("auth_passwd")) {
						if err := site.reset(); err != nil {
							t.Error(err)
						}
					}
					for _, problem := range document.Check(r, res, site.secrets) {
						t.Errorf("request %d: %s\n  %s\n  %d %.300s", n, problem, r, res.Status, res.Body)
						problems++
					}
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	if t.Failed() {
		return
	}
	// No password of the console is among the values, test notifications are limited to ten a minute, and chance has a
	// share in the others.
	var unserved []string
	for _, route := range document.Routes {
		if served[route.Name()] == 0 && !route.Slow() {
			unserved = append(unserved, route.Name())
		}
	}
	if len(unserved) > len(document.Routes)/8 && count >= contractRequests/5 {
		t.Errorf("never served: %q: the requests of this test are not good enough", unserved)
	}
	log := site.output.String()
	for _, bad := range append([]string{"panicked", "panic serving"}, site.secrets...) {
		if at := strings.Index(log, bad); at >= 0 {
			t.Errorf("the log has %q:\n%s", bad, log[max(0, at-500):min(len(log), at+1500)])
		}
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	var list []string
	for status, n := range statuses {
		list = append(list, fmt.Sprintf("%d: %d", status, n))
	}
	sort.Strings(list)
	t.Logf("answers by status: %s; never served: %q; %d MiB of heap", strings.Join(list, ", "), unserved, memory.HeapSys>>20)
}

func numberOf(tb testing.TB, variable string, otherwise uint64) uint64 {
	tb.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// FuzzContract lets the fuzzer decide what the requests look like.
func FuzzContract(f *testing.F) {
	document, err := contract.Load("../../doc/openapi.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for n := range byte(8) {
		f.Add([]byte{n * 31, 7, n, 99, n, 3})
	}
	site := newContractSite(f, document)
	g := &contract.Generator{Document: document, Site: site.site}
	sent := 0
	f.Fuzz(func(t *testing.T, choices []byte) {
		if sent++; sent%restoreEvery == 0 {
			if err := site.restore(); err != nil {
				t.Fatal(err)
			}
		}
		r := g.Next(contract.FromBytes(choices))
		client := &contract.Client{Host: site.site.Host, Timeout: 30 * time.Second}
		defer client.Close()
		res, err := client.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", r, err)
		}
		for _, problem := range document.Check(r, res, site.secrets) {
			t.Errorf("%s\n  %s\n  %d %.300s", problem, r, res.Status, res.Body)
		}
	})
}
