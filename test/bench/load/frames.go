package load

import (
	"bytes"

	"github.com/lightpush/lightpush/internal/simulator/wire"
)

// mask is the key of all frames: servers do the same work for every key but
// zero.
const mask = 0x5ac3963c

// appendText appends a masked text frame.
func appendText(dst []byte, text string) []byte {
	return wire.AppendFrame(dst, wire.OpText, mask, []byte(text))
}

// integer returns the value of the first key of this name, `"key":` as servers
// write it, when it is a positive integer.
func integer(data []byte, key string) (value int64, ok bool) {
	i := bytes.Index(data, []byte(key))
	if i < 0 {
		return 0, false
	}
	n := 0
	for _, c := range data[i+len(key):] {
		if c < '0' || c > '9' {
			break
		}
		if n++; n > 18 {
			return 0, false
		}
		value = value*10 + int64(c-'0')
	}
	return value, n > 0
}

// text returns the value of the first key of this name, `"key":"` as servers
// write it; it must need no escapes.
func text(data []byte, key string) string {
	_, rest, ok := bytes.Cut(data, []byte(key))
	if !ok {
		return ""
	}
	value, _, ok := bytes.Cut(rest, []byte{'"'})
	if !ok {
		return ""
	}
	return string(value)
}

// offset returns the last argument of an event when it is a text and not the
// only one: the place in the log of a server that continues sessions.
func offset(data []byte) string {
	rest, ok := bytes.CutSuffix(data, []byte(`"]`))
	if !ok {
		return ""
	}
	i := bytes.LastIndex(rest, []byte(`,"`))
	if i < 0 {
		return ""
	}
	return string(rest[i+2:])
}
