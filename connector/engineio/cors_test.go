package engineio

import "testing"

func TestOwnOrigin(t *testing.T) {
	for _, c := range []struct {
		origin, host string
		want         bool
	}{
		{"http://push.example", "push.example", true},
		{"https://PUSH.example:8443", "push.example:8443", true},
		{"https://push.example", "push.example:8443", false},
		{"http://push.example.evil.example", "push.example", false},
		{"http://push.example@evil.example", "push.example", false},
		{"http://push.example@push.example", "push.example", false},
		{"null", "push.example", false},
		{"", "", false},
		{"null", "", false},
		{"file://", "", false},
		{"http://[::1]:80", "[::1]:80", true},
		{"://", "push.example", false},
	} {
		if got := ownOrigin(c.origin, c.host); got != c.want {
			t.Errorf("%q at %q: %v", c.origin, c.host, got)
		}
	}
}
