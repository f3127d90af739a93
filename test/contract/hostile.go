package contract

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
)

// Injected is a header that no answer may have: hostile values try to bring it in.
const Injected = "X-Injected"

// hostileTexts stand where a text is expected. None of them holds what Check takes for a leak.
var hostileTexts = []string{
	"", " ", "\x00", "a\x00b", "\r\n" + Injected + ": 1", "a\nb", "\xff\xfe", "\xc0\x80", "\xed\xa0\x80", "\u202eabc", "\ufeff", "null",
	"undefined", "NaN", "-0", "0x10", "1e309", "-1", "9223372036854775808", "18446744073709551616", "1.5", "true", "[]", "{}", "__proto__",
	"constructor", "../../../../x", "..\\..\\x", "%00", "%2e%2e%2f", "*", "?", "[a-z]", "{}{}", "a#b#c", "#", "##", "/", "//", "/demo#", "'", "\"",
	"' OR 1=1 --", "${7*7}", "{{7*7}}", "$(x)", "`x`", "<b>x</b>", "\u0000\u0001\u001f\u007f", "\U0010ffff", "e\u0301", strings.Repeat("x", 101), strings.Repeat("y", 5000),
	strings.Repeat("é", 600), strings.Repeat("%", 300), "a:b", "a:b:c", "user_", "user_ann", "\t", "ﬀ", "İ", "ß",
}

// hostileJSON stands where any value is expected.
var hostileJSON = []verbatim{
	`null`, `true`, `false`, `0`, `-0`, `-1`, `1.5`, `1e308`, `1e309`, `-1e309`, `1e-400`, `9007199254740993`, `9223372036854775807`,
	`9223372036854775808`, `-9223372036854775809`, `99999999999999999999999999`, `0.1e1`, `""`, `"1"`, `"\u0000"`, `"\ud800"`, `"\udc00\ud800"`,
	`"\r\n` + Injected + `: 1"`, `"\uFFFE"`, `[]`, `{}`, `[[]]`, `[null]`, `[{}]`, `{"":""}`, `{"a":{"a":{"a":{}}}}`, `{"a":1,"a":2}`, `[1,"2",null,{"a":[]}]`,
	`{"length":5}`, `{"toString":1}`, `{"__proto__":{"a":1}}`, "\"\xff\"", "\"\xed\xa0\x80\"",
}

// brokenJSON stands for a whole body.
var brokenJSON = []string{
	``, ` `, `{`, `}`, `[`, `]`, `[]`, `[1]`, `[{}]`, `""`, `"x"`, `1`, `null`, `true`, `{"a":}`, `{"a":1,}`, `{'a':1}`, `{a:1}`, `{"a":1}{"b":2}`, `{"a":1} x`,
	"\ufeff{}", "{\"a\":\"\x00\"}", "{\"a\":\"\n\"}", `{"a":01}`, `{"a":.5}`, `{"a":1.}`, `{"a":NaN}`, `{"a":Infinity}`, `{"a":"\x41"}`, `{"a":"\u12"}`, `/*x*/{}`, "\x1f\x8b", "\xff\xfe{\x00}\x00",
}

func deep(open, middle, end string, depth int) string {
	return strings.Repeat(open, depth) + middle + strings.Repeat(end, depth)
}

// spoil changes one thing of a valid request.
func (g *Generator) spoil(c *Choices, r *Request) {
	for {
		switch n := c.N(10); {
		case n < 2:
			if !g.spoilParameter(c, r) {
				continue
			}
		case n < 6:
			if r.Route == nil || r.Route.Operation.RequestBody == nil {
				continue
			}
			g.spoilBody(c, r)
		case n < 8:
			g.spoilHeader(c, r)
		default:
			g.spoilCredential(c, r)
		}
		return
	}
}

// spoilParameter puts something odd into the path or the query.
func (g *Generator) spoilParameter(c *Choices, r *Request) bool {
	odd := pick(c, hostileTexts)
	path, query, _ := strings.Cut(r.Target, "?")
	switch n := c.N(5); {
	case n < 2 && strings.Contains(r.Route.Path, "{"):
		if odd == "" {
			odd = "\x00"
		}
		escaped := url.PathEscape(odd)
		if odd == "." || odd == ".." {
			escaped = "%2e"
		}
		path = r.Route.Path
		for _, p := range r.Route.Parameters {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", escaped)
		}
		r.odd("path %q", odd)
	case n < 4 && len(r.Route.Parameters) > 0:
		p := pick(c, r.Route.Parameters)
		if p.In == "header" {
			return false
		}
		pair := url.QueryEscape(p.Name) + "=" + url.QueryEscape(odd)
		switch c.N(4) {
		case 0: // besides the one that is there
			pair += "&" + pair
		case 1:
			pair = url.QueryEscape(p.Name+"[]") + "=" + url.QueryEscape(odd) + "&" + p.Name + "[a][b]=1"
		}
		query = strings.TrimPrefix(query+"&"+pair, "&")
		r.odd("query %s=%q", p.Name, odd)
	default:
		extra := pick(c, []string{"%zz=1", "a;b=1", "=&=&=", "%00=%00", strings.Repeat("&a=1", 2000)[1:], "a=" + strings.Repeat("x", 8000), "[=1", "explain=1", "explain=" + url.QueryEscape(odd), "size=999999999999999999999"})
		query = strings.TrimPrefix(query+"&"+extra, "&")
		r.odd("query %s", clip(extra, 40))
	}
	r.Target = path
	if query != "" {
		r.Target += "?" + query
	}
	return true
}

// spoilHeader sets a header of the request to something odd that is still HTTP.
func (g *Generator) spoilHeader(c *Choices, r *Request) {
	value := pick(c, []string{"", " ", "x", "\xff\xfe", "日本", "a\tb", strings.Repeat("z", 300), strings.Repeat("z", 9000), "1, 2, 3", "null", "*", "-1", "99999999999999999999", "%00%0d%0a" + Injected + ": 1", `"`})
	name := pick(c, []string{
		"Content-Type", "Idempotency-Key", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Origin", "Cookie", "X-CSRF-Token",
		"X-Namespace", "Accept", "Accept-Encoding", "Range", "If-None-Match", "User-Agent", "Referer", "Sec-Fetch-Site", "X-HTTP-Method-Override",
		"X-Original-URL", "Upgrade", "TE", "Content-Encoding", "Content-Language", "Host",
	})
	if name == "Host" {
		value = pick(c, []string{"evil.example", "127.0.0.1", "[::1]:80"})
	}
	if name == "Content-Type" {
		value = pick(c, []string{"", "text/plain", "text/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/json", "application/json; charset=utf-16",
			"application/json;;;", "application/vnd.x+json", "APPLICATION/JSON", "application/json, text/plain", "application/octet-stream", "json", "/", "a/b; x=\"", value})
	}
	if name == "Content-Encoding" {
		value = pick(c, []string{"gzip", "deflate", "br", "identity", "gzip, gzip"})
		if r.Route != nil && r.Route.Operation.RequestBody != nil && !r.has("Transfer-Encoding") && c.Percent(30) {
			r.Body = bomb()
			r.odd("%d bytes of gzip", len(r.Body))
		}
	}
	r.set(name, value)
	r.odd("header %s: %q", name, clip(value, 30))
}

// bomb is gzip of 64 MiB of zeros.
func bomb() []byte { return append([]byte(nil), bombBytes...) }

var bombBytes = func() []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, _ = w.Write(zeros)
	}
	_ = w.Close()
	return b.Bytes()
}()

// spoilCredential replaces the credential by none or one that has no right to the route.
func (g *Generator) spoilCredential(c *Choices, r *Request) {
	if r.Route == nil || r.Route.Credential == "" {
		g.spoilHeader(c, r)
		return
	}
	s := g.Site
	r.unset("Authorization")
	r.unset("Cookie")
	r.unset("X-CSRF-Token")
	r.Forged = true
	jwt := func(header string) string {
		part := base64.RawURLEncoding.EncodeToString
		return part([]byte(header)) + "." + part([]byte(`{"sub":"ann","exp":99999999999}`)) + "."
	}
	forged := []struct{ what, value string }{
		{"no credential", ""},
		{"unknown namespace", basic("/nobody", "x")},
		{"no colon", "Basic " + base64.StdEncoding.EncodeToString([]byte(s.Namespace))},
		{"empty password", basic(s.Namespace, "")},
		{"empty admin password", basic(s.Admin, "")},
		{"namespace without slash", basic(strings.TrimPrefix(s.Namespace, "/"), s.Password)},
		{"administrator at no namespace", basic(s.Admin+"@/nobody", s.AdminPass)},
		{"base64 that is none", "Basic !!!!"},
		{"other scheme", "Digest username=\"x\""},
		{"bearer of nothing", "Bearer "},
		{"forged API key", "Bearer lpk_" + strings.Repeat("a", 40)},
		{"API key without a secret", "Bearer lpk_"},
		{"JWT alg none", "Bearer " + jwt(`{"alg":"none"}`)},
		{"JWT", "Bearer " + jwt(`{"alg":"HS256","typ":"JWT"}`) + "AAAA"},
		{"NUL in the name", basic(s.Namespace+"\x00", s.Password)},
		{"CRLF in the name", basic(s.Namespace+"\r\n"+Injected+": 1", s.Password)},
		{"invalid UTF-8", "Basic " + base64.StdEncoding.EncodeToString([]byte("\xff\xfe:\xff"))},
		{"5000 bytes", "Basic " + strings.Repeat("QUFB", 1250)},
		{"high bytes", "Basic \xff\xfe"},
		{"lower case", strings.Replace(basic(s.Namespace, s.Password), "Basic", "basic", 1) + "x"},
	}
	switch n := c.N(30); {
	case n < len(forged):
		f := forged[n]
		if f.value != "" {
			r.set("Authorization", f.value)
		}
		r.odd("%s", f.what)
	case n < 22: // each costs a password check
		name := s.Namespace
		if r.Route.Credential == "admin" {
			name = s.Admin
		}
		if !c.Percent(20) {
			name += "x"
		}
		// A password of each other's account is as wrong as any.
		r.set("Authorization", basic(name, "wrong"))
		r.set("X-Forwarded-For", fmt.Sprintf("198.51.%d.%d", c.N(256), c.N(256)))
		r.odd("wrong password")
	case n < 24:
		r.set("Cookie", "lightpush_session="+strings.Repeat("A", 43))
		r.odd("forged cookie")
	case n < 26: // a page of another host has the browser send the cookie
		g.withSession(r)
		r.set("Sec-Fetch-Site", "cross-site")
		r.set("Origin", "https://evil.example")
		r.odd("cookie from another host")
	case n < 28:
		g.withSession(r)
		if r.Method == "GET" && !strings.HasSuffix(r.Route.Path, "{key}") {
			r.Forged = false // looking needs no token
		}
		r.set("X-CSRF-Token", strings.Repeat("B", 43))
		r.odd("cookie with a forged token")
		if r.Route.Path == "/api/auth/push" {
			r.Forged = false // it may only explain
		}
	default:
		r.set("Authorization", basic(s.Namespace, s.Password))
		if r.Route.Credential == "namespace" {
			r.set("Authorization", basic(s.Admin, s.AdminPass))
		}
		r.odd("credential of the other side")
	}
}

// confuse takes another method or path.
func (g *Generator) confuse(c *Choices, r *Request) {
	path, query, _ := strings.Cut(r.Target, "?")
	route := r.Route
	r.Route = nil
	switch c.N(5) {
	case 0:
		r.Method = pick(c, []string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "TRACE", "CONNECT", "OPTIONS", "PROPFIND", "get", "X"})
		r.odd("method")
	case 1:
		path = pick(c, []string{path + "/x", path + "//", "/x" + path, path + "/..", "/api/auth/", "/api", "/api/auth/nothing", "/api/admin/nothing",
			"/" + path, "/push-logic/push-logic" + path, "/API/AUTH", "/%61pi/auth/push", path + "%00", path + "%2f", path + ";a=1", path + "/%2e%2e/x", "/api/auth/report/push/", "/" + strings.Repeat("a/", 3000), "/api/auth/" + strings.Repeat("%41", 2000)})
		r.odd("path")
	case 2:
		path = strings.ToUpper(path)
		r.odd("upper case")
	case 3:
		path = "/push-logic" + path + pick(c, []string{"", "/"})
		r.odd("prefix")
	case 4:
		if route.Method == "GET" {
			r.Method, r.Route = "HEAD", route
		}
	}
	r.Target = path
	if query != "" {
		r.Target += "?" + query
	}
}

// rawRequest makes something that is hardly HTTP.
func (g *Generator) rawRequest(c *Choices, r *Request) {
	r.Raw = true
	switch n := c.N(15); n {
	case 0:
		r.Header = append(r.Header, "X-A: a\x00b")
	case 1:
		r.Header = append(r.Header, "X-A: a\rb")
	case 2:
		r.Header = append(r.Header, "no colon")
	case 3:
		r.Header = append(r.Header, " folded: 1")
	case 4:
		r.Target = "/api/auth/push\xff\x00 x"
	case 5:
		r.Target = "/api/%zz"
	case 6:
		r.Header = append(r.Header, "Host: a", "Host: b")
	case 7:
		r.Header, r.Length = append(r.Header, "Transfer-Encoding: gzip"), "-"
	case 8:
		r.Length = "-1"
	case 9:
		r.Length = "1e3"
	case 10:
		r.Header = append(r.Header, "Transfer-Encoding: chunked")
		r.Body = []byte("zz\r\nnothing\r\n")
	case 11:
		r.Header = append(r.Header, "X-Long: "+strings.Repeat("a", 64<<10))
	case 12:
		r.Method = "G\x00T"
	case 13:
		r.Header = append(r.Header, strings.Split(strings.Repeat("X-Many: 1,", 3000), ",")...)
		r.Header = r.Header[:len(r.Header)-1]
	case 14:
		r.Cut, r.Length = true, fmt.Sprint(len(r.Body)+100)
	}
	r.odd("raw")
}
