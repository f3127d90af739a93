package namespace

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/name"
)

func TestViewerPassword(t *testing.T) {
	base := &Namespace{Key: "/a", PasswdHash: "x", ViewerHash: "stored hash"}
	for body, want := range map[string]string{
		`{}`: "stored hash", `{"viewer_passwd":"******"}`: "stored hash", `{"viewer_passwd":""}`: "", `{"viewer_passwd":null}`: "", `{"viewer_passwd":"new"}`: "hash",
	} {
		fields, err := input.FromJSON([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParsePatch(name.DefaultRules(), fields, "/a")
		if err != nil {
			t.Fatal(err)
		}
		n, err := p.Apply(base, 1)
		if err != nil {
			t.Fatal(err)
		}
		got := n.ViewerHash
		if NewVerifier().Verify(got, "new") {
			got = "hash"
		}
		if got != want || n.PasswdHash != "x" {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
		text, err := json.Marshal(n.Public())
		if err != nil || (n.ViewerHash != "" && strings.Contains(string(text), n.ViewerHash)) {
			t.Errorf("%s shows its hash: %s %v", body, text, err)
		}
	}
}

func TestLogin(t *testing.T) {
	hash := func(password string) string {
		h, err := HashPassword(password)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	store := newMemory(&Namespace{Key: "/a", PasswdHash: hash("all"), ViewerHash: hash("look")}, &Namespace{Key: "/b", PasswdHash: hash("all")})
	r := NewRegistry(store, time.Hour, nil)
	if _, _, err := r.Login("/a", "all"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("before the load: %v", err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, tc := range []struct {
		key, password string
		access        Access
		err           error
	}{
		{"/a", "all", AccessAll, nil}, {"/a", "look", AccessLook, nil}, {"/a", "x", 0, ErrPassword}, {"/a", "", 0, ErrPassword},
		{"/b", "look", 0, ErrPassword}, {"/b", "", 0, ErrPassword}, {"/c", "all", 0, ErrNotFound}, {"a", "all", 0, ErrNotFound},
	} {
		n, access, err := r.Login(tc.key, tc.password)
		if access != tc.access || !errors.Is(err, tc.err) || (err == nil && n.Key != tc.key) {
			t.Errorf("%s %s: %d %v", tc.key, tc.password, access, err)
		}
	}
	if _, err := r.Authenticate("/a", "look"); !errors.Is(err, ErrPassword) {
		t.Errorf("the viewer's password opens the API: %v", err)
	}
}
