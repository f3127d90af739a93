package engineio

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

type openFields struct {
	SID          string    `json:"sid"`
	Upgrades     *[]string `json:"upgrades"`
	PingInterval int       `json:"pingInterval"`
	PingTimeout  int       `json:"pingTimeout"`
	MaxPayload   *int      `json:"maxPayload"`
}

func parseOpen(t *testing.T, packet string) (f openFields) {
	t.Helper()
	js, ok := strings.CutPrefix(packet, "0")
	if !ok || json.Unmarshal([]byte(js), &f) != nil || f.Upgrades == nil {
		t.Fatalf("%q is no open packet", packet)
	}
	return f
}

func TestHandshake(t *testing.T) {
	st := newSite(t, Options{})
	t.Run("1 EIO4 polling", func(t *testing.T) {
		a := st.do("GET", "EIO=4&transport=polling", "")
		if a.status != 200 || a.header.Get("Content-Type") != "text/plain; charset=UTF-8" || strings.Contains(a.body, "\x1e") {
			t.Fatalf("%+v", a)
		}
		p := st.peer()
		want := fmt.Sprintf(`0{"sid":"%s","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`, p.s.ID())
		a.want(t, 200, want)
	})
	t.Run("2 EIO3 polling", func(t *testing.T) {
		a := st.do("GET", "EIO=3&transport=polling", "")
		length, packet, _ := strings.Cut(a.body, ":")
		if n, _ := strconv.Atoi(length); n != len(packet) {
			t.Fatalf("length %s of %q", length, packet)
		}
		if f := parseOpen(t, packet); len(*f.Upgrades) != 1 || f.PingInterval != 25000 || f.PingTimeout != 20000 {
			t.Fatalf("%+v", f)
		}
		st.peer()
	})
	t.Run("4 websocket", func(t *testing.T) {
		for _, v := range []Protocol{V3, V4} {
			c := st.attach(fmt.Sprintf("EIO=%d&transport=websocket", v))
			f := parseOpen(t, c.read())
			if len(*f.Upgrades) != 0 || (f.MaxPayload != nil) != (v == V4) {
				t.Fatalf("%+v", f)
			}
			if p := st.peer(); p.s.Protocol() != v || p.s.Transport() != "websocket" {
				t.Fatal(p.s.Protocol(), p.s.Transport())
			}
		}
	})
	t.Run("5 missing EIO and EIO=5 mean EIO3", func(t *testing.T) {
		for _, query := range []string{"transport=polling", "transport=polling&EIO=5", "transport=polling&EIO=4&EIO=3"} {
			a := st.do("GET", query, "")
			if p := st.peer(); p.s.Protocol() != V3 || strings.HasPrefix(a.body, "0") {
				t.Fatalf("%s: protocol %d, %q", query, p.s.Protocol(), a.body)
			}
		}
	})
	t.Run("14 parameters reach the application", func(t *testing.T) {
		p := st.poll(V4, "&t=xyz&token=a&token=b")
		if got := p.s.Request().Query()["token"]; len(got) != 2 || got[1] != "b" {
			t.Fatal(got)
		}
		if r := p.s.Request(); r.Path != "/socket.io/" || r.Host == "" || r.RemoteAddr == "" || r.Secure {
			t.Fatalf("%+v", r)
		}
		p.s.ReleaseRequest()
		if p.s.Request().RawQuery != "" {
			t.Fatal("request was not released")
		}
		r, err := st.client.Get(st.http.URL + "/socket.io?EIO=4&transport=polling")
		if err != nil || r.StatusCode != 200 {
			t.Fatal(r, err)
		}
		r.Body.Close()
		st.peer()
	})
}

func TestHandshakeIDs(t *testing.T) {
	t.Run("3 unique and URL-safe", func(t *testing.T) {
		st := newSite(t, Options{})
		form := regexp.MustCompile(`^[A-Za-z0-9_-]{20,}$`)
		seen := make(map[string]bool)
		for range 10_000 {
			w := httptest.NewRecorder()
			st.server.ServeHTTP(w, httptest.NewRequest("GET", "/socket.io/?EIO=4&transport=polling", nil))
			sid := parseOpen(t, w.Body.String()).SID
			if seen[sid] || !form.MatchString(sid) {
				t.Fatalf("bad id %q", sid)
			}
			seen[sid] = true
		}
		if st.server.Len() != 10_000 {
			t.Fatal(st.server.Len())
		}
	})
	t.Run("exhausted NewID", func(t *testing.T) {
		st := newSite(t, Options{NewID: func() string { return "same" }})
		st.poll(V4, "")
		st.do("GET", "EIO=4&transport=polling", "").want(t, 500, "")
		_, res := st.dial("EIO=4&transport=websocket", "", nil)
		if res.StatusCode != 500 {
			t.Fatal(res.StatusCode)
		}
	})
}

func TestHandshakeVariants(t *testing.T) {
	t.Run("4 upgrades disabled", func(t *testing.T) {
		for _, o := range []Options{{DisableUpgrade: true}, {DisableWebSocket: true}} {
			st := newSite(t, o)
			p := st.poll(V4, "")
			if f := parseOpen(t, p.open.body); len(*f.Upgrades) != 0 {
				t.Fatalf("%+v", f)
			}
			message := "Bad request"
			if o.DisableWebSocket {
				message = "Transport unknown"
			}
			st.refused("EIO=4&transport=websocket&sid="+p.sid, "", message)
			p.wantAlive(t)
		}
	})
	t.Run("what OnOpen sends follows the open packet", func(t *testing.T) {
		st := newSite(t, Options{}, func(st *site) {
			st.onOpen = func(p *peer) { _ = p.s.Send(text("0")) }
		})
		p := st.poll(V3, "")
		if !strings.HasPrefix(p.open.body, "9") || !strings.HasSuffix(p.open.body, "}2:40") {
			t.Fatal(p.open.body)
		}
		st.connect(V3, "").want("40")
		st.connect(V4, "").want("40")
	})
	t.Run("cookie", func(t *testing.T) {
		st := newSite(t, Options{Cookie: "io"})
		p := st.poll(V4, "")
		if got := p.open.header.Get("Set-Cookie"); got != "io="+p.sid+"; Path=/; HttpOnly; SameSite=Lax" {
			t.Fatal(got)
		}
		p.send(t, text("x"))
		if a := p.get(); a.header.Get("Set-Cookie") != "" {
			t.Fatal("cookie on a later answer")
		}
		old := st.poll(V3, "")
		want := "io=" + old.sid + "; Path=/; HttpOnly; SameSite=Strict"
		if got := old.open.header.Get("Set-Cookie"); got != want {
			t.Fatal(got)
		}
		if got := old.post("1:2").header.Get("Set-Cookie"); got != want {
			t.Fatal(got)
		}
		if got := old.get().header.Get("Set-Cookie"); got != want {
			t.Fatal(got)
		}
	})
	t.Run("kept headers", func(t *testing.T) {
		st := newSite(t, Options{KeepHeaders: []string{"x-real-ip"}})
		st.do("GET", "EIO=4&transport=polling", "", "X-Real-Ip", "10.0.0.1", "X-Other", "y")
		if h := st.peer().s.Request().Header; len(h) != 1 || h.Get("X-Real-Ip") != "10.0.0.1" {
			t.Fatal(h)
		}
	})
	t.Run("invalid options", func(t *testing.T) {
		for _, o := range []Options{{DisablePolling: true, DisableWebSocket: true}, {MaxPayload: -1}} {
			if _, err := NewServer(o, &site{}); err == nil {
				t.Fatalf("%+v accepted", o)
			}
		}
		if _, err := NewServer(Options{}, nil); err == nil {
			t.Fatal("nil handler accepted")
		}
	})
}

func TestRefusals(t *testing.T) {
	st := newSite(t, Options{})
	v4, v3 := st.poll(V4, ""), st.poll(V3, "")
	c := st.connect(V4, "")
	onSocket := "&sid=" + c.s.ID()
	type row struct {
		name, method, query string
		status              int
		code                Code
	}
	for _, r := range []row{
		{"7 transport missing", "GET", "EIO=4", 400, 0},
		{"7 transport unknown", "GET", "EIO=4&transport=udp", 400, 0},
		{"7 transport constructor", "GET", "EIO=4&transport=constructor", 400, 0},
		{"7 webtransport", "GET", "EIO=4&transport=webtransport", 400, 0},
		{"7 case matters", "GET", "EIO=4&transport=Polling", 400, 0},
		{"8 unknown sid GET", "GET", "EIO=4&transport=polling&sid=nope", 400, 1},
		{"8 unknown sid POST", "POST", "EIO=4&transport=polling&sid=nope", 400, 1},
		{"8 prototype sid", "GET", "EIO=4&transport=polling&sid=__proto__", 400, 1},
		{"9 POST without sid", "POST", "EIO=4&transport=polling", 400, 2},
		{"9 OPTIONS without sid", "OPTIONS", "EIO=4&transport=polling", 400, 2},
		{"9 empty sid is none", "POST", "EIO=4&transport=polling&sid=", 400, 2},
		{"10 websocket over plain GET", "GET", "EIO=4&transport=websocket", 400, 3},
		{"11 other transport", "GET", "EIO=4&transport=websocket&sid=" + v4.sid, 400, 3},
		{"11 polling on a websocket session", "GET", "EIO=4&transport=polling" + onSocket, 400, 3},
		{"11 plain GET on a websocket session", "GET", "EIO=4&transport=websocket" + onSocket, 400, 3},
		{"11 EIO3 on an EIO4 session", "GET", "EIO=3&transport=polling&sid=" + v4.sid, 400, 3},
		{"11 no EIO on an EIO4 session", "POST", "transport=polling&sid=" + v4.sid, 400, 3},
		{"11 EIO4 on an EIO3 session", "GET", "EIO=4&transport=polling&sid=" + v3.sid, 400, 3},
	} {
		t.Run(r.name, func(t *testing.T) {
			st.do(r.method, r.query, "").wantCode(t, r.status, r.code)
		})
	}
	t.Run("9 HEAD without sid", func(t *testing.T) {
		if a := st.do("HEAD", "EIO=4&transport=polling", ""); a.status != 400 {
			t.Fatal(a.status)
		}
	})
	t.Run("13 other methods with sid", func(t *testing.T) {
		for _, method := range []string{"PUT", "DELETE", "HEAD", "OPTIONS"} {
			st.do(method, v4.query, "").want(t, 405, "")
		}
	})
	t.Run("8 upgrade", func(t *testing.T) {
		st.refused("EIO=4&transport=websocket&sid=nope", "", "Session ID unknown")
	})
	t.Run("11 upgrade", func(t *testing.T) {
		st.refused("EIO=3&transport=websocket&sid="+v4.sid, "", "Bad request")
		st.refused("EIO=4&transport=polling&sid="+v4.sid, "", "Bad request")
		st.refused("EIO=4&transport=polling", "", "Bad request")
		st.refused("EIO=4&transport=nope", "", "Transport unknown")
	})
	t.Run("websocket request without a proper key", func(t *testing.T) {
		for headers, status := range map[string]int{
			"Sec-WebSocket-Version: 8\r\n":                          426,
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n": 400,
		} {
			r := httptest.NewRequest("GET", "/socket.io/?EIO=4&transport=websocket", nil)
			r.Header.Set("Connection", "keep-alive, Upgrade")
			r.Header.Set("Upgrade", "WebSocket")
			for line := range strings.Lines(headers) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			st.server.ServeHTTP(w, r)
			if w.Code != status {
				t.Fatalf("%q: %d", headers, w.Code)
			}
		}
	})
	t.Run("control characters in Origin", func(t *testing.T) {
		r := httptest.NewRequest("GET", "/socket.io/?EIO=4&transport=polling&sid=nope", nil)
		r.Header["Origin"] = []string{"http://a\x00b"}
		w := httptest.NewRecorder()
		st.server.ServeHTTP(w, r)
		answer{w.Code, w.Header(), w.Body.String(), nil}.wantCode(t, 400, CodeBadRequest)
	})
	for _, p := range []*peer{v4.peer, v3.peer, c.peer} {
		p.wantAlive(t)
	}
}

func TestRefusalByProtocolAndHook(t *testing.T) {
	t.Run("6 EIO3 refused", func(t *testing.T) {
		st := newSite(t, Options{DenyEIO3: true})
		st.do("GET", "EIO=3&transport=polling", "").wantCode(t, 400, CodeUnsupportedProtocol)
		st.refused("EIO=3&transport=websocket", "", "Unsupported protocol version")
		st.poll(V4, "")
	})
	t.Run("12 application hook", func(t *testing.T) {
		st := newSite(t, Options{AllowRequest: func(r *http.Request) error {
			switch r.URL.Query().Get("who") {
			case "eve":
				return errors.New("go away")
			case "nobody":
				return errors.New("")
			}
			return nil
		}})
		a := st.do("GET", "EIO=4&transport=polling&who=eve", "")
		a.want(t, 403, `{"code":4,"message":"go away"}`)
		st.do("GET", "EIO=4&transport=polling&who=nobody", "").want(t, 403, `{"code":4,"message":"Forbidden"}`)
		st.refused("EIO=4&transport=websocket&who=eve", "", "go away")
		p := st.poll(V4, "")
		p.send(t, text("x"))
		p.query += "&who=eve" // not asked again
		p.get().want(t, 200, "4x")
	})
}
