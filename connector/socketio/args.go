package socketio

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
)

// Binary is a binary argument, or a binary value inside one: emitted, it is
// found in map[string]any and []any, not in other containers or in structs.
type Binary []byte

// ErrNoArgument is returned by Args.Decode for an index that is not there.
var ErrNoArgument = errors.New("socketio: no such argument")

// Args are the arguments of a received event or ack. They stay valid after
// the handler has returned and must not be changed.
type Args struct {
	raw         []json.RawMessage
	attachments [][]byte
}

// Len is the number of arguments.
func (a Args) Len() int { return len(a.raw) }

// Raw is the JSON text of argument i, nil when there is none. Attachments
// stand in it as {"_placeholder":true,"num":n}.
func (a Args) Raw(i int) json.RawMessage {
	if i < 0 || i >= len(a.raw) {
		return nil
	}
	return a.raw[i]
}

// Attachments are the binary parts, numbered as the placeholders say.
func (a Args) Attachments() [][]byte { return a.attachments }

// Decode unmarshals argument i into v. Binary values decode into Binary or
// []byte targets, and inside an *any target they appear as Binary.
func (a Args) Decode(i int, v any) error {
	raw := a.Raw(i)
	if raw == nil {
		return ErrNoArgument
	}
	if len(a.attachments) == 0 {
		return json.Unmarshal(raw, v)
	}
	tree, err := decodeTree(raw)
	if err != nil {
		return err
	}
	tree = a.restore(tree)
	if target, ok := v.(*any); ok {
		*target = tree
		return nil
	}
	// encoding/json spells []byte as base64 text, so a tree with Binary in
	// the place of placeholders decodes into any target.
	text, err := json.Marshal(tree)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// restore puts attachments where their placeholders stand.
func (a Args) restore(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if num, ok := placeholder(v); ok {
			return Binary(a.attachments[num])
		}
		for k, e := range v {
			v[k] = a.restore(e)
		}
	case []any:
		for i, e := range v {
			v[i] = a.restore(e)
		}
	}
	return v
}

func decodeTree(raw []byte) (tree any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // numbers up to 2^53 and beyond stay exact
	err = dec.Decode(&tree)
	return tree, err
}

// placeholder recognises {"_placeholder":true,"num":n}; checkPlaceholders has
// made sure that num is in range.
func placeholder(m map[string]any) (num int, ok bool) {
	if m["_placeholder"] != true {
		return 0, false
	}
	number, ok := m["num"].(json.Number)
	if !ok {
		return 0, false
	}
	n, err := number.Int64()
	return int(n), err == nil
}

// checkPlaceholders makes sure that every placeholder names one of count
// attachments (Socket.IO protocol, binary events).
func checkPlaceholders(raw []byte, count int) error {
	tree, err := decodeTree(raw)
	if err != nil {
		return errPayload
	}
	return checkTree(tree, count)
}

func checkTree(v any, count int) error {
	switch v := v.(type) {
	case map[string]any:
		if v["_placeholder"] == true {
			num, ok := placeholder(v)
			if !ok || num < 0 || num >= count {
				return errPlaceholder
			}
			return nil
		}
		for _, e := range v {
			if err := checkTree(e, count); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range v {
			if err := checkTree(e, count); err != nil {
				return err
			}
		}
	}
	return nil
}

// splitArray checks that data is one JSON array and nothing else, and returns
// a copy of its elements; data itself may be reused by the caller.
func splitArray(data []byte) ([]json.RawMessage, error) {
	if len(data) == 0 || data[0] != '[' || !json.Valid(data) {
		return nil, errPayload
	}
	own := bytes.Clone(data)
	elements := make([]json.RawMessage, 0, 4)
	depth, start := 0, 1
	for i := 0; i < len(own); i++ {
		switch own[i] {
		case '"':
			i = endOfString(own, i)
		case '[', '{':
			depth++
		case ',':
			if depth == 1 {
				elements = append(elements, bytes.TrimSpace(own[start:i]))
				start = i + 1
			}
		case ']', '}':
			if depth--; depth == 0 {
				if last := bytes.TrimSpace(own[start:i]); len(last) > 0 {
					elements = append(elements, last)
				}
				return elements, nil
			}
		}
	}
	return nil, errPayload
}

// endOfString returns the index of the quote that ends the string at i.
func endOfString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		if b[i] == '\\' {
			i++
		} else if b[i] == '"' {
			return i
		}
	}
	return i
}

// MarshalJSON spells b as base64, so that a Binary outside of an emit is not
// mistaken for an array of numbers.
func (b Binary) MarshalJSON() ([]byte, error) {
	return json.Marshal(base64.StdEncoding.EncodeToString(b))
}

// UnmarshalJSON reads base64 text.
func (b *Binary) UnmarshalJSON(text []byte) error {
	var raw []byte
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	*b = raw
	return nil
}
