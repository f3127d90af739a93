package api

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/room"
	"github.com/lightpush/lightpush/logic/report/reporttest"
	"github.com/lightpush/lightpush/test/apnsgateway"
)

// The records of newServer as the API shows them.
const (
	noLimits    = `"max_connections":0,"max_connections_per_user":0,"max_events_per_second":0,"max_rooms_per_client":0,"max_push_bytes":0,"max_pushes_per_second":0,"default_expire":0,"max_expire":0,"inbox_max":0,"history_max":0,"client_expire":0`
	shownDemo   = `{"key":"/demo","name":"Demo <&>","connect_callback":null,"disconnect_callback":null,"auth_passwd":"******","apns_list":[{"name":"default","apns_env":"production","token_key":"******"}],"update_date":"1795165647740","client_ip":"","callback_auth":null,"offline":"off","client_push":"on","join_foreign_user_room":"","callback_secret":null,"viewer_passwd":null,"auth":"open","auth_key":null,"auth_key_old":null,"auth_jwks":"","auth_audience":"",` + noLimits
	shownOther  = `{"key":"/other","name":null,"connect_callback":null,"disconnect_callback":null,"auth_passwd":"******","apns_list":null,"update_date":"1","client_ip":"","callback_auth":null,"offline":"off","client_push":"on","join_foreign_user_room":"","callback_secret":null,"viewer_passwd":null,"auth":"open","auth_key":null,"auth_key_old":null,"auth_jwks":"","auth_audience":"",` + noLimits
	shownClosed = `{"key":"/closed","name":null,"connect_callback":null,"disconnect_callback":null,"auth_passwd":"******","apns_list":null,"update_date":"2","client_ip":"","callback_auth":null,"offline":"on","client_push":"on","join_foreign_user_room":"","callback_secret":null,"viewer_passwd":null,"auth":"open","auth_key":null,"auth_key_old":null,"auth_jwks":"","auth_audience":"",` + noLimits
	shownBare   = `{"key":"/bare","name":null,"connect_callback":null,"disconnect_callback":null,"auth_passwd":null,"apns_list":null,"update_date":"3","client_ip":"","callback_auth":null,"offline":"off","client_push":"on","join_foreign_user_room":"","callback_secret":null,"viewer_passwd":null,"auth":"open","auth_key":null,"auth_key_old":null,"auth_jwks":"","auth_audience":"",` + noLimits
	shownRoot   = `{"key":"/","name":null,"connect_callback":null,"disconnect_callback":null,"auth_passwd":"******","apns_list":null,"update_date":"4","client_ip":"","callback_auth":null,"offline":"off","client_push":"on","join_foreign_user_room":"","callback_secret":null,"viewer_passwd":null,"auth":"open","auth_key":null,"auth_key_old":null,"auth_jwks":"","auth_audience":"",` + noLimits
)

func TestOwnNamespace(t *testing.T) {
	s := newServer(t)
	s.do(t, "GET", "/api/auth/namespace", auth(tenantOK)).want(t, "own", 200, shownDemo+"}")
	s.do(t, "GET", "/api/auth/namespace?key=/other&namespace=/other", auth(tenantOK)).want(t, "own", 200, shownDemo+"}")
	s.do(t, "GET", "/api/auth/namespace", auth("/closed:123456")).want(t, "offline", 200, shownClosed+"}")
}

func TestListNamespaces(t *testing.T) {
	s := newServer(t)
	s.reports.Spaces["/demo"] = &reporttest.Space{Online: room.Online{Rooms: 1, Users: 2, Clients: 3, Total: 4}}
	list := func(total int, shown ...string) string {
		return fmt.Sprintf(`{"list":[%s],"total":%d}`, strings.Join(shown, ","), total)
	}
	const counts = `,"roomCount":1,"userCount":2,"clientCount":3,"totalClientCount":4}`
	const zeros = `,"roomCount":0,"userCount":0,"clientCount":0,"totalClientCount":0}`
	all := []string{shownRoot + "}", shownBare + "}", shownClosed + "}", shownDemo + "}", shownOther + "}"}
	for _, tc := range []struct{ query, want string }{
		{"", list(5, all...)},
		{"?page=1&pageSize=100", list(5, all...)},
		{"?page=abc&pageSize=-1", list(5, all...)},
		{"?page=0&pageSize=0", list(5, all...)},
		{"?pageSize=2", list(5, all[:2]...)},
		{"?page=3&pageSize=2", list(5, all[4:]...)},
		{"?page=4&pageSize=2", list(5)},
		{"?page=9223372036854775807&pageSize=500", list(5)},
		{"?page=99999999999999999999", list(5)},
		{"?key=e", list(4, all[1:]...)},
		{"?key=demo", list(1, all[3])},
		{"?key=/demo", list(1, all[3])},
		{"?key=DEMO", list(0)},
		{"?key=constructor", list(0)},
		{"?name=Demo", list(1, all[3])}, // others have no name (B43)
		{"?name=demo", list(0)},
		{"?offline=on", list(1, all[2])},
		{"?offline=off&key=e", list(3, all[1], all[3], all[4])},
		{"?offline=all", list(5, all...)},
		{"?offline=all&key=e&name=", list(4, all[1:]...)}, // B43
		{"?offline=", list(5, all...)},
		{"?offline=maybe", list(0)},
		{"?key=demo&online=true", list(1, shownDemo+counts)},
		{"?key=e&pageSize=1&page=2&online=1", list(4, shownClosed+zeros)},
		{"?online=true&key=nobody", list(0)},
		{"?online=", list(5, all...)},
	} {
		s.do(t, "GET", "/api/admin/namespace/list"+tc.query, auth(adminOK)).want(t, tc.query, 200, tc.want)
	}
	s.do(t, "GET", "/api/admin/namespace/list", auth(tenantOK)).want(t, "a tenant", 401, refused(1004, "auth error"))
}

func TestSaveNamespace(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	s := newServer(t, func(o *Options) { o.Now = func() time.Time { return now } })
	const path = "/api/admin/namespace/save"
	key, _, err := apnsgateway.NewTokenKey()
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, "POST", path, auth(adminOK), jsonBody(`{"key":"new","name":"新","auth_passwd":"a:b:c","offline":"on","client_ip":"1.2.3.4","roomCount":1,"PasswdHash":"x"}`)).
		want(t, "create", 200, "{}")
	const shownNew = `{"key":"/new","name":"新","connect_callback":null,"disconnect_callback":null,"auth_passwd":"******","apns_list":null,"update_date":"1800000000000","client_ip":"","callback_auth":null,"offline":"off","client_push":"on","join_foreign_user_room":"","callback_secret":null,"viewer_passwd":null,"auth":"open","auth_key":null,"auth_key_old":null,"auth_jwks":"","auth_audience":"",` + noLimits + `}`
	s.do(t, "GET", "/api/auth/namespace", auth("/new:a:b:c")).want(t, "created", 200, shownNew) // at once, with colons, online
	s.do(t, "POST", path, auth(adminOK), formBody("key=/new&offline=on&connect_callback=https://example.com/in&callback_auth=token&apns_list[0][name]=default&apns_list[0][token_keyId]=k&apns_list[0][token_teamId]=t&apns_list[0][token_key]="+url.QueryEscape(key))).
		want(t, "update", 200, "{}")
	s.do(t, "GET", "/api/auth/namespace", auth("/new:a:b:c")).want(t, "updated", 200,
		`{"key":"/new","name":"新","connect_callback":"https://example.com/in","disconnect_callback":null,"auth_passwd":"******","apns_list":[{"name":"default","token_key":"******","token_keyId":"k","token_teamId":"t"}],"update_date":"1800000000001","client_ip":"","callback_auth":"******","offline":"on","client_push":"on","join_foreign_user_room":"","callback_secret":null,"viewer_passwd":null,"auth":"open","auth_key":null,"auth_key_old":null,"auth_jwks":"","auth_audience":"",`+noLimits+`}`)

	// Reading a record, changing a field and saving all of it keeps the secrets.
	record := s.do(t, "GET", "/api/auth/namespace", auth("/new:a:b:c")).body
	s.do(t, "POST", path, auth(adminOK), jsonBody(strings.Replace(record, "新", "newer", 1))).want(t, "whole record", 200, "{}")
	saved := s.namespaces.get("/new")
	if *saved.Name != "newer" || *saved.CallbackAuth != "token" || saved.APNs[0].TokenKey != key {
		t.Errorf("saved %+v", saved)
	}
	s.do(t, "POST", "/api/auth/login", auth("/new:a:b:c")).want(t, "password kept", 200, "{}")
	s.do(t, "POST", path, auth(adminOK), jsonBody(`{"key":"/new","auth_passwd":"other"}`)).want(t, "password", 200, "{}")
	s.do(t, "POST", "/api/auth/login", auth("/new:a:b:c")).want(t, "old password", 401, refused(1003, "passwd error"))
	s.do(t, "POST", "/api/auth/login", auth("/new:other")).want(t, "new password", 200, "{}")
	// The root holds the default APNs profile and needs no password.
	s.do(t, "POST", path, auth(adminOK), jsonBody(`{"key":"/","apns_list":[{"name":"default","apns_env":"dev"}]}`)).want(t, "root", 200, "{}")
}

func TestSaveRefusals(t *testing.T) {
	s := newServer(t)
	long := strings.Repeat("x", 5000)
	for _, tc := range []struct{ body, msg string }{
		{`{}`, "key is null"},
		{`{"key":""}`, "key is null"},
		{`{"key":null}`, "key is null"},
		{`{"key":["/a"]}`, "namespace invalid"},
		{`{"key":{}}`, "namespace invalid"},
		{`{"key":"/a b"}`, "namespace invalid"},
		{`{"key":"//a"}`, "namespace invalid"},
		{`{"key":"/é"}`, "namespace invalid"},
		{`{"key":"/a\u0000"}`, "namespace invalid"},
		{`{"key":"/` + strings.Repeat("a", 50) + `"}`, "namespace invalid"},
		{`{"key":"` + strings.Repeat("a", 50) + `"}`, "namespace invalid"},
		{`{"key":"` + long + `"}`, "namespace invalid"},
		{`{"key":"/fresh"}`, "auth_passwd can not be empty"},
		{`{"key":"/fresh","auth_passwd":""}`, "auth_passwd can not be empty"},
		{`{"key":"/fresh","auth_passwd":null}`, "auth_passwd can not be empty"},
		{`{"key":"/fresh","auth_passwd":"******"}`, "auth_passwd can not be empty"},
		{`{"key":"/demo","auth_passwd":""}`, "auth_passwd can not be empty"},
		{`{"key":"/demo","auth_passwd":{}}`, "auth_passwd must be a string"},
		{`{"key":"/demo","auth_passwd":"` + long + `"}`, "auth_passwd must be at most 1000 bytes"},
		{`{"key":"/demo","name":[]}`, "name must be a string"},
		{`{"key":"/demo","name":"` + long + `"}`, "name must be at most 200 bytes"},
		{`{"key":"/demo","connect_callback":"javascript:alert(1)"}`, "connect_callback must be an absolute http or https URL"},
		{`{"key":"/demo","connect_callback":"/relative"}`, "connect_callback must be an absolute http or https URL"},
		{`{"key":"/demo","disconnect_callback":"file:///etc/passwd"}`, "disconnect_callback must be an absolute http or https URL"},
		{`{"key":"/demo","disconnect_callback":"http://"}`, "disconnect_callback must be an absolute http or https URL"},
		{`{"key":"/demo","connect_callback":"` + long + `"}`, "connect_callback must be at most 2000 bytes"},
		{`{"key":"/demo","callback_auth":"a\r\nX: y"}`, "callback_auth must not contain line breaks"},
		{`{"key":"/demo","callback_auth":{}}`, "callback_auth must be a string"},
		{`{"key":"/demo","callback_auth":"` + long + `"}`, "callback_auth must be at most 4000 bytes"},
		{`{"key":"/demo","offline":"perhaps"}`, "offline must be on or off"},
		{`{"key":"/demo","offline":{}}`, "offline must be on or off"},
		{`{"key":"/demo","apns_list":[1]}`, "apns_list[0] must be an object"},
		{`{"key":"/demo","apns_list":[{"name":"a"},[]]}`, "apns_list[1] must be an object"},
		{`{"key":"/demo","apns_list":[{}]}`, "apns_list[0].name can not be empty"},
		{`{"key":"/demo","apns_list":[{"name":{}}]}`, "apns_list[0].name must be a string"},
		{`{"key":"/demo","apns_list":[{"name":"a","del":"perhaps"}]}`, "apns_list[0].del must be true or false"},
		{`{"key":"/demo","apns_list":[{"name":"a","token_key":"` + strings.Repeat("x", 20_000) + `"}]}`, "apns_list[0].token_key must be at most 16384 bytes"},
		{`{"key":"/demo","apns_list":[` + strings.Repeat(`{"name":"a"},`, 50) + `{"name":"a"}]}`, "apns_list must have at most 50 elements"},
	} {
		s.do(t, "POST", "/api/admin/namespace/save", auth(adminOK), jsonBody(tc.body)).want(t, clip(tc.body), 400, refused(9999, tc.msg))
	}
	if s.namespaces.get("/fresh") != nil || s.namespaces.get("/demo").UpdateDate != 1795165647740 {
		t.Error("a refused request changed something")
	}
}

func TestTenantSavesOnlyItself(t *testing.T) {
	s := newServer(t)
	const path = "/api/auth/namespace/save"
	s.do(t, "POST", path, auth(tenantOK), jsonBody(`{"key":"/other","name":"Self","offline":"on","client_ip":"1.2.3.4"}`)).want(t, "save", 200, "{}")
	demo, other := s.namespaces.get("/demo"), s.namespaces.get("/other")
	if *demo.Name != "Self" || !demo.Offline || demo.ClientIP != "1.2.3.4" || other.Name != nil {
		t.Errorf("demo %+v, other %+v", demo, other)
	}
	s.do(t, "POST", path, auth(tenantOK), jsonBody(`{"key":["x"],"offline":"off","client_push":"on","join_foreign_user_room":"","callback_secret":null}`)).want(t, "key does not matter", 200, "{}")
	s.do(t, "POST", path, auth(tenantOK), jsonBody(`{"client_ip":{}}`)).want(t, "client_ip", 400, refused(9999, "client_ip must be a string"))
	s.do(t, "POST", path, auth(tenantOK), jsonBody(`{}`)).want(t, "nothing", 200, "{}")
	s.do(t, "POST", path, auth(tenantOK), jsonBody(`{"auth_passwd":"mine"}`)).want(t, "password", 200, "{}")
	s.do(t, "POST", path, auth(tenantOK), jsonBody(`{}`)).want(t, "old password", 401, refused(1003, "passwd error"))
	// A namespace that was deleted meanwhile is not created again by its tenant.
	s.namespaces.mu.Lock()
	delete(s.namespaces.all, "/other")
	s.namespaces.mu.Unlock()
	s.do(t, "POST", path, auth("/other:123456"), jsonBody(`{"auth_passwd":"x"}`)).want(t, "deleted", 400, refused(1002, "namespace not found"))
}

func TestSaveWithoutStore(t *testing.T) {
	s := newServer(t)
	s.namespaces.mu.Lock()
	s.namespaces.fail = errors.New("connection refused")
	s.namespaces.mu.Unlock()
	want := refused(1202, "service temporarily unavailable")
	s.do(t, "POST", "/api/admin/namespace/save", auth(adminOK), jsonBody(`{"key":"/demo","name":"x"}`)).want(t, "admin", 503, want)
	s.do(t, "POST", "/api/auth/namespace/save", auth(tenantOK), jsonBody(`{"name":"x"}`)).want(t, "tenant", 503, want)
	s.do(t, "GET", "/api/auth/namespace", auth(tenantOK)).want(t, "reads go on", 200, shownDemo+"}")
}

var _ namespace.Store = (*namespaces)(nil)
