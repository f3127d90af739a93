package callback

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func prefixes(list ...string) (all []netip.Prefix) {
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

func TestAllowed(t *testing.T) {
	for _, c := range []struct {
		address     string
		allow, deny []netip.Prefix
		want        bool
	}{
		{"192.0.2.1", nil, nil, true},
		{"169.254.169.254", nil, prefixes("169.254.0.0/16", "fe80::/10"), false},
		{"::ffff:169.254.169.254", nil, prefixes("169.254.0.0/16"), false},
		{"fe80::1%eth0", nil, prefixes("fe80::/10"), false},
		{"10.1.2.3", prefixes("10.0.0.0/8"), nil, true},
		{"11.1.2.3", prefixes("10.0.0.0/8"), nil, false},
		{"10.1.2.3", prefixes("10.0.0.0/8"), prefixes("10.1.0.0/16"), false},
		{"::1", prefixes("127.0.0.0/8"), nil, false},
	} {
		if got := allowed(netip.MustParseAddr(c.address), c.allow, c.deny); got != c.want {
			t.Errorf("%s in %v, not in %v: %v", c.address, c.allow, c.deny, got)
		}
	}
}

// A refused address is not even connected to, whatever name it has.
func TestDialer(t *testing.T) {
	called := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer server.Close()
	for _, url := range []string{server.URL, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)} {
		client := &http.Client{Transport: &http.Transport{DialContext: dialer(nil, prefixes("127.0.0.0/8", "::1/128")).DialContext}}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Do(req); !errors.Is(err, errNetwork) || called {
			t.Errorf("%s: %v, called %v", url, err, called)
		}
	}
}
