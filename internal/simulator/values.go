package simulator

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Share is one part of a Mix.
type Share struct {
	Name   string  `json:"name"`
	Weight float64 `json:"weight"`
}

// Mix is alternatives with weights that need not add up to anything.
type Mix []Share

const maxShares = 16

// ParseMix reads "ws" or "ws=80,polling=20".
func ParseMix(text string, allowed ...string) (Mix, error) {
	var m Mix
	for part := range strings.SplitSeq(text, ",") {
		name, weight, given := strings.Cut(strings.TrimSpace(part), "=")
		name = strings.TrimSpace(name)
		s := Share{Name: name, Weight: 1}
		if given {
			w, err := strconv.ParseFloat(strings.TrimSpace(weight), 64)
			if err != nil || !(w >= 0 && w <= 1e9) { // not NaN either
				return nil, fmt.Errorf("weight of %q is %q; want a number from 0", name, weight)
			}
			s.Weight = w
		}
		if len(allowed) > 0 && !contains(allowed, name) {
			return nil, fmt.Errorf("%q is none of %s", name, strings.Join(allowed, ", "))
		}
		for _, other := range m {
			if other.Name == name {
				return nil, fmt.Errorf("%q is given twice", name)
			}
		}
		if m = append(m, s); len(m) > maxShares {
			return nil, fmt.Errorf("more than %d alternatives", maxShares)
		}
	}
	if m.sum() <= 0 {
		return nil, errors.New("all weights are zero")
	}
	return m, nil
}

func contains(list []string, s string) bool {
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}

func (m Mix) sum() (sum float64) {
	for _, s := range m {
		sum += s.Weight
	}
	return sum
}

// Pick is the alternative at u, 0 ≤ u < 1.
func (m Mix) Pick(u float64) string {
	u *= m.sum()
	name := ""
	for _, s := range m {
		if s.Weight == 0 {
			continue
		}
		if name = s.Name; u < s.Weight {
			break
		}
		u -= s.Weight
	}
	return name
}

// Of is the share of an alternative, 0 to 1.
func (m Mix) Of(name string) float64 {
	for _, s := range m {
		if s.Name == name {
			return s.Weight / m.sum()
		}
	}
	return 0
}

func (m Mix) String() string {
	var parts []string
	for _, s := range m {
		if len(m) == 1 {
			return s.Name
		}
		parts = append(parts, s.Name+"="+strconv.FormatFloat(s.Weight, 'g', -1, 64))
	}
	return strings.Join(parts, ",")
}

// Rule has every client join Pick distinct rooms of <Prefix>_0 … <Prefix>_<Total-1>.
type Rule struct {
	Prefix string `json:"prefix"`
	Total  int    `json:"total"`
	Pick   int    `json:"pick_count"`
}

const (
	maxRules = 32
	maxRooms = 100_000 // of one rule
	maxPick  = 1000
)

// Check says why a rule is impossible.
func (r Rule) Check() error {
	switch {
	case r.Prefix == "":
		return errors.New("prefix is empty")
	case r.Total < 1 || r.Total > maxRooms:
		return fmt.Errorf("%s: total is %d; want 1 to %d", r.Prefix, r.Total, maxRooms)
	case r.Pick < 0 || r.Pick > maxPick:
		return fmt.Errorf("%s: pick_count is %d; want 0 to %d", r.Prefix, r.Pick, maxPick)
	case r.Pick > r.Total:
		return fmt.Errorf("%s: pick_count %d of total %d: nobody can join more distinct rooms than there are", r.Prefix, r.Pick, r.Total)
	}
	return nil
}

// ParseRules reads "r1,100,10; r2,50,20", with or without braces around each; "" is none.
func ParseRules(text string) ([]Rule, error) {
	var rules []Rule
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.Trim(strings.TrimSpace(part), "{}"); part == "" {
			continue
		}
		fields := strings.Split(part, ",")
		if len(fields) != 3 {
			return nil, fmt.Errorf("rule %q; want prefix,total,pick_count", part)
		}
		total, err1 := strconv.Atoi(strings.TrimSpace(fields[1]))
		pick, err2 := strconv.Atoi(strings.TrimSpace(fields[2]))
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("rule %q; want prefix,total,pick_count with whole numbers", part)
		}
		if rules = append(rules, Rule{strings.TrimSpace(fields[0]), total, pick}); len(rules) > maxRules {
			return nil, fmt.Errorf("more than %d rules", maxRules)
		}
	}
	return rules, nil
}

// FormatRules is the inverse of ParseRules.
func FormatRules(rules []Rule) string {
	var parts []string
	for _, r := range rules {
		parts = append(parts, fmt.Sprintf("%s,%d,%d", r.Prefix, r.Total, r.Pick))
	}
	return strings.Join(parts, ";")
}

// maxDuration bounds every duration.
const maxDuration = 24 * time.Hour

// ParseDuration reads "1m30s" or, as light-push does, a number of seconds.
func ParseDuration(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	d, err := time.ParseDuration(text)
	if s, numErr := strconv.ParseFloat(text, 64); numErr == nil {
		if math.IsNaN(s) || math.Abs(s) > maxDuration.Seconds() {
			return 0, fmt.Errorf("%q; want at most %v", text, maxDuration)
		}
		d, err = time.Duration(s*float64(time.Second)), nil
	}
	if err != nil {
		return 0, fmt.Errorf("%q; want seconds, or a duration such as 500ms or 2m", text)
	}
	if d < 0 || d > maxDuration {
		return 0, fmt.Errorf("%q; want 0 to %v", text, maxDuration)
	}
	return d, nil
}

// Span is a range of durations, both ends included.
type Span struct{ Min, Max time.Duration }

// ParseSpan reads "20ms" or "0s..200ms".
func ParseSpan(text string) (Span, error) {
	low, high, ranged := strings.Cut(text, "..")
	if !ranged {
		high = low
	}
	a, err := ParseDuration(low)
	if err != nil {
		return Span{}, err
	}
	b, err := ParseDuration(high)
	if err != nil {
		return Span{}, err
	}
	if b < a {
		return Span{}, fmt.Errorf("%q begins after its end", text)
	}
	return Span{a, b}, nil
}

func (s Span) String() string {
	if s.Min == s.Max {
		return s.Min.String()
	}
	return s.Min.String() + ".." + s.Max.String()
}

// ParseShare reads "0.25" or "25%".
func ParseShare(text string) (float64, error) {
	text = strings.TrimSpace(text)
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, fmt.Errorf("%q; want a share from 0 to 1, or a percentage", text)
	}
	return v, nil
}

const maxPushSize = 512 << 10

// parseSizes reads a Mix of numbers of bytes.
func parseSizes(text string) (Mix, error) {
	m, err := ParseMix(text)
	if err != nil {
		return nil, err
	}
	for _, s := range m {
		if n, err := strconv.Atoi(s.Name); err != nil || n < 0 || n > maxPushSize {
			return nil, fmt.Errorf("size %q; want bytes from 0 to %d", s.Name, maxPushSize)
		}
	}
	return m, nil
}
