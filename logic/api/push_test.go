package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/push"
)

// aps is pushData with an apsData of exactly n bytes.
func aps(n int) string {
	return `{"apsData":{"a":"` + strings.Repeat("x", n-len(`{"a":""}`)) + `"}}`
}

// refusals are the validation texts of light-push-wire.md 1.4.2 to the
// letter, and the answers to every kind of wrong value in every field.
var refusals = []struct{ body, msg string }{
	// The texts of the specification, in their order.
	{`{}`, "room can not be empty"},
	{`{"room":""}`, "room can not be empty"},
	{`{"room":null,"pushData":{}}`, "room can not be empty"},
	{`{"room":"r 1","pushData":{"a":1}}`, "room invalid"},
	{`{"room":"r 1"}`, "room invalid"},
	{`{"room":"r"}`, "pushData can not be empty and must be an Object"},
	{`{"room":"r","pushData":null,"except":1}`, "pushData can not be empty and must be an Object"},
	{`{"room":"r","pushData":{},"except":1,"expire":-1}`, "except must be string"},
	{`{"room":"r","pushData":{},"expire":11}`, "expire invalid"},
	{`{"room":"r","pushData":` + aps(4001) + `,"leaveMessage":true,"expire":11}`, "expire invalid"},
	{`{"room":"r","pushData":` + aps(4001) + `,"leaveMessage":true}`, "pushData.apsData size must be less then 4000 bytes"},
	// room
	{`{"room":["a"],"pushData":{}}`, "room invalid"},
	{`{"room":{"a":"b"},"pushData":{}}`, "room invalid"},
	{`{"room":"` + strings.Repeat("r", 101) + `","pushData":{}}`, "room invalid"},
	{`{"room":"` + strings.Repeat("r", 100_000) + `","pushData":{}}`, "room invalid"},
	{`{"room":"räum","pushData":{}}`, "room invalid"},
	{`{"room":"部屋","pushData":{}}`, "room invalid"},
	{`{"room":"a\u0000b","pushData":{}}`, "room invalid"},
	{`{"room":"a\nb","pushData":{}}`, "room invalid"},
	{`{"room":"a,b","pushData":{}}`, "room invalid"},
	{`{"room":"a{b}","pushData":{}}`, "room invalid"},
	{`{"room":"r","room":"r 1","pushData":{}}`, "room invalid"},
	{`{"Room":"r","pushData":{}}`, "room can not be empty"},
	// pushData
	{`{"room":"r","pushData":"text"}`, "pushData can not be empty and must be an Object"},
	{`{"room":"r","pushData":""}`, "pushData can not be empty and must be an Object"},
	{`{"room":"r","pushData":"{"}`, "pushData can not be empty and must be an Object"},
	{`{"room":"r","pushData":"null"}`, "pushData can not be empty and must be an Object"},
	{`{"room":"r","pushData":1}`, "pushData can not be empty and must be an Object"},
	{`{"room":"r","pushData":true}`, "pushData can not be empty and must be an Object"},
	// leaveMessage
	{`{"room":"r","pushData":{},"leaveMessage":"maybe"}`, "leaveMessage must be true or false"},
	{`{"room":"r","pushData":{},"leaveMessage":2}`, "leaveMessage must be true or false"},
	{`{"room":"r","pushData":{},"leaveMessage":{}}`, "leaveMessage must be true or false"},
	{`{"room":"r","pushData":{},"leaveMessage":[true]}`, "leaveMessage must be true or false"},
	{`{"room":"r","pushData":{},"leaveMessage":"` + strings.Repeat("t", 1000) + `"}`, "leaveMessage must be true or false"},
	// expire
	{`{"room":"r","pushData":{},"expire":-1}`, "expire invalid"},
	{`{"room":"r","pushData":{},"expire":-0.0001}`, "expire invalid"},
	{`{"room":"r","pushData":{},"expire":10.0001}`, "expire invalid"},
	{`{"room":"r","pushData":{},"expire":1e308}`, "expire invalid"},
	{`{"room":"r","pushData":{},"expire":1e999}`, "expire invalid"},
	{`{"room":"r","pushData":{},"expire":"abc"}`, "expire invalid"},
	{`{"room":"r","pushData":{},"expire":"NaN"}`, "expire invalid"},
	{`{"room":"r","pushData":{},"expire":"Infinity"}`, "expire invalid"},
	{`{"room":"r","pushData":{},"expire":"-Inf"}`, "expire invalid"},
	{`{"room":"r","pushData":{},"expire":" "}`, "expire invalid"},
	{`{"room":"r","pushData":{},"expire":true}`, "expire invalid"},
	{`{"room":"r","pushData":{},"expire":[1]}`, "expire invalid"},
	{`{"room":"r","pushData":{},"expire":{}}`, "expire invalid"},
	{`{"room":"r","pushData":{},"expire":"` + strings.Repeat("1", 100) + `"}`, "expire invalid"},
	// except
	{`{"room":"r","pushData":{},"except":{}}`, "except must be string"},
	{`{"room":"r","pushData":{},"except":["a"]}`, "except must be string"},
	{`{"room":"r","pushData":{},"except":false}`, "except must be string"},
	{`{"room":"r","pushData":{},"except":"` + strings.Repeat("é", 251) + `"}`, "except must be at most 500 bytes"},
	// apnsName, from, extra
	{`{"room":"r","pushData":{},"apnsName":{}}`, "apnsName must be a string"},
	{`{"room":"r","pushData":{},"apnsName":["a"]}`, "apnsName must be a string"},
	{`{"room":"r","pushData":{},"apnsName":"` + strings.Repeat("a", 201) + `"}`, "apnsName must be at most 200 bytes"},
	{`{"room":"r","pushData":{},"from":"` + strings.Repeat("a", 4097) + `"}`, "from must be at most 4096 bytes"},
	{`{"room":"r","pushData":{},"extra":["` + strings.Repeat("a", 4097) + `"]}`, "extra must be at most 4096 bytes"},
}

func TestPushRefusals(t *testing.T) {
	s := newServer(t)
	for _, tc := range refusals {
		s.do(t, "POST", "/api/auth/push", auth(tenantOK), jsonBody(tc.body)).want(t, clip(tc.body), 400, refused(9999, tc.msg))
	}
	const good = `{"room":"r","pushData":{},"expire":-1}`
	s.do(t, "POST", "/api/auth/push", auth("/closed:123456"), jsonBody(good)).want(t, "offline", 400, refused(9999, "this namespace offline"))
	s.do(t, "POST", "/api/auth/push", auth("/:123456"), jsonBody(good)).want(t, "root", 400, refused(9999, "this namespace lose"))
	s.do(t, "POST", "/api/auth/push", auth("/closed:123456"), jsonBody(`{"room":"r","pushData":{},"except":1}`)).want(t, "order", 400, refused(9999, "except must be string"))
	s.do(t, "POST", "/api/auth/push", auth(tenantOK), typed("text/plain", good)).want(t, "text", 400, refused(9999, "namespace can not be empty"))
	if s.pushes.n != 0 {
		t.Errorf("%d refused pushes were accepted", s.pushes.n)
	}
}

func TestPushAccepts(t *testing.T) {
	s := newServer(t)
	deep := strings.Repeat(`{"a":[`, 500) + strings.Repeat(`]}`, 500)
	for i, tc := range []struct {
		body with
		want string // the Request as JSON
	}{
		{jsonBody(`{"room":"r","pushData":{}}`), `{"Room":"r","PushData":{},"ExpireHours":1}`},
		{jsonBody(`{"room":"r","pushData":[]}`), `{"Room":"r","PushData":[],"ExpireHours":1}`},
		{typed("application/json; charset=utf-8", ` {"room":"r", "pushData": {"b" : 1.0, "a":"é"} } `), `{"Room":"r","PushData":{"b":1.0,"a":"é"},"ExpireHours":1}`},
		{typed("APPLICATION/JSON", `{"room":"r","pushData":{}}`), `{"Room":"r","PushData":{},"ExpireHours":1}`},
		{typed("application/vnd.api+json", `{"room":"r","pushData":{}}`), `{"Room":"r","PushData":{},"ExpireHours":1}`},
		{jsonBody(`{"room":7,"pushData":{}}`), `{"Room":"7","PushData":{},"ExpireHours":1}`},
		{jsonBody(`{"room":"` + strings.Repeat("r", 100) + `","pushData":{}}`), `{"Room":"` + strings.Repeat("r", 100) + `","PushData":{},"ExpireHours":1}`},
		{jsonBody(`{"room":"a_B.9\\-$#/","pushData":{}}`), `{"Room":"a_B.9\\-$#/","PushData":{},"ExpireHours":1}`},
		{
			jsonBody(`{"room":"user_ann","pushData":{"m":1},"leaveMessage":true,"apnsName":"x","expire":2.5,"except":"/demo#a#web-a","from":{"k":[1]},"extra":"lost","namespace":"/other","e":1,"push":2,"name":3}`),
			`{"Room":"user_ann","PushData":{"m":1},"LeaveMessage":true,"APNsName":"x","ExpireHours":2.5,"Except":"/demo#a#web-a","From":"{\"k\":[1]}","Extra":"lost"}`,
		},
		{jsonBody(`{"room":"r","pushData":{},"expire":"0.5","leaveMessage":"false"}`), `{"Room":"r","PushData":{},"LeaveMessage":false,"ExpireHours":0.5}`},
		{jsonBody(`{"room":"r","pushData":{},"expire":0,"leaveMessage":null,"apnsName":null,"except":null,"from":"","extra":null}`), `{"Room":"r","PushData":{},"ExpireHours":1}`},
		{jsonBody(`{"room":"r","pushData":{},"expire":10,"leaveMessage":0}`), `{"Room":"r","PushData":{},"LeaveMessage":false,"ExpireHours":10}`},
		{jsonBody(`{"room":"r","pushData":` + aps(4001) + `}`), `{"Room":"r","PushData":` + aps(4001) + `,"ExpireHours":1}`},
		{jsonBody(`{"room":"r","pushData":` + aps(4000) + `,"leaveMessage":true}`), `{"Room":"r","PushData":` + aps(4000) + `,"LeaveMessage":true,"ExpireHours":1}`},
		{jsonBody(`{"room":"r","pushData":` + deep + `}`), `{"Room":"r","PushData":` + deep + `,"ExpireHours":1}`},
		{formBody("room=r&pushData[a]=1&pushData[b][c]=x&leaveMessage=false&expire=2"), `{"Room":"r","PushData":{"a":"1","b":{"c":"x"}},"LeaveMessage":false,"ExpireHours":2}`},
		{formBody("room=r&pushData=" + url.QueryEscape(`{"a":1}`)), `{"Room":"r","PushData":{"a":1},"ExpireHours":1}`},
		{formBody("room=r&pushData[]=1&pushData[]=2"), `{"Room":"r","PushData":["1","2"],"ExpireHours":1}`},
	} {
		s.do(t, "POST", "/api/auth/push", auth(tenantOK), tc.body).want(t, tc.want, 200, fmt.Sprintf(`{"id":%d}`, i+1))
		if got := requestText(t, s.pushes.last); got != tc.want || s.pushes.ns != "/demo" {
			t.Errorf("pushed to %s: %s\nwant %s", s.pushes.ns, clip(got), clip(tc.want))
		}
	}
}

// requestText is a Request with only what was given.
func requestText(t *testing.T, req push.Request) string {
	t.Helper()
	b, err := marshal(struct {
		Room         string
		PushData     json.RawMessage
		LeaveMessage *bool   `json:",omitempty"`
		APNsName     *string `json:",omitempty"`
		ExpireHours  float64
		Except       *string `json:",omitempty"`
		From         *string `json:",omitempty"`
		Extra        *string `json:",omitempty"`
	}(req))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPushFailuresAreNeverSuccess(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Timeout = 50 * time.Millisecond })
	for _, tc := range []struct {
		fail error
		want *Failure
	}{
		{push.ErrOverloaded, FailOverloaded},
		{push.ErrClosed, FailOverloaded},
		{errors.New("dial tcp 10.1.2.3:6379: connection refused"), FailUnavailable},
		{errHang, FailUnavailable},
	} {
		s.pushes.set(tc.fail, nil)
		s.do(t, "POST", "/api/auth/push", auth(tenantOK), jsonBody(`{"room":"r","pushData":{}}`)).
			want(t, tc.fail.Error(), 503, refused(tc.want.Code, tc.want.Msg))
	}
}

func TestBodies(t *testing.T) {
	s := newServer(t)
	const (
		bad   = `{"code":1101,"msg":"Bad Request"}`
		large = `{"code":1103,"msg":"request entity too large"}`
		empty = `{"code":9999,"msg":"room can not be empty"}`
	)
	tooDeep := `{"room":"r","pushData":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`
	exactly := func(n int, head, tail string) string { return head + strings.Repeat(" ", n-len(head)-len(tail)) + tail }
	for _, tc := range []struct {
		name   string
		body   with
		status int
		want   string
	}{
		{"none", func(*http.Request) {}, 400, empty},
		{"no content type", func(r *http.Request) { jsonBody(`{"room":"r","pushData":{}}`)(r); r.Header.Del("Content-Type") }, 400, empty},
		{"multipart", typed("multipart/form-data; boundary=x", "--x--"), 400, empty},
		{"other type", typed("application/xml", "<room>r</room>"), 400, empty},
		{"malformed type", typed(";;;", `{"room":"r","pushData":{}}`), 400, empty},
		{"empty JSON", jsonBody(""), 400, empty},
		{"blank JSON", jsonBody(" \n"), 400, empty},
		{"empty form", formBody(""), 400, empty},
		{"no object", jsonBody("{"), 400, bad},
		{"two objects", jsonBody("{}{}"), 400, bad},
		{"scalar", jsonBody("5"), 400, bad},
		{"string", jsonBody(`"x"`), 400, bad},
		{"null", jsonBody("null"), 400, bad},
		{"array", jsonBody(`[{"room":"r"}]`), 400, bad},
		{"NaN", jsonBody(`{"room":"r","pushData":{},"expire":NaN}`), 400, bad},
		{"not UTF-8", jsonBody("{\"room\":\"r\xff\"}"), 400, bad},
		{"byte order mark", jsonBody("\ufeff{}"), 400, bad},
		{"compressed", func(r *http.Request) { jsonBody("\x1f\x8b\x08\x00")(r); r.Header.Set("Content-Encoding", "gzip") }, 400, bad},
		{"too deep", jsonBody(tooDeep), 400, bad},
		{"bad escape in form", formBody("room=%zz"), 400, bad},
		{"empty key in form", formBody("=x"), 400, empty},
		{"only brackets in form", formBody("[]=x&[=y&]=z"), 400, empty},
		{"unbalanced form", formBody("room[=x"), 400, refused(9999, "room has unbalanced brackets")},
		{"both forms", formBody("room=x&room[a]=y"), 400, refused(9999, "room is given twice in different forms")},
		{"deep form", formBody("room[a][a][a][a][a][a][a][a]=y"), 400, refused(9999, "room is nested too deep")},
		{"form array", formBody("room=a&room=b&pushData[a]=1"), 400, refused(9999, "room invalid")},
		{"1 MiB JSON", jsonBody(exactly(1<<20, `{"room":"r 1"`, `}`)), 400, refused(9999, "room invalid")},
		{"1 MiB and a byte", jsonBody(exactly(1<<20+1, `{"room":"r 1"`, `}`)), 413, large},
		{"2 MiB JSON", jsonBody(exactly(2<<20, `{"room":"r"`, `}`)), 413, large},
		{"2 MiB JSON in chunks", func(r *http.Request) { jsonBody(exactly(2<<20, `{"room":"r"`, `}`))(r); r.ContentLength = -1 }, 413, large},
		{"56 KiB form", formBody("room=r&x=" + strings.Repeat("x", 56<<10-len("room=r&x="))), 400, refused(9999, "pushData can not be empty and must be an Object")},
		{"56 KiB form and a byte", formBody("room=r&x=" + strings.Repeat("x", 56<<10+1-len("room=r&x="))), 413, large},
		{"2 MiB form", formBody("x=" + strings.Repeat("x", 2<<20)), 413, large},
		{"text", typed("text/plain; charset=utf-8", "hello"), 400, refused(9999, "namespace can not be empty")},
		{"2 MiB text", typed("text/plain", strings.Repeat("x", 2<<20)), 413, large},
	} {
		s.do(t, "POST", "/api/auth/push", auth(tenantOK), tc.body).want(t, tc.name, tc.status, tc.want)
	}
	// The credential comes before the body, and login reads its body too.
	s.do(t, "POST", "/api/auth/push", jsonBody("{")).want(t, "no credential", 400, refused(1001, "need authorization"))
	s.do(t, "POST", "/api/auth/push", auth("/demo:x"), jsonBody(strings.Repeat(" ", 2<<20))).want(t, "wrong credential", 401, refused(1003, "passwd error"))
	s.do(t, "POST", "/api/auth/login", auth(tenantOK), jsonBody("{")).want(t, "login", 400, bad)
	s.do(t, "POST", "/api/auth/login", auth(tenantOK), typed("text/plain", "x")).want(t, "login", 200, "{}")
	s.do(t, "POST", "/api/auth/namespace/save", auth(tenantOK), typed("text/plain", "x")).want(t, "save", 400, refused(9999, "namespace can not be empty"))
	s.do(t, "POST", "/api/admin/namespace/save", auth(adminOK), typed("text/plain", "x")).want(t, "save", 400, refused(9999, "namespace can not be empty"))
}

func TestRoutePrefixAndCaseForPush(t *testing.T) {
	s := newServer(t)
	for i, path := range []string{"/api/auth/push", "/push-logic/api/auth/push", "/API/Auth/PUSH/", "/Push-Logic/Api/auth/push/?x=1"} {
		s.do(t, "POST", path, auth(tenantOK), jsonBody(`{"room":"r","pushData":{}}`)).want(t, path, 200, fmt.Sprintf(`{"id":%d}`, i+1))
	}
}

// A caller that stops in the middle of its body is not waited for, and one
// that takes long over nothing else is not cut off.
func TestSlowBody(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Timeout = 100 * time.Millisecond })
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /api/auth/push HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
		base64.StdEncoding.EncodeToString([]byte(tenantOK)))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn) // to the end: the connection is closed
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || !strings.HasSuffix(string(answer), refused(1101, "Bad Request")) {
		t.Errorf("got %s, %v", answer, err)
	}

	s.pushes.set(errHang, nil)
	s.do(t, "POST", "/api/auth/push", auth(tenantOK), jsonBody(`{"room":"r","pushData":{}}`)).
		want(t, "a slow store has its own deadline", 503, refused(1202, "service temporarily unavailable"))
	s.pushes.set(nil, nil)
	s.do(t, "POST", "/api/auth/push", auth(tenantOK), jsonBody(`{"room":"r","pushData":{}}`)).want(t, "same connection", 200, `{"id":1}`)
}
