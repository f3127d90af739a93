package config

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds every text that has no tighter bound, in bytes.
const maxText = 4096

// boolValue is true or false; YAML 1.1's other spellings (yes, on, ...) are refused.
type boolValue struct {
	field func(*Config) *bool
}

func (v boolValue) set(c *Config, in input) []fault {
	text := in.text
	if in.kind == inputLoose {
		text = strings.TrimSpace(text)
	}
	if in.kind == inputBool || in.kind == inputLoose {
		switch text {
		case "true":
			*v.field(c) = true
			return nil
		case "false":
			*v.field(c) = false
			return nil
		}
	}
	return oneFault(in.String(), "", v.allowed())
}

func (v boolValue) check(*Config) []fault { return nil }

func (v boolValue) write(c *Config) string {
	if *v.field(c) {
		return "true"
	}
	return "false"
}

func (v boolValue) allowed() string       { return "true or false" }
func (v boolValue) fieldOf(c *Config) any { return v.field(c) }

// textValue is a text that judge accepts; want says in words what that is.
type textValue struct {
	field func(*Config) *string
	want  string
	judge judge
}

func (v textValue) set(c *Config, in input) []fault {
	text, fault := in.textOrFault(v.want)
	if fault != nil {
		return fault
	}
	*v.field(c) = text
	return nil
}

func (v textValue) check(c *Config) []fault {
	text := *v.field(c)
	if why := unprintable(text); why != "" {
		return oneFault(quote(text), why, v.want)
	}
	if ok, why := v.judge(text); !ok {
		return oneFault(quote(text), why, v.want)
	}
	return nil
}

func (v textValue) write(c *Config) string { return writeText(*v.field(c)) }
func (v textValue) allowed() string        { return v.want }
func (v textValue) fieldOf(c *Config) any  { return v.field(c) }

// textOrFault returns a text; nothing at all (`key:`) counts as the empty text.
func (in input) textOrFault(want string) (string, []fault) {
	switch in.kind {
	case inputText, inputLoose:
		return in.text, nil
	case inputNull:
		return "", nil
	case inputNumber, inputBool:
		return "", oneFault(in.String(), "text needs quotes here", want)
	default:
		return "", oneFault(in.String(), "", want)
	}
}

// unprintable says why a text cannot be the value of any key, or returns "".
func unprintable(s string) string {
	switch {
	case len(s) > maxText:
		return "longer than 4096 bytes"
	case !utf8.ValidString(s):
		return "not UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "contains a control character"
	}
	return ""
}

// secretValue is a text that is never shown, not even when it is refused.
type secretValue struct {
	field func(*Config) *Secret
}

func (v secretValue) set(c *Config, in input) []fault {
	switch in.kind {
	case inputText, inputLoose:
		*v.field(c) = Secret(in.text)
	case inputNull:
		*v.field(c) = ""
	case inputNumber, inputBool:
		return oneFault(in.shape()+" (not shown)", "text needs quotes here", v.allowed())
	default:
		return oneFault(in.shape()+" (not shown)", "", v.allowed())
	}
	return nil
}

func (v secretValue) check(c *Config) []fault {
	if why := unprintable(v.field(c).Reveal()); why != "" {
		return oneFault("text (not shown)", why, v.allowed())
	}
	return nil
}

func (v secretValue) write(c *Config) string { return writeText(v.field(c).String()) }
func (v secretValue) allowed() string        { return "text of at most 4096 bytes, or nothing" }
func (v secretValue) fieldOf(c *Config) any  { return v.field(c) }
