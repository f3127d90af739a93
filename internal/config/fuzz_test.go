package config

import (
	"errors"
	"testing"
)

// FuzzParse: no file makes the loader panic; what it accepts is valid and survives its own dump; what it refuses has
// a bounded error.
func FuzzParse(f *testing.F) {
	for _, tc := range fileCases {
		f.Add([]byte(tc.yaml))
	}
	f.Add(Example())
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := Parse("f.yaml", data)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || len(e.Problems) == 0 || len(err.Error()) > 200_000 {
				t.Fatalf("bad error: %.300v", err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("accepted, but %v", err)
		}
		dump := c.Redacted()
		again, _, err := Parse("dump", []byte(dump))
		if err != nil || again.Redacted() != dump {
			t.Fatalf("the dump is not itself: %v\n%s\n%s", err, dump, again.Redacted())
		}
	})
}

// FuzzEnv: no value of a variable panics, whichever key it is for.
func FuzzEnv(f *testing.F) {
	f.Add(uint8(0), "a:1,b:2")
	f.Add(uint8(7), "[polling,")
	f.Add(uint8(40), "-0.5")
	f.Fuzz(func(t *testing.T, key uint8, text string) {
		k := keys[int(key)%len(keys)]
		c, _, err := Load(LoadOptions{Environ: []string{k.Env() + "=" + text}, Flags: map[string]string{k.Name: text}})
		if err == nil {
			err = c.Validate()
		}
		if err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	})
}
