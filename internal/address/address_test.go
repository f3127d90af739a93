package address

import (
	"net/netip"
	"testing"
)

func TestClient(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:99", nil, "192.0.2.1"},
		{"192.0.2.1:99", []string{"198.51.100.7"}, "192.0.2.1"}, // an untrusted peer is not believed
		{"10.0.0.1:99", nil, "10.0.0.1"},
		{"10.0.0.1:99", []string{"198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:99", []string{"203.0.113.9, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		{"10.0.0.1:99", []string{"203.0.113.9", "198.51.100.7:1234"}, "198.51.100.7"},
		{"10.0.0.1:99", []string{"garbage, 10.0.0.3"}, "10.0.0.3"},
		{"[::1]:99", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"[::ffff:10.0.0.1]:99", []string{"198.51.100.7"}, "198.51.100.7"},
		{"no address", []string{"198.51.100.7"}, "invalid IP"},
	} {
		if got := Client(c.remote, c.forwarded, trusted).String(); got != c.want {
			t.Errorf("Client(%q, %q) = %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}
