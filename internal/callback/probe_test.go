package callback

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/namespace"
)

// A test shows the real answer, whatever it is.
func TestTester(t *testing.T) {
	system := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/long" {
			_, _ = io.WriteString(w, strings.Repeat("x", 2*probedBodyMax))
			return
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, strings.Join([]string{
			r.Method, r.URL.RequestURI(), string(body), r.Header.Get("Authorization"), r.Header.Get("Namespace"), r.Header.Get(HeaderDelivery),
		}, " ")+"\xff")
	}))
	defer system.Close()
	in, out, secret := system.URL+"/in?a=1", system.URL+"/out", "Bearer x"
	ns := &namespace.Namespace{Key: "/a", ConnectCallback: &in, DisconnectCallback: &out, CallbackAuth: &secret}
	tester := NewTester(Options{})
	defer tester.Close()
	query := url.Values{"userid": {"ann"}}
	for kind, want := range map[string]string{
		KindConnect:    "GET /in?a=1&userid=ann  Bearer x /a \uFFFD",
		KindDisconnect: `POST /out {"query":{"userid":"ann"}} Bearer x /a test` + "\uFFFD",
	} {
		p, err := tester.Test(context.Background(), ns, kind, query)
		if err != nil || p.Status != http.StatusTeapot || p.Body != want || p.Error != "" {
			t.Errorf("%s: %+v %v, want %q", kind, p, err, want)
		}
	}
	long := system.URL + "/long"
	if p, err := tester.Test(context.Background(), &namespace.Namespace{Key: "/a", ConnectCallback: &long}, KindConnect, nil); err != nil || p.Status != 200 || len(p.Body) != probedBodyMax {
		t.Errorf("a long answer: %d bytes %v", len(p.Body), err)
	}
	if _, err := tester.Test(context.Background(), &namespace.Namespace{Key: "/a"}, KindConnect, nil); !errors.Is(err, ErrNoCallback) {
		t.Errorf("without a callback: %v", err)
	}
	denied := NewTester(Options{Deny: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	defer denied.Close()
	if p, err := denied.Test(context.Background(), ns, KindConnect, nil); err != nil || p.Status != 0 || p.Error == "" {
		t.Errorf("a network that is denied: %+v %v", p, err)
	}
}
