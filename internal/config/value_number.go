package config

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// decimal is the one way to write a number, in the file as elsewhere: YAML's octal, hexadecimal, exponents and
// underscores are refused because they mean something else to other readers. The length bounds the arithmetic.
var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,12})?$`)

// number returns the text of a number, or false when the input is none.
func (in input) number() (string, bool) {
	text := in.text
	switch in.kind {
	case inputNumber:
	case inputLoose:
		text = strings.TrimSpace(text)
	default:
		return "", false
	}
	return text, decimal.MatchString(text)
}

// intValue is a whole number with bounds; noun, such as "bytes", says what it counts and may be empty.
type intValue struct {
	field    func(*Config) *int
	noun     string
	min, max int
}

func (v intValue) set(c *Config, in input) []fault {
	text, ok := in.number()
	if !ok || strings.Contains(text, ".") {
		return oneFault(in.String(), "", v.allowed())
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return oneFault(in.String(), "", v.allowed())
	}
	*v.field(c) = n
	return nil
}

func (v intValue) check(c *Config) []fault {
	if n := *v.field(c); n < v.min || n > v.max {
		return oneFault(strconv.Itoa(n), "", v.allowed())
	}
	return nil
}

func (v intValue) write(c *Config) string { return strconv.Itoa(*v.field(c)) }

func (v intValue) allowed() string {
	what := "a whole number"
	if v.noun != "" {
		what += " of " + v.noun
	}
	return fmt.Sprintf("%s from %d to %d", what, v.min, v.max)
}

func (v intValue) fieldOf(c *Config) any { return v.field(c) }

// unit is what the number of a duration counts in the file. Fractions are allowed down to the grain.
type unit struct {
	name  string
	size  time.Duration
	grain time.Duration
	hint  string // how fine a fraction may be, empty when there is none
}

var (
	milliseconds = unit{name: "milliseconds", size: time.Millisecond, grain: time.Millisecond}
	seconds      = unit{name: "seconds", size: time.Second, grain: time.Millisecond, hint: "whole milliseconds"}
	hours        = unit{name: "hours", size: time.Hour, grain: time.Second, hint: "whole seconds"}
)

// write returns the duration as an exact decimal number of units.
func (u unit) write(d time.Duration) string {
	s := big.NewRat(int64(d), int64(u.size)).FloatString(12)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// durationValue is a duration with bounds.
type durationValue struct {
	field    func(*Config) *time.Duration
	unit     unit
	min, max time.Duration
}

func (v durationValue) set(c *Config, in input) []fault {
	text, ok := in.number()
	if !ok {
		return oneFault(in.String(), "", v.allowed())
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return oneFault(in.String(), "", v.allowed())
	}
	r.Mul(r, new(big.Rat).SetInt64(int64(v.unit.size)))
	if !r.IsInt() || !r.Num().IsInt64() {
		return oneFault(in.String(), "", v.allowed())
	}
	*v.field(c) = time.Duration(r.Num().Int64())
	return nil
}

func (v durationValue) check(c *Config) []fault {
	if d := *v.field(c); d < v.min || d > v.max || d%v.unit.grain != 0 {
		return oneFault(v.unit.write(d), "", v.allowed())
	}
	return nil
}

func (v durationValue) write(c *Config) string { return v.unit.write(*v.field(c)) }

func (v durationValue) allowed() string {
	span := fmt.Sprintf("of %s from %s to %s", v.unit.name, v.unit.write(v.min), v.unit.write(v.max))
	if v.unit.hint == "" {
		return "a whole number " + span
	}
	return "a number " + span + ", in " + v.unit.hint
}

func (v durationValue) fieldOf(c *Config) any { return v.field(c) }
