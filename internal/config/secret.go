package config

import (
	"fmt"
	"io"
)

// hidden stands for a secret that is set, wherever it would be shown.
const hidden = "***"

// Secret is a text that must not be shown: fmt (every verb but %p), encoding/json, yaml and loggers see "***", or
// nothing when it is empty. Only Reveal gives the text away.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// IsEmpty reports whether the secret is not set.
func (s Secret) IsEmpty() bool { return s == "" }

// String returns "***", or nothing for an empty secret.
func (s Secret) String() string {
	if s.IsEmpty() {
		return ""
	}
	return hidden
}

// Format implements fmt.Formatter. A Stringer alone would not do: fmt prints the raw text for a verb that does not fit.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler, which json uses and yaml too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
