//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/apnsgateway"
	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// goldenBusiness answers connect callbacks as its recording says and keeps what it was asked.
func goldenBusiness(t *testing.T) (base string, asked chan *http.Request) {
	asked = make(chan *http.Request, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Header.Set("X-Body", string(body))
		asked <- r
		switch token := r.URL.Query().Get("token"); token {
		case "201", "403":
			var status int
			_, _ = fmt.Sscan(token, &status)
			w.WriteHeader(status)
		case "mapped":
			_, _ = io.WriteString(w, `{"userid":"real9","rooms":["g1","bad room","g2"]}`)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// TestGoldenClients replays the recorded sessions of section 9, rows 4 to 12: the old client frame by frame, then
// clients of both generations in the same room.
func TestGoldenClients(t *testing.T) {
	g, env := startGateway(t, func(r apnsgateway.Request) apnsgateway.Answer {
		if r.Token == "gone" || strings.HasPrefix(r.Token, "dead") {
			return apnsgateway.Answer{Status: 410, Reason: "Unregistered"}
		}
		return apnsgateway.Answer{}
	})
	d := startRoles(t, 2, 1, env...)
	d.defaultProfile(t)
	s := surface{d, t, startNode(t)}
	steps := []struct {
		name string
		run  func(*testing.T, surface)
	}{
		{"4 transport of the old client", goldenTransport},
		{"5 refusals", goldenRefusals},
		{"6 callbacks and identity", goldenCallbacks},
		{"7 and 8 order and acks, frame by frame", goldenFrames},
		{"9 and 10 pushes and acks in one room", goldenRoom},
		{"11 offline delivery", func(t *testing.T, s surface) { goldenDelivery(t, s, g) }},
		{"12 transfer and people", goldenPeople},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) { s := s; s.t = t; step.run(t, s) })
	}
}

func goldenGet(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func goldenTransport(t *testing.T, s surface) {
	engine := s.sockets[0] + "/socket.io/"
	resp, body := goldenGet(t, engine+"?EIO=3&transport=polling&uuid=u1", "Origin", "http://app.example")
	open := regexp.MustCompile(`^(\d+):(0\{"sid":"([^"]{20,})","upgrades":\["websocket"\],"pingInterval":20000,"pingTimeout":10000[^}]*\})2:40$`)
	m := open.FindStringSubmatch(body)
	if m == nil || m[1] != fmt.Sprint(len(m[2])) {
		t.Fatalf("handshake answered %q", body)
	}
	cookie := resp.Header.Get("Set-Cookie")
	if !strings.HasPrefix(cookie, "io="+m[3]) || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") {
		t.Errorf("cookie %q", cookie)
	}
	if resp.Header.Get("Access-Control-Allow-Origin") != "http://app.example" || resp.Header.Get("Access-Control-Allow-Credentials") != "true" ||
		!strings.EqualFold(resp.Header.Get("Content-Type"), "text/plain; charset=utf-8") {
		t.Errorf("headers %v", resp.Header)
	}
	post, err := httpClient.Post(engine+"?EIO=3&transport=polling&sid="+m[3], "text/plain;charset=UTF-8", strings.NewReader("1:2"))
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(post.Body)
	_ = post.Body.Close()
	if string(answer) != "ok" || !strings.HasPrefix(post.Header.Get("Content-Type"), "text/html") {
		t.Errorf("POST answered %q %v", answer, post.Header)
	}
	if _, body = goldenGet(t, engine+"?EIO=3&transport=polling&sid="+m[3]); body != "1:3" {
		t.Errorf("ping answered %q", body)
	}
	for url, want := range map[string]string{
		"?EIO=3":                           `{"code":0,"message":"Transport unknown"}`,
		"?EIO=3&transport=carrier-pigeon":  `{"code":0,"message":"Transport unknown"}`,
		"?EIO=3&transport=polling&sid=abc": `{"code":1,"message":"Session ID unknown`,
	} {
		if resp, body := goldenGet(t, engine+url); resp.StatusCode != 400 || !strings.HasPrefix(body, want) || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s answered %d %q %v", url, resp.StatusCode, body, resp.Header)
		}
	}
	// The browser's client: v2 where old pages look for it.
	for _, path := range []string{"/socket.io/socket.io.js", "/push/socket.io/socket.io.js"} {
		resp, body := goldenGet(t, s.sockets[0]+path)
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/javascript") || !strings.Contains(body, "Socket.IO") {
			t.Errorf("%s: %d %v, %d bytes", path, resp.StatusCode, resp.Header, len(body))
		}
		if again, _ := goldenGet(t, s.sockets[0]+path, "If-None-Match", resp.Header.Get("ETag")); again.StatusCode != 304 {
			t.Errorf("%s with its ETag: %d", path, again.StatusCode)
		}
	}
}

// oldSocket opens a websocket as the v2 client does and expects 0{…} and 40.
func oldSocket(t *testing.T, s surface, query string) *wsclient.Socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), eventTimeout)
	defer cancel()
	conn, err := wsclient.DialSocket(ctx, s.host(0), "/socket.io/?EIO=3&transport=websocket&"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(eventTimeout))
	wantFrame(t, conn, `0\{"sid":"[^"]+","upgrades":\[\],"pingInterval":20000,"pingTimeout":10000.*\}`)
	wantFrame(t, conn, `40`)
	return conn
}

func wantFrame(t *testing.T, conn *wsclient.Socket, pattern string) string {
	t.Helper()
	for {
		_, frame, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("waiting for %s: %v", pattern, err)
		}
		if strings.Contains(string(frame), `["offset",`) {
			continue // where a client that can recover would go on from; documented addition
		}
		if !regexp.MustCompile("^(?:" + pattern + ")$").Match(frame) {
			t.Fatalf("got %s, want %s", frame, pattern)
		}
		return string(frame)
	}
}

func sendFrames(t *testing.T, conn *wsclient.Socket, frames ...string) {
	t.Helper()
	for _, f := range frames {
		if err := conn.WriteText(f); err != nil {
			t.Fatal(err)
		}
	}
}

func goldenRefusals(t *testing.T, s surface) {
	long := strings.Repeat("x", 101)
	admin := s.adminAPI(t, 0)
	admin.post("/api/admin/namespace/save", map[string]any{"key": "/shut", "auth_passwd": "shut-passwd"}, 200)
	admin.post("/api/admin/namespace/save", map[string]any{"key": "/shut", "offline": "on"}, 200)
	eventually(t, eventTimeout, "connector knows that /shut is offline", func() error {
		probe := oldSocket(t, s, "uuid=probe")
		sendFrames(t, probe, "40/shut?uuid=probe,")
		if frame := wantFrame(t, probe, `44/shut,.*`); !strings.Contains(frame, "offline") {
			return fmt.Errorf("answered %s", frame)
		}
		return nil
	})
	for _, c := range []struct{ namespace, query, text string }{
		{"/unknown", "uuid=u", "this namespace not found"},
		{"/shut", "uuid=u", "this namespace offline"},
		{"/demo", "", "uuid invalid"},
		{"/demo", "uuid=" + long, "uuid invalid"},
		{"/demo", "uuid=a%20b", "uuid invalid"},
		{"/demo", "uuid=u&userid=" + long, "userid invalid"},
		{"/demo", "uuid=u&userid=a%20b", "userid invalid"},
		{"/demo", "uuid=u&platform=toaster", "platform invalid"},
	} {
		conn := oldSocket(t, s, c.query)
		sendFrames(t, conn, "40"+c.namespace+"?"+c.query+",")
		wantFrame(t, conn, regexp.QuoteMeta(fmt.Sprintf(`44%s,"%s"`, c.namespace, c.text)))
		wantFrame(t, conn, "41"+c.namespace+",")
	}
	// What the application of either generation sees.
	for _, lib := range []string{"v2", "v4"} {
		c := "refused-" + lib
		s.drv.open(t, openCommand{C: c, Lib: lib, URL: s.sockets[0], Namespace: "/demo",
			Opts: map[string]any{"transports": []string{"websocket"}, "query": map[string]any{"uuid": "not legal"}}})
		r := s.drv.take(t, c, "refusal", func(r report) bool { return r.Ev == "error" || r.Ev == "connect_error" })
		if r.Message != "uuid invalid" {
			t.Errorf("%s saw %v", lib, r)
		}
		s.drv.close(t, c)
	}
}

func goldenCallbacks(t *testing.T, s surface) {
	base, asked := goldenBusiness(t)
	admin := s.adminAPI(t, 0)
	admin.post("/api/admin/namespace/save", map[string]any{"key": "/cb", "auth_passwd": "cb-passwd",
		"connect_callback": base + "/con?x=1", "disconnect_callback": base + "/dis", "callback_auth": "Basic Zm9vOmJhcg=="}, 200)
	own := surface{deployment: &deployment{sockets: s.sockets, apis: s.apis, admin: s.admin, namespace: credential{"/cb", "cb-passwd"}}, t: t, drv: s.drv}
	for i := range own.sockets {
		own.waitNamespace(t, i)
	}
	conn := oldSocket(t, own, "uuid=k1&userid=kim&token=mapped&activityBroadcast=1")
	sendFrames(t, conn, "40/cb?uuid=k1&userid=kim&token=mapped&activityBroadcast=1,")
	wantFrame(t, conn, "40/cb,")
	wantFrame(t, conn, `42/cb,\["ok",\{"system":"[^"]+","port":\d+,"clientId":"/cb#kim#web-k1"\}\]`)
	req := <-asked
	q := req.URL.Query()
	if req.Method != "GET" || req.URL.Path != "/con" || q.Get("x") != "1" || q.Get("uuid") != "k1" || q.Get("userid") != "kim" || q.Get("platform") != "web" ||
		q.Get("token") != "mapped" || q.Get("EIO") != "3" || q.Get("transport") != "websocket" ||
		req.Header.Get("namespace") != "/cb" || req.Header.Get("authorization") != "Basic Zm9vOmJhcg==" || req.Header.Get("accept") != "application/json" {
		t.Errorf("connect callback %s %v", req.RequestURI, req.Header)
	}
	// The effective user is the callback's, everywhere but in the client id.
	var online struct{ User, Client, Room []string }
	api := own.api(t, 0)
	eventually(t, eventTimeout, "online report", func() error {
		if err := api.tryGet("/api/auth/report/online?detail=true", &online); err != nil {
			return err
		}
		slices.Sort(online.Room)
		if !slices.Equal(online.User, []string{"real9"}) || !slices.Equal(online.Client, []string{"/cb#kim#web-k1"}) || !slices.Equal(online.Room, []string{"g1", "g2"}) {
			return fmt.Errorf("%+v", online)
		}
		return nil
	})
	id := api.push("user_real9", map[string]any{"m": 1})
	wantFrame(t, conn, fmt.Sprintf(`42/cb,\d*\["push",\{"id":%d,.*\}\]`, id))
	_ = conn.Close()
	if req = <-asked; req.Method != "POST" || req.URL.Path != "/dis" || req.Header.Get("Content-Type") != "application/json" {
		t.Errorf("disconnect callback %s %s %v", req.Method, req.RequestURI, req.Header)
	}
	var body struct{ Query map[string]string }
	if err := json.Unmarshal([]byte(req.Header.Get("X-Body")), &body); err != nil || body.Query["uuid"] != "k1" || body.Query["userid"] != "kim" || body.Query["token"] != "mapped" {
		t.Errorf("disconnect callback body %s", req.Header.Get("X-Body"))
	}
	for _, status := range []string{"201", "403"} {
		conn := oldSocket(t, own, "uuid=k2&token="+status)
		sendFrames(t, conn, "40/cb?uuid=k2&token="+status+",")
		wantFrame(t, conn, `44/cb,"handshake fail statusCode: `+status+`"`)
		wantFrame(t, conn, `41/cb,`)
		<-asked
	}
	select {
	case req := <-asked: // a refused client was never connected
		t.Errorf("callback %s %s for a refused client", req.Method, req.RequestURI)
	default:
	}
}

// goldenFrames is the session of section 2.2 with the odd calls of real applications.
func goldenFrames(t *testing.T, s surface) {
	conn := oldSocket(t, s, "uuid=f1&userid=joe")
	// Emitted in the connect handler, before anything is ready: all answered, in order.
	sendFrames(t, conn, "40/demo?uuid=f1&userid=joe,", `42/demo,0["joinRoom",["room1"]]`, `42/demo,1["joinRoom","room2"]`)
	wantFrame(t, conn, "40/demo,")
	wantFrame(t, conn, `42/demo,\["ok",\{"system":"[^"]+","port":\d+,"clientId":"/demo#joe#web-f1"\}\]`)
	wantFrame(t, conn, `43/demo,0\[\{"status":200,"msg":"ok"\}\]`)
	wantFrame(t, conn, `43/demo,1\[\{"status":200,"msg":"ok"\}\]`)
	for i, c := range []struct{ event, want string }{
		{`["joinRoom",["ok1","not legal"]]`, `{"status":500,"msg":"joinOrleaveRoom error: Error: room invalid"}`},
		{`["joinRoom",[]]`, `{"status":200,"msg":"ok"}`},
		{`["leaveRoom",["never-in","not legal"]]`, `{"status":200,"msg":"ok"}`},
		{`["leaveRoom",["ok1","room1","room2"]]`, `{"status":200,"msg":"ok"}`},
		{`["apns",{}]`, `{"status":403,"msg":"Forbidden"}`},
		{`["apns",{},"x"]`, `{"status":403,"msg":"Forbidden"}`},
		{`["push",{}]`, `{"status":400,"msg":"{\"code\": 9999,\"msg\": \"room can not be empty\"}"}`},
		{`["discover",null]`, `{"list":[],"status":200,"msg":"ok"}`},
	} {
		id := i + 10
		sendFrames(t, conn, fmt.Sprintf("42/demo,%d%s", id, c.event))
		wantFrame(t, conn, regexp.QuoteMeta(fmt.Sprintf("43/demo,%d[%s]", id, c.want)))
	}
	sendFrames(t, conn, `42/demo,30["info",{"mobile":"139","longitude":116.4,"latitude":39.9}]`)
	wantFrame(t, conn, `43/demo,30\[\{"status":200,"msg":"ok"\}\]`)
	sendFrames(t, conn, `42/demo,31["info",null]`)
	wantFrame(t, conn, `43/demo,31\[\{.*"mobile":"139",.*"msg":"ok",.*"status":200,.*"userid":"joe"\}\]`)
	sendFrames(t, conn, `42/demo,32["push",{"room":"room1","pushData":{"a":1}}]`)
	wantFrame(t, conn, `43/demo,32\[\{"status":200,"msg":"ok","id":\d+\}\]`)
	sendFrames(t, conn, `42/demo,33["push",{"room":"room1","pushData":{"a":1}}]`)
	wantFrame(t, conn, `43/demo,33\[\{"status":500,"msg":"limited access in 1s"\}\]`)

	ios := oldSocket(t, s, "uuid=i1&userid=ivy&platform=ios")
	sendFrames(t, ios, "40/demo?uuid=i1&userid=ivy&platform=ios,", `42/demo,0["apns",{"add":["quiet","q2"]}]`, `42/demo,1["apns",{}]`,
		`42/demo,2["apns",{"remove":["quiet","q2"]}]`, `42/demo,3["apns",null]`)
	wantFrame(t, ios, "40/demo,")
	wantFrame(t, ios, `42/demo,\["ok",.*\]`)
	wantFrame(t, ios, `43/demo,0\[\{"status":200,"msg":"ok"\}\]`)
	wantFrame(t, ios, `43/demo,1\[\["quiet","q2"\]\]|43/demo,1\[\["q2","quiet"\]\]`)
	wantFrame(t, ios, `43/demo,2\[\{"status":200,"msg":"ok"\}\]`)
	wantFrame(t, ios, `43/demo,3\[\[\]\]`)
}
