package push

import (
	"bytes"
	"encoding/json"
)

// withoutKey returns the JSON object raw without its member key; everything
// else stays byte for byte (number precision, member order). Arrays and
// objects without that member come back as they are. raw must be valid JSON.
func withoutKey(raw json.RawMessage, key string) json.RawMessage {
	quoted := []byte(`"` + key + `"`)
	if len(raw) == 0 || raw[0] != '{' || !mayHold(raw, quoted) {
		return raw
	}
	out := make([]byte, 0, len(raw))
	out = append(out, '{')
	found := false
	walkObject(raw, func(k, member []byte) {
		if string(k) == key {
			found = true
			return
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, member...)
	})
	if !found {
		return raw
	}
	return append(out, '}')
}

// mayHold is a cheap filter: a key could also be spelled with escapes, so any
// backslash makes the slow path decide.
func mayHold(raw, quoted []byte) bool {
	return bytes.Contains(raw, quoted) || bytes.IndexByte(raw, '\\') >= 0
}

// member returns the value of key in the object raw; with a repeated key the
// last one counts, as JSON.parse has it.
func member(raw json.RawMessage, key string) (value json.RawMessage, ok bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil, false
	}
	walkObject(raw, func(k, m []byte) {
		if string(k) == key {
			value, ok = memberValue(m), true
		}
	})
	return value, ok
}

// walkObject calls visit with every member of the valid JSON object raw: its
// decoded key and its bytes from the key's quote to the end of the value.
func walkObject(raw []byte, visit func(key, member []byte)) {
	i := skipSpace(raw, 1)
	for i < len(raw) && raw[i] != '}' {
		start := i
		keyEnd := skipString(raw, i)
		key := keyOf(raw[i:keyEnd])
		i = skipSpace(raw, keyEnd) + 1 // past ':'
		i = skipValue(raw, skipSpace(raw, i))
		visit(key, raw[start:i])
		i = skipSpace(raw, i)
		if i < len(raw) && raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
}

// keyOf is the text of a valid string; without escapes it is not copied.
func keyOf(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var key string
	_ = json.Unmarshal(quoted, &key) // valid
	return []byte(key)
}

func memberValue(m []byte) []byte {
	i := skipSpace(m, skipString(m, 0)) + 1
	return m[skipSpace(m, i):]
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// isCompact reports that valid JSON has no white space between its tokens.
func isCompact(b []byte) bool {
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = skipString(b, i)
			continue
		case ' ', '\t', '\n', '\r':
			return false
		}
		i++
	}
	return true
}

// skipString returns the index after the string that starts at i.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// skipValue returns the index after the value that starts at i.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipString(b, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // end of the parent: a scalar ended here
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}
