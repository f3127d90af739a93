package input

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// ErrNotArray is the answer to a body that is JSON but no array.
var ErrNotArray = &FieldError{Field: "body", Problem: "must be a JSON array"}

// ItemsFromJSON parses one JSON array into its members, which share memory
// with body. Each of them is valid; FromItem takes those that are objects.
func ItemsFromJSON(body []byte) ([]json.RawMessage, error) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, ErrSyntax
	}
	at := space(body, 0)
	if body[at] != '[' {
		return nil, ErrNotArray
	}
	var items []json.RawMessage
	for at = space(body, at+1); body[at] != ']'; {
		end := value(body, at)
		items = append(items, body[at:end:end])
		if at = space(body, end); body[at] == ',' {
			at = space(body, at+1)
		}
	}
	return items, nil
}

// FromItem is FromJSON for a member of ItemsFromJSON: it need not be looked
// at again, which is most of the work.
func FromItem(item json.RawMessage) (Fields, error) {
	if item[0] != '{' {
		return nil, ErrNotObject
	}
	return split(item, 0), nil
}

// split cuts the valid object that begins at at into its members. Of repeated
// names the last counts.
func split(body []byte, at int) Fields {
	f := Fields{}
	for at = space(body, at+1); body[at] != '}'; {
		end := text(body, at)
		name := nameOf(body[at:end])
		at = space(body, space(body, end)+1) // past the colon
		end = value(body, at)
		f[name] = body[at:end:end]
		if at = space(body, end); body[at] == ',' {
			at = space(body, at+1)
		}
	}
	return f
}

// nameOf is the text of a valid string.
func nameOf(quoted []byte) (name string) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	_ = json.Unmarshal(quoted, &name) // valid
	return name
}

// The following walk over JSON that is known to be valid, so every index they
// meet is inside of it.

// space is the index of the first byte from at on that is no white space.
func space(b []byte, at int) int {
	for at < len(b) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\t' || b[at] == '\r') {
		at++
	}
	return at
}

// text is the index after the string that begins at at.
func text(b []byte, at int) int {
	for at++; ; at++ {
		n := bytes.IndexByte(b[at:], '"')
		if n < 0 {
			return len(b)
		}
		start := at
		at += n
		slashes := 0
		for i := at - 1; i >= start && b[i] == '\\'; i-- {
			slashes++
		}
		if slashes%2 == 0 {
			return at + 1
		}
	}
}

// value is the index after the value that begins at at.
func value(b []byte, at int) int {
	switch b[at] {
	case '"':
		return text(b, at)
	case '{', '[':
		for depth := 0; ; {
			switch b[at] {
			case '"':
				at = text(b, at)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return at + 1
				}
			}
			at++
		}
	}
	for at < len(b) && b[at] != ',' && b[at] != '}' && b[at] != ']' && b[at] > ' ' {
		at++
	}
	return at
}
