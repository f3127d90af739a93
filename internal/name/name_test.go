package name

import (
	"regexp"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	r := DefaultRules()
	long := func(n int) string { return strings.Repeat("a", n) }
	for _, tc := range []struct {
		s               string
		room, namespace bool
	}{
		{s: "", room: false},
		{s: "a", room: true},
		{s: "user_ann", room: true},
		{s: `A_z09.\-$#/`, room: true},
		{s: "123", room: true},
		{s: "/demo", room: true, namespace: true},
		{s: "/a/b", room: true, namespace: true},
		{s: "/", room: true, namespace: true},
		{s: "//demo", room: true, namespace: false},
		{s: "demo", room: true, namespace: false},
		{s: "/constructor", room: true, namespace: true},
		{s: "/a b"}, {s: "/a,b"}, {s: "/a:b"}, {s: "/{a}"}, {s: "/a|b"}, {s: "/a*"}, {s: "/a?b"}, {s: "/a%2fb"},
		{s: "/a\n"}, {s: "/a\x00"}, {s: "/é"}, {s: "/名"}, {s: "/a\xff"}, {s: " /a"}, {s: "/\u200b"},
		{s: long(100), room: true},
		{s: long(101)},
		{s: "/" + long(49), room: true, namespace: true},
		{s: "/" + long(50), room: true, namespace: false},
		{s: long(10_000_000)},
		{s: strings.Repeat("é", 100)},
	} {
		if got := r.Room(tc.s); got != tc.room {
			t.Errorf("Room(%.40q) = %v", tc.s, got)
		}
		if r.UserID(tc.s) != tc.room || r.UUID(tc.s) != tc.room {
			t.Errorf("UserID or UUID(%.40q) is not as Room", tc.s)
		}
		if got := r.Namespace(tc.s); got != tc.namespace {
			t.Errorf("Namespace(%.40q) = %v", tc.s, got)
		}
	}
}

// Limits count characters, not bytes, whatever key_reg lets through.
func TestLimitsAreCharacters(t *testing.T) {
	r := Rules{Pattern: regexp.MustCompile(`^[/é名😀]+$`), RoomMax: 3, UserIDMax: 1, UUIDMax: 2, NamespaceMax: 2}
	for s, want := range map[string][4]bool{
		"é":    {true, true, true, false},
		"😀😀":   {true, false, true, false},
		"名名名":  {true, false, false, false},
		"😀😀😀😀": {false, false, false, false},
		"/名":   {true, false, true, true},
		"/名名":  {true, false, false, false},
	} {
		if got := [4]bool{r.Room(s), r.UserID(s), r.UUID(s), r.Namespace(s)}; got != want {
			t.Errorf("%s: room, user, uuid, namespace = %v, want %v", s, got, want)
		}
	}
}
