package admin

import (
	"context"
	"errors"
	"testing"

	"github.com/lightpush/lightpush/internal/namespace"
)

type memory struct {
	hash string
	err  error
}

func (m *memory) AdminHash(context.Context) (string, error) { return m.hash, m.err }

func (m *memory) InitAdminHash(_ context.Context, hash string) (string, error) {
	if m.hash == "" {
		m.hash = hash
	}
	return m.hash, m.err
}

func TestConfigured(t *testing.T) {
	a := Configured("admin", "se:cret")
	for _, c := range []struct {
		name, password string
		want           bool
	}{
		{"admin", "se:cret", true},
		{"admin", "se:cre", false},
		{"admin", "", false},
		{"Admin", "se:cret", false},
		{"", "se:cret", false},
	} {
		if got := a.Verify(c.name, c.password); got != c.want {
			t.Errorf("Verify(%q, %q) = %v", c.name, c.password, got)
		}
	}
	if Configured("admin", "").Verify("admin", "") {
		t.Error("an empty password must never authenticate")
	}
}

func TestGeneratedOnce(t *testing.T) {
	store := &memory{}
	first, password, err := Generated(context.Background(), store, "admin", namespace.NewVerifier())
	if err != nil || password == "" {
		t.Fatalf("Generated = %q, %v", password, err)
	}
	second, again, err := Generated(context.Background(), store, "admin", namespace.NewVerifier())
	if err != nil || again != "" {
		t.Fatalf("a second start must not show a password: %q, %v", again, err)
	}
	for _, a := range []*Auth{first, second} {
		if !a.Verify("admin", password) || a.Verify("admin", password+"x") || a.Verify("root", password) {
			t.Error("verification does not follow the generated password")
		}
	}
	if store.hash == password {
		t.Error("the store must hold a hash")
	}
}

func TestGeneratedStoreError(t *testing.T) {
	want := errors.New("away")
	if _, _, err := Generated(context.Background(), &memory{err: want}, "admin", namespace.NewVerifier()); !errors.Is(err, want) {
		t.Errorf("error = %v", err)
	}
}
