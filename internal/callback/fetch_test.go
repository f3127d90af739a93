package callback

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestFetch(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed to another host") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/missing":
			w.WriteHeader(http.StatusNotFound)
		case "/away":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case "/slow":
			<-r.Context().Done()
		default:
			_, _ = w.Write([]byte(strings.Repeat("x", 100)))
		}
	}))
	defer server.Close()
	f := NewFetcher(Options{Timeout: 200 * time.Millisecond})
	defer f.Close()
	ctx := context.Background()
	if body, err := f.Fetch(ctx, server.URL, 100); err != nil || len(body) != 100 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	for _, path := range []string{"/missing", "/away", "/slow", "bad url"} {
		if _, err := f.Fetch(ctx, server.URL+path, 100); err == nil {
			t.Errorf("%s: fetched", path)
		}
	}
	if _, err := f.Fetch(ctx, server.URL, 99); err == nil {
		t.Error("more than the limit was read")
	}
	denied := NewFetcher(Options{Deny: prefixes("127.0.0.0/8", "::1/128")})
	defer denied.Close()
	if _, err := denied.Fetch(ctx, server.URL, 100); err == nil {
		t.Error("fetched from a denied network")
	}
}

func TestAnswerGrants(t *testing.T) {
	for body, want := range map[string]int64{
		`{}`: 0, `{"expire_at":null}`: 0, `{"expire_at":0}`: 0, `{"expire_at":1900000000}`: 1900000000, `{"expire_at":"1900000000"}`: 1900000000,
		`{"expire_at":1900000000.7}`: 1900000000, `{"expire_at":-5}`: 1, `{"expire_at":"soon"}`: 1, `{"expire_at":true}`: 1, `{"expire_at":1e300}`: 1 << 40,
	} {
		got := parseAnswer([]byte(body)).Expires
		if got.IsZero() != (want == 0) || want != 0 && got.Unix() != want {
			t.Errorf("%s: %v", body, got)
		}
	}
	if a := parseAnswer([]byte(`{"info":{"n":1}}`)); string(a.Info) != `{"n":1}` {
		t.Errorf("info %s", a.Info)
	}
	for _, body := range []string{`{"info":null}`, `{"info":"` + strings.Repeat("x", infoMax) + `"}`} {
		if a := parseAnswer([]byte(body)); a.Info != nil {
			t.Errorf("%.40s: info %.40s", body, a.Info)
		}
	}
}
