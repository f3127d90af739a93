//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// The conformance checklist of light-push (light-push-wire.md section 9) as one executable recording: this file holds
// the rows of the REST API (1, 2, 3, 12, 13), golden_clients_test.go those of the clients.

// goldenCall is one recorded call. Errors are compared by status and text: they are JSON here (see
// doc/migrating-from-light-push.md), text in the predecessor.
type goldenCall struct {
	method, path string
	as           string // "ns", "admin", or a whole Authorization header; "" for none
	body         string // JSON unless form
	form         bool
	status       int
	want         string // "msg: …" the text of an error; "re: …" a pattern of the body; else the exact body
}

func (g goldenCall) run(t *testing.T, d *deployment, prefix string) {
	t.Helper()
	req, err := http.NewRequest(g.method, d.apis[0]+prefix+g.path, strings.NewReader(g.body))
	if err != nil {
		t.Fatal(err)
	}
	switch g.as {
	case "":
	case "ns":
		req.SetBasicAuth(d.namespace.name, d.namespace.passwd)
	case "admin":
		req.SetBasicAuth(d.admin.name, d.admin.passwd)
	default:
		req.Header.Set("Authorization", g.as)
	}
	if g.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if g.form {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	name := g.method + " " + g.path + " " + g.body[:min(len(g.body), 120)]
	if resp.StatusCode != g.status || !g.matches(answer) {
		t.Errorf("%s:\n%d %.300s\nwant\n%d %s", name, resp.StatusCode, answer, g.status, g.want)
	}
	if resp.Header.Get("from") != "light-push" || resp.Header.Get("X-Response-Time") == "" {
		t.Errorf("%s: headers %v", name, resp.Header)
	}
}

func (g goldenCall) matches(answer []byte) bool {
	if text, ok := strings.CutPrefix(g.want, "msg: "); ok {
		var body struct {
			Code int
			Msg  string
		}
		return json.Unmarshal(answer, &body) == nil && body.Code > 0 && body.Msg == text
	}
	if pattern, ok := strings.CutPrefix(g.want, "re: "); ok {
		return regexp.MustCompile("^(?:" + pattern + ")$").Match(answer)
	}
	return string(bytes.TrimSpace(answer)) == g.want
}

func bare(c credential) string {
	return base64.StdEncoding.EncodeToString([]byte(c.name + ":" + c.passwd))
}

// TestGoldenREST replays the recorded calls, once at the root and once below /push-logic.
func TestGoldenREST(t *testing.T) {
	d := startRoles(t, 1, 1)
	ctx, cancel := context.WithTimeout(context.Background(), eventTimeout)
	defer cancel()
	device, err := wsclient.Dial(ctx, wsclient.Config{Addr: d.host(0), EIO: 3, Namespace: "/demo", Query: url.Values{"uuid": {"g"}, "userid": {"golden"}}})
	if err != nil {
		t.Fatal(err)
	}
	_ = device.Close()
	for _, prefix := range []string{"", "/push-logic"} {
		t.Run("at "+prefix+"/", func(t *testing.T) {
			for _, g := range goldenCalls(d) {
				g.run(t, d, prefix)
			}
		})
	}
	t.Run("headers", func(t *testing.T) { goldenHeaders(t, d) })
	t.Run("offline", func(t *testing.T) { goldenOffline(t, d) })
}

func goldenCalls(d *deployment) []goldenCall {
	ns, admin := "ns", "admin"
	push := "/api/auth/push"
	refusedPush := func(body, text string) goldenCall {
		return goldenCall{"POST", push, ns, body, false, 400, "msg: " + text}
	}
	return []goldenCall{
		// 1: credentials with and without "Basic ", every error of the table.
		{"GET", "/health", "", "", false, 200, "hello"},
		{"POST", "/api/auth/login", ns, "", false, 200, "{}"},
		{"POST", "/API/Auth/Login/", ns, "", false, 200, "{}"},
		{"POST", "/api/auth/login", bare(d.namespace), "", false, 200, "{}"},
		{"POST", "/api/admin/login", admin, "", false, 200, "{}"},
		{"POST", "/api/admin/login", bare(d.admin), "", false, 200, "{}"},
		{"POST", "/api/auth/login", "", "", false, 400, "msg: need authorization"},
		{"POST", "/api/auth/login", bare(credential{"/nobody", "x"}), "", false, 400, "msg: namespace not found"},
		{"POST", "/api/auth/login", bare(credential{"demo", d.namespace.passwd}), "", false, 400, "msg: namespace not found"},
		{"POST", "/api/auth/login", bare(credential{"constructor", "undefined"}), "", false, 400, "msg: namespace not found"},
		{"POST", "/api/auth/login", "Bearer abc", "", false, 400, "msg: namespace not found"},
		{"POST", "/api/auth/login", bare(credential{"/demo", "wrong"}), "", false, 401, "msg: passwd error"},
		{"POST", "/api/auth/login", base64.StdEncoding.EncodeToString([]byte("/demo")), "", false, 401, "msg: passwd error"},
		{"POST", "/api/auth/login", bare(credential{"/demo", d.namespace.passwd + ":junk"}), "", false, 401, "msg: passwd error"},
		{"POST", "/api/admin/login", bare(credential{"admin", "x"}), "", false, 401, "msg: auth error"},
		{"POST", push, ns, "{", false, 400, "msg: Bad Request"},
		{"POST", push, ns, "null", false, 400, "msg: Bad Request"},
		{"POST", push, ns, `{"a":"` + strings.Repeat("x", 2<<20) + `"}`, false, 413, "msg: request entity too large"},

		// 2: status codes and shapes.
		{"GET", "/api/auth/login", ns, "", false, 404, "msg: Not Found"},
		{"POST", "/health", "", "", false, 404, "msg: Not Found"},
		{"GET", "/nothing", "", "", false, 404, "msg: Not Found"},
		{"GET", "/api/auth/client/x", ns, "", false, 404, "msg: Not Found"},
		{"GET", "/api/admin/namespace/del/demo", admin, "", false, 404, "msg: Not Found"},
		{"POST", "/api/auth/client", ns, `{"id":"/demo#golden#web-g","mobile":"139","leaveMessage":false}`, false, 204, ""},
		{"POST", "/api/auth/client", ns, `{"id":"/demo#golden#web-g"}`, false, 200,
			`re: \{.*"leaveMessage":"false","mobile":"139",.*"update_date":"\d{13}","userid":"golden"\}`},
		{"POST", "/api/auth/client", ns, `{"id":"/demo#unknown#web-u"}`, false, 200, "{}"},
		{"POST", "/api/auth/client", ns, `{"id":"/demo#unknown#web-u","mobile":"1"}`, false, 400, "msg: this id not exists"},
		{"POST", "/api/auth/client", ns, `{"id":"/other#golden#web-g"}`, false, 200, "{}"},
		{"POST", push, ns, `{"room":"room","pushData":{"m":1,"apsData":{"aps":{"alert":"hey"}}},"leaveMessage":false}`, false, 200, `re: \{"id":\d+\}`},
		{"POST", push, ns, "room=room&pushData[m]=1&leaveMessage=false", true, 200, `re: \{"id":\d+\}`},
		{"GET", "/api/auth/namespace/current-message-stat", ns, "", false, 200,
			`re: \{"currMinuteMessageCount":(0|"\d+"),"currHourMessageCount":(0|"\d+"),"currDateMessageCount":(0|"\d+")\}`},
		{"GET", "/api/auth/report/push?size=1", ns, "", false, 200,
			`re: \[\{[^{}]*"pushData":"\{\\"m\\":\\?"?1\\?"?\}"[^{}]*\}\]`},
		{"GET", "/api/auth/report/push?page=x&size=-4", ns, "", false, 200, `re: \[.*\]`},
		{"GET", "/api/auth/report/push?page=99", ns, "", false, 200, `[]`},
		{"GET", "/api/auth/report/online", ns, "", false, 200, `re: \{"roomCount":\d+,"userCount":\d+,"clientCount":\d+,"totalClientCount":\d+\}`},
		{"GET", "/api/auth/report/online?room=zzz", ns, "", false, 200,
			`[{"name":"zzz","userCount":0,"clientCount":0,"totalClientCount":0,"iosClientCount":0,"totalIOSClientCount":0,"androidClientCount":0,"totalAndroidClientCount":0}]`},
		{"GET", "/api/admin/report/online", admin, "", false, 200, `re: \{"userCount":\d+,"roomCount":\d+,"clientCount":\d+\}`},

		// 3: validation texts to the letter.
		refusedPush(`{}`, "room can not be empty"),
		refusedPush(`{"room":"r 1","pushData":{"a":1}}`, "room invalid"),
		refusedPush(`{"room":"r"}`, "pushData can not be empty and must be an Object"),
		refusedPush(`{"room":"r","pushData":"x"}`, "pushData can not be empty and must be an Object"),
		refusedPush(`{"room":"r","pushData":{},"except":1}`, "except must be string"),
		refusedPush(`{"room":"r","pushData":{},"expire":11}`, "expire invalid"),
		refusedPush(`{"room":"r","pushData":{},"expire":-1}`, "expire invalid"),
		refusedPush(`{"room":"r","pushData":{},"expire":"abc"}`, "expire invalid"),
		refusedPush(`{"room":"r","pushData":{"apsData":"`+strings.Repeat("a", 4100)+`"},"leaveMessage":true}`,
			"pushData.apsData size must be less then 4000 bytes"),
		{"GET", "/api/auth/report/push/999999999", ns, "", false, 400, "msg: this id not exists"},
		{"POST", "/api/auth/client", ns, `{}`, false, 400, "msg: param id can not find "},
		{"POST", "/api/auth/transfer", ns, `{}`, false, 400, "msg: targetRoom and sourceRooms and type and namespace can not be empty"},
		{"POST", "/api/auth/transfer", ns, `{"targetRoom":"a b","sourceRooms":["s"],"type":"join"}`, false, 400, "msg: targetRoom invalid"},
		{"POST", "/api/auth/transfer", ns, `{"targetRoom":"a","sourceRooms":["s s"],"type":"join"}`, false, 400, "msg: sourceRoom invalid"},
		{"POST", "/api/auth/transfer", ns, `{"targetRoom":"dst","sourceRooms":["src"],"type":"join"}`, false, 200, "{}"},
		{"POST", "/api/auth/room-apns", ns, `{}`, false, 400, "msg: can not find room"},
		{"POST", "/api/auth/room-apns", ns, `{"room":"z","add":["z","y"]}`, false, 200, "{}"},
		{"POST", "/api/auth/room-leave-message", ns, `{}`, false, 400, "msg: can not find room"},
		{"POST", "/api/auth/room-leave-message", ns, `{"room":"z","leaveMessage":false}`, false, 200, "{}"},
		{"POST", "/api/admin/namespace/save", admin, `{}`, false, 400, "msg: key is null"},
		{"POST", "/api/admin/namespace/save", admin, `{"key":"/a b","auth_passwd":"x"}`, false, 400, "msg: namespace invalid"},
		{"GET", "/api/admin/namespace/clear/demo", admin, "", false, 400, "msg: namespace must be set offline on"},
		{"GET", "/api/admin/namespace/flush/%2Fdemo", admin, "", false, 400, "msg: namespace must be set offline on"},
		{"POST", "/api/admin/namespace/clear-realtime-data", admin, `{}`, false, 400, "msg: can not find key"},
		{"POST", "/api/admin/namespace/clear-realtime-data", admin, `{"namespace":"/demo"}`, false, 400, "msg: namespace must be set offline on"},
		{"POST", "/api/admin/clear-legacy-client", admin, `{"namespace":"demo"}`, false, 400, "msg: namespace must be set offline on"},

		// 13: what the old console reads.
		{"GET", "/api/auth/namespace", bare(d.namespace), "", false, 200,
			`re: \{"key":"/demo","name":"Demo","connect_callback":(?:null|""),"disconnect_callback":(?:null|""),"auth_passwd":"\*+","apns_list":null,"update_date":"\d{13}","client_ip":"","callback_auth":null,"offline":"off".*\}`},
		{"GET", "/api/admin/namespace/list?online=true&key=/demo&name=&offline=all&page=1&pageSize=20", bare(d.admin), "", false, 200,
			`re: \{"list":\[\{"key":"/demo","name":"Demo",.*"roomCount":\d+,"userCount":\d+,"clientCount":\d+,"totalClientCount":\d+\}\],"total":1\}`},
		{"GET", "/api/auth/report/push?size=100000000", bare(d.namespace), "", false, 200, `re: \[.*\]`},
	}
}

// goldenHeaders: the headers of a success and of a preflight, with and without an origin.
func goldenHeaders(t *testing.T, d *deployment) {
	for _, origin := range []string{"", "https://console.example"} {
		for _, c := range []struct{ method, path string }{{"POST", "/api/auth/login"}, {"OPTIONS", "/api/auth/push"}, {"OPTIONS", "/api/admin/nothing"}, {"POST", "/api/auth/nothing"}} {
			req, err := http.NewRequest(c.method, d.apis[0]+c.path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if c.method == "POST" {
				req.SetBasicAuth(d.namespace.name, d.namespace.passwd)
			}
			if origin != "" {
				req.Header.Set("Origin", origin)
			}
			resp, err := httpClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			h := resp.Header
			if h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("from") != "light-push" {
				t.Errorf("%s %s from %q: %v", c.method, c.path, origin, h)
			}
			if c.method == "OPTIONS" && (resp.StatusCode != 200 || h.Get("Access-Control-Allow-Methods") != "GET, POST" ||
				h.Get("Access-Control-Max-Age") != "2592000" ||
				h.Get("Access-Control-Allow-Headers") != "Content-Type, AdminKey, Nonce, Timestamp, Signature, AppKey, Token, AppId, RefKey, Authorization") {
				t.Errorf("preflight of %s: %d %v", c.path, resp.StatusCode, h)
			}
		}
	}
}

// goldenOffline: 12, the texts of a namespace that is offline and the maintenance routes on it.
func goldenOffline(t *testing.T, d *deployment) {
	ns, admin := "ns", "admin"
	for _, g := range []goldenCall{
		{"POST", "/api/admin/namespace/save", admin, `{"key":"/demo","offline":"on"}`, false, 200, "{}"},
		{"POST", "/api/auth/push", ns, `{"room":"r","pushData":{}}`, false, 400, "msg: this namespace offline"},
		{"POST", "/api/auth/transfer", ns, `{"targetRoom":"dst","sourceRooms":["src"],"type":"join"}`, false, 400, "msg: this namespace offline"},
		{"POST", "/api/auth/login", ns, "", false, 200, "{}"},
		{"POST", "/api/admin/namespace/clear-realtime-data", admin, `{"namespace":"demo"}`, false, 200, "{}"},
		{"POST", "/api/admin/clear-legacy-client", admin, `{"namespace":"/demo"}`, false, 200, "[]"},
		{"GET", "/api/admin/namespace/clear/demo", admin, "", false, 200, "{}"},
		{"POST", "/api/admin/namespace/save", admin, `{"key":"/demo","offline":"off"}`, false, 200, "{}"},
		{"POST", "/api/auth/push", ns, `{"room":"r","pushData":{}}`, false, 200, `re: \{"id":\d+\}`},
		{"POST", "/api/admin/namespace/save", admin, `{"key":"/demo","offline":"on"}`, false, 200, "{}"},
		{"GET", "/api/admin/namespace/flush/demo", admin, "", false, 200, "{}"},
		{"POST", "/api/auth/login", ns, "", false, 400, "msg: namespace not found"},
	} {
		g.run(t, d, "")
	}
}
