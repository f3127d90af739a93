package namespace

import (
	"os"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/lightpush/lightpush/internal/leaktest"
)

// TestMain fails the run when a goroutine is left behind.
func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }

// cheapHash is HashPassword at the lowest cost.
func cheapHash(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword(digest(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

func ptr[T any](v T) *T { return &v }
