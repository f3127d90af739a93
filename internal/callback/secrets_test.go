package callback

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
)

// TestErrorsTellNoSecrets: what is logged of a failure names the host, and neither the client's token nor what the
// namespace has put into its address.
func TestErrorsTellNoSecrets(t *testing.T) {
	hangs := newBusiness(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	drops := newBusiness(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	turns := newBusiness(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path+"?token=sesame", http.StatusFound)
	})
	for name, address := range map[string]string{
		"no answer": hangs.url, "cut off": drops.url, "redirects without end": turns.url, "closed": "http://127.0.0.1:1", "no address": "http://127.0.0.1:1:2",
		"of no scheme": "gopher://127.0.0.1",
	} {
		t.Run(name, func(t *testing.T) {
			var told []string
			c := NewCaller(Options{Timeout: 200 * time.Millisecond, OnError: func(_, _ string, err error) { told = append(told, err.Error()) }})
			defer c.Close()
			ns := &namespace.Namespace{Key: "/demo", ConnectCallback: ptr(strings.Replace(address, "//", "//user:sesame@", 1) + "/path-sesame?key=sesame")}
			_, err := c.Connect(context.Background(), ns, Request{Query: url.Values{"token": {"sesame"}}})
			if err == nil || strings.Contains(err.Error(), "sesame") {
				t.Errorf("the client hears %v", err)
			}
			if name != "redirects without end" && len(told) != 1 || len(told) == 1 && strings.Contains(told[0], "sesame") {
				t.Errorf("the log hears %q", told)
			}
		})
	}
	f := NewFetcher(Options{Timeout: 200 * time.Millisecond})
	defer f.Close()
	if _, err := f.Fetch(context.Background(), "http://127.0.0.1:1/keys?key=sesame", 100); err == nil || strings.Contains(err.Error(), "sesame") {
		t.Errorf("of keys: %v", err)
	}
}
