// Package input reads the loosely typed fields that callers send: bodies of
// the REST API (JSON or form) and arguments of socket events. light-push
// accepted almost anything here (light-push-wire.md B12, B40, B42); this
// package says once which spellings of a value are accepted and answers the
// rest with an error that names the field.
//
// It imports nothing of the project. Values are immutable after parsing.
package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrNotObject is the answer to a body that is JSON but no object.
var ErrNotObject = errors.New("body must be a JSON object")

// ErrSyntax is the answer to a body that is no JSON at all.
var ErrSyntax = errors.New("Bad Request") // the wire text of light-push

// FieldError names the field that was refused and what is allowed there.
type FieldError struct {
	Field   string
	Problem string
}

func (e *FieldError) Error() string { return e.Field + " " + e.Problem }

// Fields are the members of one object, each still in its JSON form. An
// absent field, null and (where a string is asked for) "" all mean "not
// given", as they did for light-push.
type Fields map[string]json.RawMessage

// FromJSON parses one JSON object. Unknown members are kept; whoever reads
// the fields decides which names exist.
func FromJSON(body []byte) (Fields, error) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, ErrSyntax
	}
	at := space(body, 0)
	if body[at] != '{' {
		return nil, ErrNotObject
	}
	return split(body, at), nil
}

// Raw is the JSON form of a field; ok is false when it is absent or null.
func (f Fields) Raw(field string) (raw json.RawMessage, ok bool) {
	raw, ok = f[field]
	if !ok || string(raw) == "null" {
		return nil, false
	}
	return raw, true
}

// Text reads a string. Numbers and booleans are taken by their JSON text;
// objects and arrays are refused. limit is in bytes.
func (f Fields) Text(field string, limit int) (text string, ok bool, err error) {
	raw, ok := f.Raw(field)
	if !ok {
		return "", false, nil
	}
	text, err = scalar(field, raw)
	if err != nil {
		return "", false, err
	}
	if len(text) > limit {
		return "", false, &FieldError{Field: field, Problem: fmt.Sprintf("must be at most %d bytes", limit)}
	}
	return text, true, nil
}

// JSONText reads a field of any type: a scalar by its text, an object or an
// array by its JSON. limit is in bytes.
func (f Fields) JSONText(field string, limit int) (text string, ok bool, err error) {
	raw, ok := f.Raw(field)
	if !ok {
		return "", false, nil
	}
	if raw[0] == '{' || raw[0] == '[' {
		text = string(raw)
	} else if text, err = scalar(field, raw); err != nil {
		return "", false, err
	}
	if len(text) > limit {
		return "", false, &FieldError{Field: field, Problem: fmt.Sprintf("must be at most %d bytes", limit)}
	}
	return text, true, nil
}

// Bool reads a boolean: true, false, 1, 0 and the texts of these; "" counts
// as not given.
func (f Fields) Bool(field string) (value, ok bool, err error) {
	text, ok, err := f.Text(field, 16)
	if err != nil {
		return false, false, &FieldError{Field: field, Problem: "must be true or false"}
	}
	if !ok {
		return false, false, nil
	}
	return ParseBool(field, text)
}

// ParseBool is Bool for a value that is already text, as in a query string.
func ParseBool(field, text string) (value, ok bool, err error) {
	switch strings.ToLower(text) {
	case "true", "1", "on", "yes":
		return true, true, nil
	case "false", "0", "off", "no":
		return false, true, nil
	case "":
		return false, false, nil
	}
	return false, false, &FieldError{Field: field, Problem: "must be true or false"}
}

// Number reads a finite number, also as text.
func (f Fields) Number(field string) (value float64, ok bool, err error) {
	text, ok, err := f.Text(field, 64)
	if err == nil && (!ok || text == "") {
		return 0, false, nil
	}
	if err == nil {
		value, err = strconv.ParseFloat(strings.TrimSpace(text), 64)
	}
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, false, &FieldError{Field: field, Problem: "must be a number"}
	}
	return value, true, nil
}

// Texts reads an array of scalars with at most limit elements of at most
// itemLimit bytes each. A bare scalar is refused unless single is true.
func (f Fields) Texts(field string, limit, itemLimit int, single bool) (list []string, ok bool, err error) {
	raw, ok := f.Raw(field)
	if !ok {
		return nil, false, nil
	}
	if raw[0] != '[' {
		if !single {
			return nil, false, &FieldError{Field: field, Problem: "must be an array"}
		}
		text, _, err := f.Text(field, itemLimit)
		if err != nil {
			return nil, false, err
		}
		return []string{text}, true, nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, false, &FieldError{Field: field, Problem: "must be an array"}
	}
	if len(items) > limit {
		return nil, false, &FieldError{Field: field, Problem: fmt.Sprintf("must have at most %d elements", limit)}
	}
	list = make([]string, 0, len(items))
	for _, item := range items {
		text, err := scalar(field, item)
		if err != nil || string(item) == "null" {
			return nil, false, &FieldError{Field: field, Problem: "must hold only strings"}
		}
		if len(text) > itemLimit {
			return nil, false, &FieldError{Field: field, Problem: fmt.Sprintf("must hold strings of at most %d bytes", itemLimit)}
		}
		list = append(list, text)
	}
	return list, true, nil
}

func scalar(field string, raw json.RawMessage) (string, error) {
	switch raw[0] {
	case '"':
		if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) { // it stands for itself
			return string(raw[1 : len(raw)-1]), nil
		}
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return "", &FieldError{Field: field, Problem: "must be a string"}
		}
		return s, nil
	case '{', '[':
		return "", &FieldError{Field: field, Problem: "must be a string"}
	default: // number, true, false; callers handle null
		return string(raw), nil
	}
}
