package namespace

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func TestHashPassword(t *testing.T) {
	hash, err := HashPassword("123456")
	if err != nil {
		t.Fatal(err)
	}
	if cost, err := bcrypt.Cost([]byte(hash)); err != nil || cost != bcryptCost {
		t.Errorf("cost %d, %v", cost, err)
	}
	if !NewVerifier().Verify(hash, "123456") {
		t.Error("the password does not fit its hash")
	}
}

func TestVerify(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, tc := range []struct {
		set, given string
		want       bool
	}{
		{"123456", "123456", true},
		{"123456", "123457", false},
		{"123456", " 123456", false},
		{"123456", "0x1E240", false},
		{"123456", "", false},
		{"a:b", "a:b", true},
		{"a:b", "a", false},
		{"密码", "密码", true},
		{"nul\x00a", "nul\x00b", false},
		{long, long, true},
		{long, long + "y", false},      // bcrypt alone reads 72 bytes only
		{long, long[:99] + "y", false}, // and so would not see these
		{"undefined", "undefined", true},
	} {
		v, hash := NewVerifier(), cheapHash(t, tc.set)
		for round := range 2 { // the second one is from memory
			if got := v.Verify(hash, tc.given); got != tc.want {
				t.Errorf("round %d: %.20q for %.20q = %v", round, tc.given, tc.set, got)
			}
		}
		if !v.Verify(hash, tc.set) || v.Verify(hash, tc.given) != tc.want {
			t.Errorf("%.20q for %.20q changes after a success", tc.given, tc.set)
		}
	}
}

func TestNothingFitsAnEmptyHash(t *testing.T) {
	v := NewVerifier()
	for _, hash := range []string{"", "undefined", "$2a$10$short"} {
		for _, password := range []string{"", "undefined", "null"} {
			if v.Verify(hash, password) {
				t.Errorf("%q fits %q", password, hash)
			}
		}
	}
}

// All clients of a tenant come back at once: every one gets its own answer.
func TestConcurrentVerify(t *testing.T) {
	v, hash := NewVerifier(), cheapHash(t, "right")
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			password := "right"
			if i%2 == 1 {
				password = fmt.Sprint("wrong", i%4)
			}
			if got := v.Verify(hash, password); got != (i%2 == 0) {
				t.Errorf("%s = %v", password, got)
			}
		})
	}
	wg.Wait()
	if len(v.checking) != 0 {
		t.Errorf("%d checks are left", len(v.checking))
	}
}

func TestVerifierMemoryIsBounded(t *testing.T) {
	v := NewVerifier()
	for i := range cacheMax {
		v.passed[fmt.Sprint(i)] = [32]byte{}
	}
	if hash := cheapHash(t, "x"); !v.Verify(hash, "x") || len(v.passed) > cacheMax {
		t.Errorf("%d entries", len(v.passed))
	}
}

func TestNewSecret(t *testing.T) {
	a, b := NewSecret(), NewSecret()
	if len(a) != 24 || a == b {
		t.Errorf("%q, %q", a, b)
	}
}
