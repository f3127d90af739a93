package namespace

import (
	"strings"
	"testing"
)

// TestCallbackSecret: it is set, kept when its mark comes back, removed, and
// never shown.
func TestCallbackSecret(t *testing.T) {
	base := &Namespace{Key: "/demo", PasswdHash: "h", CallbackSecret: ptr("whsec")}
	for body, want := range map[string]*string{
		`{}`:                            ptr("whsec"),
		`{"callback_secret":"******"}`:  ptr("whsec"),
		`{"callback_secret":"changed"}`: ptr("changed"),
		`{"callback_secret":""}`:        nil,
		`{"callback_secret":null}`:      nil,
	} {
		p, err := ParsePatch(rules, fields(t, body), "/demo")
		if err != nil {
			t.Fatal(err)
		}
		n, err := p.Apply(base, 1)
		if err != nil || (n.CallbackSecret == nil) != (want == nil) || want != nil && *n.CallbackSecret != *want {
			t.Errorf("%s: %+v, %v", body, n, err)
		}
		if shown := show(n.Public()); strings.Contains(shown, "whsec") || strings.Contains(shown, "changed") ||
			strings.Contains(shown, `"callback_secret":"******"`) != (want != nil) {
			t.Errorf("%s is shown as %s", body, shown)
		}
	}
	for body, want := range map[string]string{
		`{"callback_secret":{}}`:                                  "callback_secret must be a string",
		`{"callback_secret":"` + strings.Repeat("x", 1001) + `"}`: "callback_secret must be at most 1000 bytes",
	} {
		if _, err := ParsePatch(rules, fields(t, body), "/demo"); err == nil || err.Error() != want {
			t.Errorf("%.60s: %v", body, err)
		}
	}
}
