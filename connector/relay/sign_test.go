package relay

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

var testSecret = []byte("0123456789abcdef")

func request(method, target string) *http.Request {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		panic(err)
	}
	return &http.Request{Method: method, URL: u, Header: http.Header{}}
}

func TestSignature(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	const target, client = "/socket.io/?transport=polling&sid=abc%20def&b=%zz", "203.0.113.9:4711"
	signed := func() (*http.Request, string) {
		r := request("POST", target)
		r.Header["X-Forwarded-For"] = []string{"198.51.100.7", "10.0.0.1"}
		r.Header.Set("Origin", "https://example.org")
		return r, sign(testSecret, r, client, now)
	}
	r, value := signed()
	if got, ok := verify(testSecret, r, value, now.Add(time.Minute)); !ok || got != client {
		t.Fatalf("verify(%s) = %q, %v", value, got, ok)
	}
	for name, change := range map[string]func(r *http.Request, value *string, now *time.Time){
		"method":        func(r *http.Request, _ *string, _ *time.Time) { r.Method = "GET" },
		"path":          func(r *http.Request, _ *string, _ *time.Time) { r.URL.Path = "/other/" },
		"query":         func(r *http.Request, _ *string, _ *time.Time) { r.URL.RawQuery += "&x=1" },
		"forwarded for": func(r *http.Request, _ *string, _ *time.Time) { r.Header.Set("X-Forwarded-For", "127.0.0.1") },
		"origin":        func(r *http.Request, _ *string, _ *time.Time) { r.Header.Del("Origin") },
		"address": func(_ *http.Request, v *string, _ *time.Time) {
			parts := strings.Split(*v, ".")
			parts[2] = "MTI3LjAuMC4xOjE"
			*v = strings.Join(parts, ".")
		},
		"no base64":  func(_ *http.Request, v *string, _ *time.Time) { *v = strings.Replace(*v, ".M", ".%", 1) },
		"last digit": func(_ *http.Request, v *string, _ *time.Time) { *v = (*v)[:len(*v)-2] + "zz" },
		"no mac":     func(_ *http.Request, v *string, _ *time.Time) { *v = (*v)[:strings.LastIndex(*v, ".")+1] },
		"version":    func(_ *http.Request, v *string, _ *time.Time) { *v = "2" + (*v)[1:] },
		"empty":      func(_ *http.Request, v *string, _ *time.Time) { *v = "" },
		"long":       func(_ *http.Request, v *string, _ *time.Time) { *v += strings.Repeat("0", 600) },
		"late":       func(_ *http.Request, _ *string, now *time.Time) { *now = now.Add(skew + time.Second) },
		"early":      func(_ *http.Request, _ *string, now *time.Time) { *now = now.Add(-skew - time.Second) },
	} {
		r, value := signed()
		at := now
		change(r, &value, &at)
		if _, ok := verify(testSecret, r, value, at); ok {
			t.Errorf("%s: accepted", name)
		}
	}
	r, value = signed()
	if _, ok := verify([]byte("another secret"), r, value, now); ok {
		t.Error("accepted with another secret")
	}
}

func TestTag(t *testing.T) {
	a, b := Tag(testSecret, "node-a"), Tag(testSecret, "node-b")
	if len(a) != TagLength || a == b || a != Tag(testSecret, "node-a") || a == Tag([]byte("x"), "node-a") {
		t.Errorf("tags %q and %q", a, b)
	}
	newID, seen := NewID(a), map[string]bool{}
	for range 1000 {
		id := newID()
		if len(id) != TagLength+20 || id[:TagLength] != a || url.QueryEscape(id) != id || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

func FuzzVerify(f *testing.F) {
	now := time.UnixMilli(1_800_000_000_000)
	f.Add(sign(testSecret, request("GET", "/"), "1.2.3.4:5", now))
	f.Add("1.1800000000000..")
	f.Add("1....")
	f.Add("1.9999999999999999999.eA.00")
	good := sign(testSecret, request("GET", "/"), "1.2.3.4:5", now)
	f.Fuzz(func(t *testing.T, value string) {
		if client, ok := verify(testSecret, request("GET", "/"), value, now); ok && !strings.EqualFold(value, good) {
			t.Errorf("%q was accepted for %q", value, client)
		}
	})
}
