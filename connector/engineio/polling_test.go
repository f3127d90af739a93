package engineio

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

var octets = []string{"Content-Type", "application/octet-stream"}

func TestPollingGET(t *testing.T) {
	st := newSite(t, Options{})
	t.Run("15 held until a packet is queued", func(t *testing.T) {
		p := st.poll(V4, "")
		held := p.hold()
		select {
		case a := <-held:
			t.Fatalf("answered %+v", a)
		default:
		}
		p.send(t, text("hello"))
		p.wantHeld(held, "4hello")
	})
	t.Run("16 order and at most 16 packets", func(t *testing.T) {
		for _, v := range []Protocol{V3, V4} {
			p := st.poll(v, "")
			var want []string
			for i := range 40 {
				p.send(t, text(fmt.Sprintf("%02d", i)))
				if v == V4 {
					want = append(want, fmt.Sprintf("4%02d", i))
				} else {
					want = append(want, fmt.Sprintf("3:4%02d", i))
				}
			}
			sep := map[Protocol]string{V3: "", V4: "\x1e"}[v]
			for len(want) > 0 {
				n := min(16, len(want))
				p.get().want(t, 200, strings.Join(want[:n], sep))
				want = want[n:]
			}
		}
	})
	t.Run("17 headers", func(t *testing.T) {
		p := st.poll(V4, "")
		p.send(t, text("x"))
		a := p.get("User-Agent", "Mozilla/5.0 (Windows NT 6.3; Trident/7.0; rv:11.0)").want(t, 200, "4x")
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "text/plain; charset=UTF-8" ||
			a.header.Get("X-Xss-Protection") != "0" || a.header.Get("Content-Length") != "2" {
			t.Fatal(a.header)
		}
		a = p.post("4hi").want(t, 200, "ok")
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "text/html" ||
			a.header.Get("Content-Length") != "2" || a.header.Get("X-Xss-Protection") != "" {
			t.Fatal(a.header)
		}
		p.wantMessages(t, "hi")
	})
	t.Run("18 second concurrent GET", func(t *testing.T) {
		for v, want := range map[Protocol]string{V3: "1:1", V4: "1"} {
			p := st.poll(v, "")
			held := p.hold()
			p.get().want(t, 400, "")
			p.wantHeld(held, want)
			p.wantClosed(t, ReasonTransportError)
			p.gone()
		}
	})
	t.Run("20 aborted GET", func(t *testing.T) {
		p := st.poll(V4, "")
		ctx, cancel := context.WithCancel(context.Background())
		go st.doContext(ctx, "GET", p.query, "")
		p.waitHeld()
		cancel()
		p.wantClosed(t, ReasonTransportError)
		p.gone()
	})
}

// rawPOST starts a POST of which only a part of the body is sent.
func rawPOST(t *testing.T, p *poller, announced int, part string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", p.st.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(nc, "POST /socket.io/?%s HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s", p.query, announced, part)
	return nc
}

func (p *poller) waitPosting() {
	p.t.Helper()
	eventually(p.t, "POST is being read", func() bool {
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		return p.s.post != nil
	})
}

func TestPollingPOST(t *testing.T) {
	st := newSite(t, Options{MaxPayload: 100})
	t.Run("19 second concurrent POST", func(t *testing.T) {
		p := st.poll(V4, "")
		held := p.hold()
		first := rawPOST(t, p, 10, "4abc")
		p.waitPosting()
		p.post("4x").want(t, 400, "")
		p.wantClosed(t, ReasonTransportError)
		p.wantHeld(held, "1")
		if rest, err := io.ReadAll(first); err == nil && len(rest) > 0 {
			t.Fatalf("first POST was answered %q", rest)
		}
		p.gone()
	})
	t.Run("20 half POST", func(t *testing.T) {
		p := st.poll(V4, "")
		nc := rawPOST(t, p, 10, "4abc")
		p.waitPosting()
		nc.Close()
		p.wantClosed(t, ReasonTransportError)
		p.gone()
	})
	t.Run("21 maxPayload", func(t *testing.T) {
		p := st.poll(V4, "")
		held := p.hold()
		p.postOK("4" + strings.Repeat("x", 99))
		p.wantMessages(t, strings.Repeat("x", 99))
		p.post("4"+strings.Repeat("x", 100)).want(t, 413, "")
		// The same without an announced length.
		r, _ := http.NewRequest("POST", st.http.URL+"/socket.io/?"+p.query, io.MultiReader(strings.NewReader("4"+strings.Repeat("x", 100))))
		res, err := st.client.Do(r)
		if err != nil || res.StatusCode != 413 {
			t.Fatal(res, err)
		}
		res.Body.Close()
		p.postOK("4still here")
		p.wantMessages(t, "still here")
		p.send(t, text("x"))
		p.wantHeld(held, "4x")
	})
	t.Run("31 close packet", func(t *testing.T) {
		for v, body := range map[Protocol][2]string{V3: {"1:13:4no", "1:6"}, V4: {"1\x1e4no", "6"}} {
			p := st.poll(v, "")
			held := p.hold()
			p.postOK(body[0])
			p.wantHeld(held, body[1])
			p.wantClosed(t, ReasonTransportClose)
			p.gone()
			if len(p.got) != 0 {
				t.Fatal("packet after the close packet was delivered")
			}
		}
	})
	t.Run("32 packets 0 5 6 are ignored", func(t *testing.T) {
		p := st.poll(V4, "")
		p.postOK("0\x1e5\x1e6\x1e4a")
		p.wantMessages(t, "a")
		p3 := st.poll(V3, "")
		p3.postOK("1:01:51:62:4a")
		p3.wantMessages(t, "a")
	})
}

func TestPayloadV4OverHTTP(t *testing.T) {
	st := newSite(t, Options{})
	for name, body := range map[string]string{
		"empty body": "", "leading separator": "\x1e6", "trailing separator": "6\x1e", "double separator": "6\x1e\x1e6",
		"unknown type": "9", "invalid UTF-8": "4\xff", "bad base64": "b!",
	} {
		t.Run("22 "+name, func(t *testing.T) {
			p := st.poll(V4, "")
			held := p.hold()
			p.postOK(body)
			p.wantClosed(t, ReasonParseError)
			p.wantHeld(held, "1")
			p.gone()
		})
	}
	t.Run("22 noops", func(t *testing.T) {
		p := st.poll(V4, "")
		p.postOK("6\x1e6")
		p.wantAlive(t)
	})
	t.Run("22 packets before the broken one are delivered", func(t *testing.T) {
		p := st.poll(V4, "")
		p.postOK("4a\x1e9\x1e4b")
		p.wantMessages(t, "a")
		p.wantClosed(t, ReasonParseError)
		if len(p.got) != 0 {
			t.Fatal(<-p.got)
		}
	})
	t.Run("23 octet-stream", func(t *testing.T) {
		p := st.poll(V4, "")
		p.post("4a", octets...).want(t, 400, "")
		p.wantClosed(t, ReasonTransportError)
		p = st.poll(V4, "")
		p.postOK("4a", "Content-Type", "")
		p.wantMessages(t, "a")
	})
	t.Run("24 base64 leniency", func(t *testing.T) {
		p := st.poll(V4, "")
		p.postOK("b+/8BAg==\x1eb+/8BAg\x1eb+/8\r\nBAg==\n\x1eb-_8BAg\x1eb")
		p.wantMessages(t, "<fbff0102>", "<fbff0102>", "<fbff0102>", "<fbff0102>", "<>")
	})
	t.Run("binary in a GET", func(t *testing.T) {
		p := st.poll(V4, "&b64=1")
		p.send(t, text("hello"), binary(1, 2, 3, 4), binary())
		p.get().want(t, 200, "4hello\x1ebAQIDBA==\x1eb")
	})
}

func TestPayloadV3OverHTTP(t *testing.T) {
	st := newSite(t, Options{}, func(st *site) { st.hook = echo })
	t.Run("25 UTF-16 lengths", func(t *testing.T) {
		p := st.poll(V3, "")
		p.postOK(`16:42["echo","€😀"]14:42["echo","z"]`)
		p.wantMessages(t, `2["echo","€😀"]`, `2["echo","z"]`)
		p.get().want(t, 200, `16:42["echo","€😀"]14:42["echo","z"]`)
	})
	t.Run("26 empty packet is skipped", func(t *testing.T) {
		p := st.poll(V3, "")
		p.postOK("0:2:4a0:")
		p.wantMessages(t, "a")
		p.wantAlive(t)
	})
	for name, body := range map[string]string{
		"length beyond the end": "5:6", "trailing text": "1:6x", "no number": "x:6", "no length": ":6",
		"negative": "-1:6", "empty body": "", "unknown type": "1:9", "half surrogate": "2:4😀", "huge": "99999999999999999999:6",
	} {
		t.Run("26 "+name, func(t *testing.T) {
			p := st.poll(V3, "")
			p.postOK(body)
			p.wantClosed(t, ReasonParseError)
			p.gone()
		})
	}
	t.Run("27 30 octet-stream with binary", func(t *testing.T) {
		p := st.poll(V3, "")
		p.send(t, text("€"), binary(1, 2, 3, 4), text(strings.Repeat("x", 11)))
		want := "\x00\x04\xff4\xe2\x82\xac" + "\x01\x05\xff\x04\x01\x02\x03\x04" + "\x00\x01\x02\xff4xxxxxxxxxxx"
		a := p.get().want(t, 200, want)
		if got := a.header.Get("Content-Type"); got != "application/octet-stream" {
			t.Fatal(got)
		}
		p.send(t, text("only text"))
		if a := p.get().want(t, 200, "10:4only text"); a.header.Get("Content-Type") != "text/plain; charset=UTF-8" {
			t.Fatal(a.header)
		}
		p.postOK(want, octets...)
		p.wantMessages(t, "€", "<01020304>", "xxxxxxxxxxx")
	})
	t.Run("28 base64", func(t *testing.T) {
		p := st.poll(V3, "&b64=1")
		p.send(t, binary(1, 2, 3, 4), text("a"))
		p.get().want(t, 200, "10:b4AQIDBA==2:4a")
		for _, extra := range []string{"", "&b64=1"} {
			p := st.poll(V3, extra)
			p.postOK("10:b4AQIDBA==2:b4")
			p.wantMessages(t, "<01020304>", "<>")
		}
	})
	t.Run("29 octet-stream with strings only", func(t *testing.T) {
		p := st.poll(V3, "")
		p.postOK("\x00\x02\xff4a\x00\x04\xff4\xe2\x82\xac\x00\x01\xff2", octets...)
		p.wantMessages(t, "a", "€")
		p.get().want(t, 200, "2:4a2:4€1:3")
	})
	for name, body := range map[string]string{
		"kind": "\x02\x01\xff4", "length digit": "\x00\x0a\xff4", "no end": "\x00\x01", "too long": "\x00\x05\xff4", "no digits": "\x00\xff",
		"binary without type": "\x01\x00\xff", "binary type": "\x01\x01\xff\x07", "invalid UTF-8": "\x00\x02\xff4\xff", "empty": "",
	} {
		t.Run("26 octet-stream "+name, func(t *testing.T) {
			p := st.poll(V3, "")
			p.postOK(body, octets...)
			p.wantClosed(t, ReasonParseError)
		})
	}
}

func TestJSONP(t *testing.T) {
	st := newSite(t, Options{})
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	t.Run("33 answers", func(t *testing.T) {
		for _, v := range []Protocol{V3, V4} {
			p := st.poll(v, "&j=0x7")
			if !strings.HasPrefix(p.open.body, `___eio[07]("`) || !strings.HasSuffix(p.open.body, `}");`) {
				t.Fatal(p.open.body)
			}
			p.query = strings.Replace(p.query, "j=0x7", "j=9", 1) // the index of the handshake stays
			p.send(t, text("a\"\u2028<"), binary(1, 2))
			want := map[Protocol]string{V3: `___eio[07]("5:4a\"\u2028<6:b4AQI=");`, V4: `___eio[07]("4a\"\u2028<\u001ebAQI=");`}[v]
			a := p.get().want(t, 200, want)
			if a.header.Get("Content-Type") != "text/plain; charset=UTF-8" {
				t.Fatal(a.header)
			}
		}
	})
	t.Run("33 form", func(t *testing.T) {
		p := st.poll(V4, "&j=0")
		p.postOK("x=1&d="+url.QueryEscape(`4a\nb\\nc\d`), form...)
		p.wantMessages(t, "a\nb\\nc\\d")
		p.postOK("x=1", form...) // no d is ignored
		p.wantAlive(t)
		p3 := st.poll(V3, "&j=0")
		p3.postOK("d="+url.QueryEscape(`4:4a\nb6:b4AQI=`), form...)
		p3.wantMessages(t, "a\nb", "<0102>")
	})
}

func TestCORS(t *testing.T) {
	st := newSite(t, Options{MaxPayload: 10, AllowOrigin: func(origin string) bool { return origin != "http://evil" }})
	origin := []string{"Origin", "http://a"}
	check := func(t *testing.T, a answer) {
		t.Helper()
		if a.header.Get("Access-Control-Allow-Origin") != "http://a" || a.header.Get("Access-Control-Allow-Credentials") != "true" {
			t.Fatalf("%d %v", a.status, a.header)
		}
	}
	t.Run("34 echoed everywhere", func(t *testing.T) {
		a := st.do("GET", "EIO=3&transport=polling", "", origin...)
		check(t, a)
		st.peer()
		p := st.poll(V3, "")
		if p.open.header.Get("Access-Control-Allow-Origin") != "*" || p.open.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Fatal(p.open.header)
		}
		check(t, st.do("GET", "EIO=3&transport=polling&sid=nope", "", origin...).wantCode(t, 400, CodeUnknownSession))
		check(t, p.post("20:"+strings.Repeat("x", 20), origin...).want(t, 413, ""))
		check(t, p.post("1:6", origin...).want(t, 200, "ok"))
	})
	t.Run("34 9 preflight", func(t *testing.T) {
		for _, query := range []string{"EIO=4&transport=polling", "", "EIO=4&transport=polling&sid=nope"} {
			a := st.do("OPTIONS", query, "", "Origin", "http://a", "Access-Control-Request-Headers", "x-token").want(t, 204, "")
			check(t, a)
			if a.header.Get("Access-Control-Allow-Headers") != "x-token" || a.header.Get("Access-Control-Allow-Methods") == "" {
				t.Fatal(a.header)
			}
		}
	})
	t.Run("34 rejected origin", func(t *testing.T) {
		evil := []string{"Origin", "http://evil"}
		a := st.do("GET", "EIO=4&transport=polling", "", evil...).wantCode(t, 403, CodeForbidden)
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Fatal(a.header)
		}
		a = st.do("OPTIONS", "EIO=4&transport=polling", "", evil...).want(t, 204, "")
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Fatal(a.header)
		}
		st.refused("EIO=4&transport=websocket", "Origin: http://evil\r\n", "Forbidden")
		p := st.poll(V4, "")
		p.get(evil...).wantCode(t, 403, CodeForbidden)
		st.refused("EIO=4&transport=websocket&sid="+p.sid, "Origin: http://evil\r\n", "Forbidden")
		p.wantAlive(t)
	})
	t.Run("34 off by default", func(t *testing.T) {
		st := newSite(t, Options{})
		if a := st.do("GET", "EIO=4&transport=polling", "", origin...); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Fatal(a.header)
		}
	})
}

func TestCompression(t *testing.T) {
	long, short := strings.Repeat("x", 2000), "short"
	fetch := func(t *testing.T, o Options, accept, content string) answer {
		p := newSite(t, o).poll(V4, "")
		p.send(t, text(content))
		return p.get("Accept-Encoding", accept)
	}
	t.Run("35 enabled and accepted", func(t *testing.T) {
		a := fetch(t, Options{HTTPCompression: true}, "deflate, gzip;q=0.5", long)
		gz, err := gzip.NewReader(strings.NewReader(a.body))
		if err != nil || a.header.Get("Content-Encoding") != "gzip" {
			t.Fatal(err, a.header)
		}
		if body, _ := io.ReadAll(gz); string(body) != "4"+long {
			t.Fatalf("%q", body)
		}
	})
	for name, a := range map[string]answer{
		"35 not enabled":  fetch(t, Options{}, "gzip", long),
		"35 not accepted": fetch(t, Options{HTTPCompression: true}, "gzip;q=0, deflate", long),
		"35 short":        fetch(t, Options{HTTPCompression: true}, "gzip", short),
	} {
		t.Run(name, func(t *testing.T) {
			if a.header.Get("Content-Encoding") != "" || a.body[0] != '4' {
				t.Fatal(a.header)
			}
		})
	}
}

func TestPollingClose(t *testing.T) {
	st := newSite(t, Options{})
	for _, v := range []Protocol{V3, V4} {
		form := func(packets ...string) string {
			if v == V4 {
				return strings.Join(packets, "\x1e")
			}
			out := ""
			for _, p := range packets {
				out += fmt.Sprintf("%d:%s", len(p), p)
			}
			return out
		}
		t.Run(fmt.Sprintf("2.11 GET held, nothing pending, EIO%d", v), func(t *testing.T) {
			p := st.poll(v, "")
			held := p.hold()
			p.s.Close(ReasonForcedClose)
			p.wantHeld(held, form("1"))
			p.wantClosed(t, ReasonForcedClose)
			p.gone()
		})
		t.Run(fmt.Sprintf("2.11 GET held, packet sent before, EIO%d", v), func(t *testing.T) {
			p := st.poll(v, "")
			held := p.hold()
			p.send(t, text("1"))
			p.s.Close("")
			p.wantHeld(held, form("41"))
			p.get().want(t, 200, form("6", "1"))
			p.wantClosed(t, ReasonForcedServerClose)
			p.gone()
		})
		t.Run(fmt.Sprintf("2.11 no GET held, many pending, EIO%d", v), func(t *testing.T) {
			p := st.poll(v, "")
			var want []string
			for range 17 {
				p.send(t, text("x"))
				want = append(want, "4x")
			}
			p.s.Close("")
			p.wantClosed(t, ReasonForcedServerClose)
			if p.s.Send(text("y")) != ErrClosed || p.s.SendVolatile(text("y")) {
				t.Fatal("sent after Close")
			}
			p.postOK(form("4late")) // accepted, not delivered
			p.get().want(t, 200, form(want[:16]...))
			p.get().want(t, 200, form(want[16:]...))
			p.get().want(t, 200, form("6", "1"))
			p.gone()
			if len(p.got) != 0 {
				t.Fatal("delivered after Close")
			}
		})
		t.Run(fmt.Sprintf("2.11 client says goodbye to a closing session, EIO%d", v), func(t *testing.T) {
			p := st.poll(v, "")
			p.s.Close("")
			p.postOK(form("1"))
			p.gone()
		})
	}
}

func TestPipelinedRequestsShareAConnection(t *testing.T) {
	// The deadlines that GET and POST set must not leak into the next request of the connection.
	st := newSite(t, Options{})
	nc, err := net.Dial("tcp", st.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	r := bufio.NewReader(nc)
	request := func(method, query, body string) string {
		fmt.Fprintf(nc, "%s /socket.io/?%s HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n%s", method, query, len(body), body)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(res.Body)
		return string(content)
	}
	request("GET", "EIO=4&transport=polling", "")
	p := st.peer()
	query := "EIO=4&transport=polling&sid=" + p.s.ID()
	for range 3 {
		p.send(t, text("a"))
		if got := request("GET", query, ""); got != "4a" {
			t.Fatal(got)
		}
		if got := request("POST", query, "4b"); got != "ok" {
			t.Fatal(got)
		}
		p.wantMessages(t, "b")
	}
}
