package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lightpush/lightpush/internal/namespace"
)

// upkeep is a Maintenance that keeps what it is asked for. It treats all but
// /closed as online.
type upkeep struct {
	mu         sync.Mutex
	did        []string
	unfinished bool
	fail       error
	ids        []string
}

func (u *upkeep) ask(ctx context.Context, what, key string) (done bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, bounded := ctx.Deadline(); !bounded {
		return false, errors.New("no deadline")
	}
	if u.fail != nil {
		return false, u.fail
	}
	if key != "/closed" && key != "/a/b" && key != "/" {
		return false, namespace.ErrNotOffline
	}
	u.did = append(u.did, what+" "+key)
	return !u.unfinished, nil
}

func (u *upkeep) Purge(ctx context.Context, key string, p namespace.Purge) (bool, error) {
	return u.ask(ctx, string(p), key)
}

func (u *upkeep) ForgetLegacy(ctx context.Context, key string) ([]string, bool, error) {
	done, err := u.ask(ctx, "legacy", key)
	return u.ids, done, err
}

func (u *upkeep) take() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	did := strings.Join(u.did, ", ")
	u.did = nil
	return did
}

const (
	realtimePath = "/api/admin/namespace/clear-realtime-data"
	legacyPath   = "/api/admin/clear-legacy-client"
	clearPath    = "/api/admin/namespace/clear/"
	flushPath    = "/api/admin/namespace/flush/"
)

func TestMaintenance(t *testing.T) {
	u := &upkeep{ids: []string{"/closed#a#web-1"}}
	s := newServer(t, func(o *Options) { o.Maintenance = u })
	notOffline, noKey := refused(9999, "namespace must be set offline on"), refused(9999, "can not find key")
	for _, tc := range []struct {
		method, path string
		body         with
		status       int
		want, did    string
	}{
		{"POST", realtimePath, jsonBody(`{"namespace":"/closed"}`), 200, "{}", "realtime /closed"},
		{"POST", realtimePath, jsonBody(`{"namespace":"closed"}`), 200, "{}", "realtime /closed"},
		{"POST", realtimePath, formBody("namespace=%2Fclosed"), 200, "{}", "realtime /closed"},
		{"POST", realtimePath + "/", jsonBody(`{"namespace":"/demo"}`), 400, notOffline, ""},
		{"POST", realtimePath, jsonBody(`{"namespace":"/nothing"}`), 400, notOffline, ""},
		{"POST", realtimePath, jsonBody(`{}`), 400, noKey, ""},
		{"POST", realtimePath, jsonBody(`{"namespace":""}`), 400, noKey, ""},
		{"POST", realtimePath, jsonBody(`{"namespace":null}`), 400, noKey, ""},
		{"POST", realtimePath, nil, 400, noKey, ""},
		{"POST", realtimePath, typed("text/plain", "x"), 400, refused(9999, "namespace can not be empty"), ""},
		{"POST", realtimePath, jsonBody(`{"namespace":{"a":1}}`), 400, refused(9999, "namespace must be a string"), ""},
		{"POST", realtimePath, jsonBody(`{"namespace":["/closed"]}`), 400, refused(9999, "namespace must be a string"), ""},
		{"POST", realtimePath, jsonBody(`{"namespace":1}`), 400, notOffline, ""},
		{"POST", realtimePath, jsonBody(`{"namespace":"` + strings.Repeat("a", 60) + `"}`), 400, notOffline, ""},
		{"POST", realtimePath, jsonBody(`{"namespace":"` + strings.Repeat("a", 5000) + `"}`), 400, refused(9999, "namespace must be at most 4096 bytes"), ""},
		{"POST", realtimePath, jsonBody(`{"namespace":"clo sed"}`), 400, notOffline, ""},
		{"POST", realtimePath, jsonBody(`{"namespace":"//closed"}`), 400, notOffline, ""},
		{"POST", realtimePath, jsonBody(`null`), 400, refused(1101, "Bad Request"), ""},
		{"GET", realtimePath, nil, 404, refused(1102, "Not Found"), ""},

		{"POST", legacyPath, jsonBody(`{"namespace":"closed"}`), 200, `["/closed#a#web-1"]`, "legacy /closed"},
		{"POST", strings.ToUpper(legacyPath), jsonBody(`{"namespace":"/demo"}`), 400, notOffline, ""},
		{"POST", legacyPath, jsonBody(`{}`), 400, noKey, ""},
		{"GET", legacyPath, nil, 404, refused(1102, "Not Found"), ""},

		{"GET", clearPath + "closed", nil, 200, "{}", "clear /closed"},
		{"POST", clearPath + "closed", nil, 200, "{}", "clear /closed"},
		{"DELETE", clearPath + "closed", nil, 200, "{}", "clear /closed"},
		{"HEAD", clearPath + "demo", nil, 400, "", ""},
		{"GET", clearPath + "%2Fclosed", nil, 200, "{}", "clear /closed"},
		{"GET", clearPath + "%2fclosed/", nil, 200, "{}", "clear /closed"},
		{"GET", clearPath + "%2Fa%2Fb", nil, 200, "{}", "clear /a/b"},
		{"GET", clearPath + "a%2Fb", nil, 200, "{}", "clear /a/b"},
		{"GET", clearPath + "a/b", nil, 404, refused(1102, "Not Found"), ""},
		{"GET", clearPath + "CLOSED", nil, 400, notOffline, ""}, // names are case-sensitive
		{"GET", clearPath + "demo", nil, 400, notOffline, ""},
		{"GET", clearPath + "clo%20sed", nil, 400, notOffline, ""},
		{"GET", clearPath + "%00", nil, 400, notOffline, ""},
		{"GET", clearPath, nil, 404, refused(1102, "Not Found"), ""},
		{"PUT", clearPath + "closed", nil, 404, refused(1102, "Not Found"), ""},
		{"GET", "/push-logic/API/Admin/Namespace/Clear/closed", nil, 200, "{}", "clear /closed"},

		{"GET", flushPath + "closed", nil, 200, "{}", "flush /closed"},
		{"POST", flushPath + "%2Fclosed", nil, 200, "{}", "flush /closed"},
		{"DELETE", flushPath + "closed", nil, 200, "{}", "flush /closed"},
		{"GET", flushPath + "demo", nil, 400, notOffline, ""},
		{"GET", flushPath + "constructor", nil, 400, notOffline, ""},
		{"GET", flushPath + "%2F", nil, 200, "{}", "flush /"},
		{"GET", "/api/admin/namespace/del/closed", nil, 404, refused(1102, "Not Found"), ""},
	} {
		options := []with{auth(adminOK)}
		if tc.body != nil {
			options = append(options, tc.body)
		}
		what := tc.method + " " + tc.path
		s.do(t, tc.method, tc.path, options...).want(t, what, tc.status, tc.want)
		if did := u.take(); did != tc.did {
			t.Errorf("%s: did %q, want %q", what, did, tc.did)
		}
	}
}

// Nobody but the administrator may.
func TestMaintenanceCredentials(t *testing.T) {
	u := &upkeep{}
	s := newServer(t, func(o *Options) { o.Maintenance = u })
	for _, path := range []string{realtimePath, legacyPath, clearPath + "closed", flushPath + "closed"} {
		body := jsonBody(`{"namespace":"/closed"}`)
		s.do(t, "POST", path, body).want(t, path, 400, refused(1001, "need authorization"))
		s.do(t, "POST", path, body, auth("/closed:"+password)).want(t, path, 401, refused(1004, "auth error"))
		s.do(t, "POST", path, body, auth(tenantOK)).want(t, path, 401, refused(1004, "auth error"))
	}
	if did := u.take(); did != "" {
		t.Errorf("did %s", did)
	}
}

func TestMaintenanceGoesOn(t *testing.T) {
	u := &upkeep{unfinished: true, ids: []string{}}
	s := newServer(t, func(o *Options) { o.Maintenance = u })
	named := jsonBody(`{"namespace":"closed"}`)
	s.do(t, "POST", realtimePath, auth(adminOK), named).want(t, "realtime", 202, "{}")
	s.do(t, "POST", legacyPath, auth(adminOK), named).want(t, "legacy", 202, "[]")
	s.do(t, "GET", clearPath+"closed", auth(adminOK)).want(t, "clear", 202, "{}")
	s.do(t, "DELETE", flushPath+"closed", auth(adminOK)).want(t, "flush", 202, "{}")
	for want, fail := range map[string]error{
		refused(1203, "namespace is being cleared, try again later"): namespace.ErrBusy,
		refused(1202, "service temporarily unavailable"):             fmt.Errorf("read: %w", errors.New("dial tcp 10.0.0.1:6379")),
	} {
		u.fail = fail
		s.do(t, "POST", realtimePath, auth(adminOK), named).want(t, "realtime", 503, want)
		s.do(t, "POST", legacyPath, auth(adminOK), named).want(t, "legacy", 503, want)
		s.do(t, "GET", flushPath+"closed", auth(adminOK)).want(t, "flush", 503, want)
	}
	without := newServer(t)
	without.do(t, "POST", legacyPath, auth(adminOK), named).want(t, "not there", 503, refused(1202, "service temporarily unavailable"))
	without.do(t, "GET", clearPath+"closed", auth(adminOK)).want(t, "not there", 503, refused(1202, "service temporarily unavailable"))
}

// The settings of a namespace, as both save routes take and show them.
func TestNamespaceSwitches(t *testing.T) {
	s := newServer(t)
	save := func(body, want string) {
		t.Helper()
		s.do(t, "POST", "/api/auth/namespace/save", auth("/other:"+password), jsonBody(body)).want(t, body, 200, "{}")
		shown := s.do(t, "GET", "/api/auth/namespace", auth("/other:"+password)).body
		if !strings.Contains(shown, want) {
			t.Errorf("%s: %s, want %s", body, shown, want)
		}
		// What was read can be saved back whole, as the old console does.
		s.do(t, "POST", "/api/admin/namespace/save", auth(adminOK), jsonBody(shown)).want(t, "saved back", 200, "{}")
		if again := s.do(t, "GET", "/api/auth/namespace", auth("/other:"+password)).body; !strings.Contains(again, want) {
			t.Errorf("saved back: %s, want %s", again, want)
		}
	}
	save(`{}`, `"client_push":"on","join_foreign_user_room":""`)
	save(`{"client_push":"off"}`, `"client_push":"off","join_foreign_user_room":""`)
	save(`{"join_foreign_user_room":"on"}`, `"client_push":"off","join_foreign_user_room":"on"`)
	save(`{"client_push":"on","join_foreign_user_room":"off"}`, `"client_push":"on","join_foreign_user_room":"off"`)
	save(`{"join_foreign_user_room":""}`, `"client_push":"on","join_foreign_user_room":""`)
	s.do(t, "POST", "/api/auth/namespace/save", auth("/other:"+password), jsonBody(`{"client_push":"x"}`)).
		want(t, "refused", 400, refused(9999, "client_push must be on or off"))
	s.do(t, "POST", "/api/auth/namespace/save", auth("/other:"+password), formBody("join_foreign_user_room=perhaps")).
		want(t, "refused", 400, refused(9999, "join_foreign_user_room must be on, off or empty"))
}
