package secret

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func box(t *testing.T, current *Key, old ...Key) *Box {
	t.Helper()
	b, err := NewBox(current, old...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealAndOpen(t *testing.T) {
	key := NewKey()
	b := box(t, &key)
	for _, text := range []string{"x", "密码", strings.Repeat("long", 10_000), "sealed:2:not ours", "\x00"} {
		sealed := b.Seal(text, "/demo callback_auth")
		if !IsSealed(sealed) || strings.Contains(sealed, text) && len(text) > 1 || sealed == b.Seal(text, "/demo callback_auth") {
			t.Errorf("%.20q is sealed as %.60q", text, sealed)
		}
		if got, err := b.Open(sealed, "/demo callback_auth"); err != nil || got != text {
			t.Errorf("%.20q comes back as %.20q, %v", text, got, err)
		}
		if _, err := b.Open(sealed, "/other callback_auth"); !errors.Is(err, ErrDamaged) {
			t.Errorf("opened in another place: %v", err)
		}
		if again := b.Seal(sealed, "/demo callback_auth"); again != sealed {
			t.Errorf("sealed twice: %.60q", again)
		}
	}
	if b.Seal("", "p") != "" || !b.Encrypts() {
		t.Error("an empty text has nothing to hide")
	}
}

func TestPlainTextIsRead(t *testing.T) {
	key := NewKey()
	for _, b := range []*Box{box(t, &key), box(t, nil)} {
		for _, text := range []string{"", "token", "-----BEGIN PRIVATE KEY-----"} {
			if got, err := b.Open(text, "p"); err != nil || got != text {
				t.Errorf("%q reads %q, %v", text, got, err)
			}
		}
	}
	if none := box(t, nil); none.Encrypts() || none.Seal("x", "p") != "x" {
		t.Error("a box without a key seals")
	}
}

func TestRotation(t *testing.T) {
	first, second := NewKey(), NewKey()
	sealed := box(t, &first).Seal("secret", "p")
	rotated := box(t, &second, first)
	if got, err := rotated.Open(sealed, "p"); err != nil || got != "secret" {
		t.Errorf("with the old key: %q, %v", got, err)
	}
	again := rotated.Seal("secret", "p")
	if _, err := box(t, &first).Open(again, "p"); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), second.ID()) {
		t.Errorf("the first key opens what the second sealed: %v", err)
	}
	if got, err := box(t, nil, second).Open(again, "p"); err != nil || got != "secret" {
		t.Errorf("a box that only opens: %q, %v", got, err)
	}
}

func TestDamage(t *testing.T) {
	key := NewKey()
	b := box(t, &key)
	sealed := b.Seal("secret", "p")
	for i := len(prefix); i < len(sealed); i++ {
		flipped := []byte(sealed)
		if flipped[i] = 'A'; sealed[i] == 'A' {
			flipped[i] = 'B'
		}
		if got, err := b.Open(string(flipped), "p"); err == nil {
			t.Errorf("byte %d changed: %q", i, got)
		}
	}
	for _, text := range []string{prefix, prefix + key.ID(), prefix + key.ID() + ":", prefix + key.ID() + ":AAAA", prefix + key.ID() + ":***"} {
		if _, err := b.Open(text, "p"); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNoKey) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseKey(t *testing.T) {
	key := NewKey()
	urlSafe := strings.NewReplacer("+", "-", "/", "_").Replace(key.Text())
	for _, text := range []string{key.Text(), " " + key.Text() + "\n", strings.TrimRight(key.Text(), "="), urlSafe, hex.EncodeToString(key[:])} {
		if got, err := ParseKey(text); err != nil || got != key {
			t.Errorf("%d characters: %v", len(text), err)
		}
	}
	for _, text := range []string{"", "short", "none", strings.Repeat("z", 64), key.Text() + "AAAA", key.Text()[:40], strings.Repeat("secret", 100)} {
		if _, err := ParseKey(text); !errors.Is(err, ErrKeyText) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%s", "%#v"} {
		if got := fmt.Sprintf(verb, key); got != "***" {
			t.Errorf("%s shows %s", verb, got)
		}
	}
}

func TestLoadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "new", "dir", "secret.key")
	// Whoever comes at the same moment gets the same key.
	keys := make([]Key, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			key, err := LoadFile(name)
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	wg.Wait()
	for _, key := range keys {
		if key != keys[0] || key == (Key{}) {
			t.Error("not one key for all")
		}
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(name), ".secret-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if err := os.WriteFile(name, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadFile(name); !errors.Is(err, ErrKeyText) || strings.Contains(err.Error(), "not a key") {
		t.Errorf("a broken file: %v", err)
	}
	if text, _ := os.ReadFile(name); string(text) != "not a key" {
		t.Error("a broken file was replaced: what it sealed would be lost")
	}
	if _, err := LoadFile(filepath.Join(name, "below a file")); err == nil {
		t.Error("a key in no directory")
	}
}

func FuzzOpen(f *testing.F) {
	key := Key{1, 2, 3}
	b, err := NewBox(&key)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "x", prefix, prefix + key.ID() + ":", b.Seal("x", "p")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := b.Open(text, "q")
		if err == nil && IsSealed(text) {
			t.Errorf("%q opens as %q", text, plain)
		}
		if err == nil && plain != text {
			t.Errorf("plain %q reads %q", text, plain)
		}
	})
}
