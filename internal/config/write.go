package config

import (
	"regexp"
	"strconv"
	"strings"
)

// plain is the text that needs no quotes in YAML; everything else gets them, so that no reader takes it for a number.
var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// notText are words that some YAML readers take for a boolean or for nothing.
var notText = map[string]bool{"true": true, "false": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true, "null": true, "nan": true, "inf": true}

// writeText writes a text as YAML on one line. Single quotes keep a regular expression readable.
func writeText(s string) string {
	quoted := strconv.Quote(s)
	switch {
	case plain.MatchString(s) && !notText[strings.ToLower(s)]:
		return s
	case strings.Contains(s, `\`) && !strings.ContainsAny(s, `'"`) && quoted == `"`+strings.ReplaceAll(s, `\`, `\\`)+`"`:
		return "'" + s + "'"
	default:
		return quoted
	}
}

// writeList writes a list as YAML on one line.
func writeList(items []string) string {
	texts := make([]string, 0, len(items))
	for _, item := range items {
		texts = append(texts, writeText(item))
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
