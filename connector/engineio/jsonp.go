package engineio

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/lightpush/lightpush/connector/query"
)

// jsonp is the mode of a polling session whose handshake carried the parameter j (section 2.7). Answers are calls of
// a JavaScript callback, bodies are form fields, and binary always travels as base64 (Q2 is not copied).
type jsonp struct {
	head string // "___eio[<index>]("
}

// maxJSONPDigits bounds the callback index that is echoed into every answer.
const maxJSONPDigits = 20

// newJSONP returns nil when the query has no j. Whatever is not a digit is stripped, so that nothing of the client
// is executed.
func newJSONP(rawQuery string) *jsonp {
	value, ok := query.Last(rawQuery, "j")
	if !ok {
		return nil
	}
	index := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, value)
	return &jsonp{head: "___eio[" + index[:min(len(index), maxJSONPDigits)] + "]("}
}

// wrap makes the script of an answer from a text payload.
func (j *jsonp) wrap(payload []byte) []byte {
	var script bytes.Buffer
	script.Grow(len(j.head) + len(payload) + len(payload)/8 + 8)
	script.WriteString(j.head)
	literal := json.NewEncoder(&script) // escapes U+2028 and U+2029, which end a line in JavaScript
	literal.SetEscapeHTML(false)
	_ = literal.Encode(string(payload)) // a string cannot fail
	script.Truncate(script.Len() - 1)   // the newline of Encode
	script.WriteString(");")
	return script.Bytes()
}

// jsonpBody extracts the payload from the form field d. ok is false when there is none, which is not an error.
func jsonpBody(form []byte) (payload []byte, ok bool) {
	for field := range bytes.SplitSeq(form, []byte{'&'}) {
		name, value, _ := bytes.Cut(field, []byte{'='})
		if string(name) != "d" {
			continue
		}
		decoded, err := url.QueryUnescape(string(value))
		if err != nil {
			return nil, false
		}
		return unescapeNewlines([]byte(decoded)), true
	}
	return nil, false
}

// unescapeNewlines undoes the escaping of the client, in place: browsers turn a newline in a form into CR LF, so the
// client writes \n for a newline and \\n for a backslash followed by n.
func unescapeNewlines(p []byte) []byte {
	n := 0
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] != '\\':
			p[n] = p[i]
		case bytes.HasPrefix(p[i:], []byte(`\n`)):
			p[n] = '\n'
			i++
		case bytes.HasPrefix(p[i:], []byte(`\\n`)):
			p[n], p[n+1] = '\\', 'n'
			n++
			i += 2
		default:
			p[n] = '\\'
		}
		n++
	}
	return p[:n]
}
