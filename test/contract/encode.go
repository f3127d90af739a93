package contract

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// verbatim is JSON as it stands.
type verbatim string

// jsonOf writes a value; unlike encoding/json it knows objects with an order, and repeated members.
func jsonOf(v any) string {
	var b strings.Builder
	writeJSON(&b, v)
	return b.String()
}

func writeJSON(b *strings.Builder, v any) {
	switch v := v.(type) {
	case verbatim:
		b.WriteString(string(v))
	case object:
		b.WriteByte('{')
		for i, m := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, m.name)
			b.WriteByte(':')
			writeJSON(b, m.value)
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, e)
		}
		b.WriteByte(']')
	default:
		out, err := json.Marshal(v)
		if err != nil {
			out = []byte("null")
		}
		b.Write(out)
	}
}

// form writes a value with bracket nesting.
func form(prefix string, v any) string {
	var parts []string
	add := func(name string, value any) {
		if part := form(name, value); part != "" {
			parts = append(parts, part)
		}
	}
	switch v := v.(type) {
	case object:
		for _, m := range v {
			name := m.name
			if prefix != "" {
				name = prefix + "[" + m.name + "]"
			}
			add(name, m.value)
		}
	case []any:
		for i, e := range v {
			add(fmt.Sprintf("%s[%d]", prefix, i), e)
		}
	case verbatim:
		return url.QueryEscape(prefix) + "=" + url.QueryEscape(string(v))
	default:
		return url.QueryEscape(prefix) + "=" + url.QueryEscape(text(v))
	}
	return strings.Join(parts, "&")
}
