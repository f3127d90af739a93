package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	clientauth "github.com/lightpush/lightpush/internal/auth"
)

// accessStore keeps revocations and uses of keys in memory.
type accessStore struct {
	mu      sync.Mutex
	revoked map[string]clientauth.Revocation
	used    map[string]int64
	touches int
	fail    error
}

func (s *accessStore) Revocations(context.Context) ([]clientauth.Revocation, error) { return nil, nil }

func (s *accessStore) SaveRevocation(_ context.Context, r clientauth.Revocation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked[r.Namespace+string(r.Kind)+r.Value] = r
	return s.fail
}

func (s *accessStore) TouchAPIKey(_ context.Context, id string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touches++
	s.used[id] = at.UnixMilli()
	return s.fail
}

func (s *accessStore) APIKeyUse(_ context.Context, ids []string) ([]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := make([]int64, len(ids))
	for i, id := range ids {
		used[i] = s.used[id]
	}
	return used, s.fail
}

func (s *accessStore) ForgetAPIKey(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.used, id)
	return s.fail
}

func withAccessStore(store *accessStore) func(*Options) {
	store.revoked, store.used = map[string]clientauth.Revocation{}, map[string]int64{}
	return func(o *Options) {
		o.Access = &AccessOptions{Revocations: clientauth.NewRevocations(store, time.Hour, nil), Keys: store}
	}
}

func bearerOf(key string) with { return header("Authorization", "Bearer "+key) }

// newKey creates a key and returns its id and text.
func (s *server) newKey(t *testing.T, scope string) (id, text string) {
	t.Helper()
	a := s.do(t, "POST", "/api/auth/apikeys", auth(tenantOK), jsonBody(fmt.Sprintf(`{"name":"ci","scope":%q}`, scope)))
	var made struct{ ID, Key, Scope, By string }
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.status != 200 || !strings.HasPrefix(made.Key, "lpk_") || made.Scope != scope || made.By != "/demo" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return made.ID, made.Key
}

func TestAPIKeys(t *testing.T) {
	store := &accessStore{}
	s := newServer(t, withAccessStore(store))
	pushID, pushKey := s.newKey(t, "push")
	_, readKey := s.newKey(t, "read")
	_, adminKey := s.newKey(t, "admin")
	const pushed = `{"room":"r","pushData":{"n":1}}`
	forbidden, unknown := refused(1010, "api key may not do this"), refused(1009, "api key invalid")
	for _, c := range []struct {
		what, key, method, path, body string
		status                        int
		answer                        string // "" for any
	}{
		{"push pushes", pushKey, "POST", "/api/auth/push", pushed, 200, `{"id":1}`},
		{"push logs in", pushKey, "POST", "/api/auth/login", `{}`, 200, `{}`},
		{"push reads", pushKey, "GET", "/api/auth/namespace", "", 403, forbidden},
		{"push makes keys", pushKey, "POST", "/api/auth/apikeys", `{"name":"x","scope":"admin"}`, 403, forbidden},
		{"push revokes", pushKey, "POST", "/api/auth/revoke", `{"userid":"joe"}`, 403, forbidden},
		{"read reads", readKey, "GET", "/api/auth/namespace", "", 200, ""},
		{"read lists keys", readKey, "GET", "/api/auth/apikeys", "", 200, ""},
		{"read pushes", readKey, "POST", "/api/auth/push", pushed, 403, forbidden},
		{"read saves", readKey, "POST", "/api/auth/namespace/save", `{"name":"x"}`, 403, forbidden},
		{"admin saves", adminKey, "POST", "/api/auth/namespace/save", `{"name":"x"}`, 200, `{}`},
		{"admin pushes", adminKey, "POST", "/api/auth/push", pushed, 200, `{"id":2}`},
		{"admin of one namespace only", adminKey, "GET", "/api/admin/namespace/list", "", 403, forbidden},
		{"cut off", adminKey[:len(adminKey)-1], "GET", "/api/auth/namespace", "", 401, unknown},
		{"changed", adminKey[:len(adminKey)-2] + "AA", "GET", "/api/auth/namespace", "", 401, unknown},
		{"of another id", strings.Replace(adminKey, "lpk_", "lpk_x", 1), "GET", "/api/auth/namespace", "", 401, unknown},
		{"too long", "lpk_" + strings.Repeat("A", 5000), "GET", "/api/auth/namespace", "", 401, unknown},
		{"probing for routes", pushKey, "GET", "/api/auth/nothing", "", 403, forbidden},
	} {
		options := []with{bearerOf(c.key)}
		if c.body != "" {
			options = append(options, jsonBody(c.body))
		}
		a := s.do(t, c.method, c.path, options...)
		if a.status != c.status || c.answer != "" && a.body != c.answer {
			t.Errorf("%s: %d %s", c.what, a.status, a.body)
		}
	}
	if store.touches != 3 {
		t.Errorf("%d writes for the use of three keys", store.touches)
	}
	list := s.do(t, "GET", "/api/auth/apikeys", auth(tenantOK)).body
	stored, _ := json.Marshal(s.namespaces.get("/demo"))
	for _, key := range []string{pushKey, readKey, adminKey} {
		if strings.Contains(list, key) || strings.Contains(string(stored), key) || strings.Contains(s.log.String(), key) {
			t.Error("the text of a key can be read somewhere")
		}
	}
	if strings.Contains(list, `"hash"`) || strings.Count(list, `"last_used":0`) != 0 {
		t.Errorf("list %s", list)
	}
	s.do(t, "POST", "/api/auth/apikeys/remove", auth(tenantOK), jsonBody(fmt.Sprintf(`{"id":%q}`, pushID))).want(t, "remove", 200, "{}")
	s.do(t, "POST", "/api/auth/push", bearerOf(pushKey), jsonBody(pushed)).want(t, "removed", 401, unknown)
	s.do(t, "POST", "/api/auth/apikeys/remove", auth(tenantOK), jsonBody(fmt.Sprintf(`{"id":%q}`, pushID))).
		want(t, "remove again", 400, refused(9999, "api key not found"))
	for body, text := range map[string]string{
		`{}`: "name must be a text without control characters", `{"name":"a\r\nb","scope":"push"}`: "name must be a text without control characters",
		`{"name":"a"}`: "scope must be push, read or admin", `{"name":"a","scope":"root"}`: "scope must be push, read or admin",
		`{"name":"` + strings.Repeat("x", 101) + `"}`: "name must be at most 100 bytes",
	} {
		s.do(t, "POST", "/api/auth/apikeys", auth(tenantOK), jsonBody(body)).want(t, body, 400, refused(9999, text))
	}
	for range 48 {
		s.newKey(t, "read")
	}
	s.do(t, "POST", "/api/auth/apikeys", auth(tenantOK), jsonBody(`{"name":"a","scope":"push"}`)).want(t, "full", 400, refused(9999, "too many api keys"))
}

func TestGuessingAPIKeysIsSlow(t *testing.T) {
	store := &accessStore{}
	s := newServer(t, withAccessStore(store), func(o *Options) { o.FailuresPerMinute = 3 })
	_, key := s.newKey(t, "admin")
	for i := range 5 {
		a := s.do(t, "GET", "/api/auth/namespace", bearerOf(key[:len(key)-3]+fmt.Sprint(100+i)))
		if want := 401; i >= 3 && (a.status != 429 || a.header.Get("Retry-After") == "") || i < 3 && a.status != want {
			t.Errorf("guess %d: %d", i, a.status)
		}
	}
	if a := s.do(t, "GET", "/api/auth/namespace", auth(tenantOK)); a.status != 200 {
		t.Errorf("the password is locked out too: %d", a.status)
	}
}

func TestRevoke(t *testing.T) {
	store := &accessStore{}
	s := newServer(t, withAccessStore(store))
	post := func(path, body string) answer { return s.do(t, "POST", path, auth(tenantOK), jsonBody(body)) }
	for body, text := range map[string]string{
		`{}`: "userid can not be empty: give userid, uuid or token_id", `{"userid":"a b"}`: "userid invalid",
		`{"userid":"a","uuid":"b"}`: "uuid must not stand beside another one: give userid, uuid or token_id",
		`{"token_id":"a\r\nb"}`:     "token_id invalid", `{"userid":"a","expire":-1}`: "expire must be hours, above 0 and at most 8784",
		`{"userid":"a","expire":1e9}`: "expire must be hours, above 0 and at most 8784", `{"userid":"a","expire":"soon"}`: "expire must be hours, above 0 and at most 8784",
		`{"userid":"a","reason":"\n"}`: "reason must not contain control characters",
	} {
		post("/api/auth/revoke", body).want(t, body, 400, refused(9999, text))
	}
	a := post("/api/auth/revoke", `{"userid":"joe","expire":2,"reason":"left"}`)
	var made struct {
		Kind, Value, Reason, By string
		Since, Until            int64
	}
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || made.Kind != "user" || made.Value != "joe" || made.Until-made.Since != 2*3600*1000 || made.By != "/demo" {
		t.Errorf("%d %s", a.status, a.body)
	}
	post("/api/auth/revoke", `{"uuid":"u1"}`)
	post("/api/auth/revoke", `{"token_id":"t1"}`)
	if list := s.do(t, "GET", "/api/auth/revoke", auth(tenantOK)).body; strings.Count(list, `"kind"`) != 3 || !strings.HasSuffix(list, `"total":3}`) {
		t.Errorf("list %s", list)
	}
	s.do(t, "GET", "/api/auth/revoke", auth("/other:"+password)).want(t, "another tenant's", 200, `{"list":[],"total":0}`)
	post("/api/auth/revoke/lift", `{"userid":"joe"}`).want(t, "lift", 200, "{}")
	post("/api/auth/revoke/lift", `{"userid":"joe"}`).want(t, "lift again", 200, "{}")
	if list := s.do(t, "GET", "/api/auth/revoke?limit=1", auth(tenantOK)).body; strings.Count(list, `"kind"`) != 1 || !strings.HasSuffix(list, `"total":2}`) {
		t.Errorf("list %s", list)
	}
	store.mu.Lock()
	store.fail = errors.New("down")
	store.mu.Unlock()
	if a := post("/api/auth/revoke", `{"userid":"ann"}`); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("without a store: %d %s", a.status, a.body)
	}
}

func TestAccessIsUnavailable(t *testing.T) {
	s := newServer(t)
	for _, path := range []string{"/api/auth/apikeys", "/api/auth/revoke"} {
		s.do(t, "GET", path, auth(tenantOK)).want(t, path, 503, refused(1202, "service temporarily unavailable"))
	}
}

func TestRequestRate(t *testing.T) {
	now := time.Now()
	s := newServer(t, func(o *Options) {
		o.RequestsPerSecond = 2
		o.Now = func() time.Time { return now }
	})
	for i := range 5 {
		a := s.do(t, "GET", "/api/auth/namespace", auth(tenantOK))
		if i < 4 && a.status != 200 || i == 4 && (a.status != 429 || a.header.Get("Retry-After") != "1") {
			t.Errorf("request %d: %d, Retry-After %q", i, a.status, a.header.Get("Retry-After"))
		}
	}
	if a := s.do(t, "GET", "/api/auth/namespace", auth("/other:"+password)); a.status != 200 {
		t.Errorf("another tenant: %d", a.status)
	}
}

func TestAuthFields(t *testing.T) {
	s := newServer(t)
	const path = "/api/auth/namespace/save"
	secret := strings.Repeat("s", 32)
	for body, text := range map[string]string{
		`{"auth":"magic"}`: "auth must be open, callback, jwt or hmac", `{"auth":"jwt"}`: "auth jwt needs auth_key or auth_jwks",
		`{"auth":"hmac"}`: "auth hmac needs auth_key", `{"auth":"callback"}`: "auth callback needs connect_callback",
		`{"auth":"jwt","auth_key":"short"}`:         "auth_key must be a secret of at least 32 bytes, or the PEM text of a public key (-----BEGIN PUBLIC KEY-----)",
		`{"auth_jwks":"http://keys.example/jwks"}`:  "auth_jwks must be an absolute https URL (http only to this machine)",
		`{"auth_jwks":"https://a@keys.example/jw"}`: "auth_jwks must be an absolute https URL (http only to this machine)",
	} {
		s.do(t, "POST", path, auth(tenantOK), jsonBody(body)).want(t, body, 400, refused(9999, text))
	}
	s.do(t, "POST", path, auth(tenantOK), jsonBody(`{"auth":"jwt","auth_key":"`+secret+`","auth_audience":"push"}`)).want(t, "jwt", 200, "{}")
	shown := s.do(t, "GET", "/api/auth/namespace", auth(tenantOK)).body
	if strings.Contains(shown, secret) || !strings.Contains(shown, `"auth":"jwt","auth_key":"******","auth_key_old":null,"auth_jwks":"","auth_audience":"push"`) {
		t.Errorf("shown %s", shown)
	}
	s.do(t, "POST", path, auth(tenantOK), jsonBody(shown)).want(t, "saved as it was read", 200, "{}")
	if ns := s.namespaces.get("/demo"); ns.Auth.Key != secret {
		t.Errorf("key %q", ns.Auth.Key)
	}
	if s.do(t, "POST", path, auth(tenantOK), jsonBody(`{"auth_key":""}`)).status != http.StatusBadRequest {
		t.Error("the key of jwt was removed")
	}
	s.do(t, "POST", path, auth(tenantOK), jsonBody(`{"auth":"open","auth_key":null}`)).want(t, "open again", 200, "{}")
	if strings.Contains(s.log.String(), secret) {
		t.Error("the secret is in the log")
	}
}
