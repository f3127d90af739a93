package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/config"
	"github.com/lightpush/lightpush/internal/secret"
)

func TestOpenSecrets(t *testing.T) {
	first, second := secret.NewKey(), secret.NewKey()
	sealed := func(key secret.Key) string {
		b, err := secret.NewBox(&key)
		if err != nil {
			t.Fatal(err)
		}
		return b.Seal("text", "place")
	}
	for name, tc := range map[string]struct {
		key, old         string
		embedded         bool
		seals            bool
		refuses, warns   bool
		opensFirst, fail bool
	}{
		"embedded":           {embedded: true, seals: true},
		"embedded, with key": {key: first.Text(), embedded: true, seals: true, opensFirst: true},
		"redis":              {refuses: true, warns: true},
		"redis, with key":    {key: first.Text(), seals: true, opensFirst: true},
		"none":               {key: "none", warns: true},
		"none, embedded":     {key: "none", embedded: true, warns: true},
		"rotation":           {key: second.Text(), old: first.Text(), seals: true, opensFirst: true},
		"back to none":       {key: "none", old: first.Text(), warns: true, opensFirst: true},
		"wrong":              {key: "hunter2", fail: true},
		"wrong old one":      {key: first.Text(), old: "hunter2", fail: true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			cfg.DataDir, cfg.SecretKey, cfg.SecretKeyOld = t.TempDir(), config.Secret(tc.key), config.Secret(tc.old)
			s, err := openSecrets(cfg, tc.embedded)
			if tc.fail {
				if err == nil || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.box.Encrypts() != tc.seals || (s.refuse != "") != tc.refuses || (s.warning != "") != tc.warns {
				t.Errorf("encrypts %v, refuses %q, warns %q", s.box.Encrypts(), s.refuse, s.warning)
			}
			if _, err := s.box.Open(sealed(first), "place"); (err == nil) != tc.opensFirst {
				t.Errorf("opens what the first key has sealed: %v", err)
			}
			_, err = os.Stat(filepath.Join(cfg.DataDir, secretFile))
			if made := err == nil; made != (tc.embedded && tc.key == "") {
				t.Errorf("a key file is there: %v", made)
			}
		})
	}
}

// A restart finds the key of the first start.
func TestEmbeddedKeyIsKept(t *testing.T) {
	cfg := config.Default()
	cfg.DataDir = t.TempDir()
	before, err := openSecrets(cfg, true)
	if err != nil {
		t.Fatal(err)
	}
	after, err := openSecrets(cfg, true)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := after.box.Open(before.box.Seal("text", "p"), "p"); err != nil || text != "text" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestSecretKeyCommand(t *testing.T) {
	var keys [2]secret.Key
	for i := range keys {
		var stdout, stderr bytes.Buffer
		cmd := newRootCommand(nil, &stdout, &stderr)
		cmd.SetArgs([]string{"secret-key"})
		if err := cmd.ExecuteContext(context.Background()); err != nil {
			t.Fatal(err)
		}
		var err error
		if keys[i], err = secret.ParseKey(stdout.String()); err != nil {
			t.Fatalf("%q: %v", stdout.String(), err)
		}
		if _, _, err := config.Load(config.LoadOptions{Environ: []string{"LIGHTPUSH_SECRET_KEY=" + strings.TrimSpace(stdout.String())}}); err != nil {
			t.Errorf("the configuration refuses it: %v", err)
		}
	}
	if keys[0] == keys[1] {
		t.Error("the same key twice")
	}
}
