// Package query looks up single parameters of URL queries. Every request of a
// client passes several places that ask for one parameter each; net/url would
// make a table of all of them every time, which was a tenth of what a connect
// allocated.
//
// It imports the standard library alone and owns no goroutine.
package query

import (
	"net/url"
	"strings"
)

// Last returns the last value of a parameter, as url.ParseQuery understands
// the query: pairs that are malformed are skipped. ok is false without one.
// What needs no decoding is not copied.
func Last(raw, name string) (value string, ok bool) {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		key, text, _ := strings.Cut(pair, "=")
		if pair == "" || !is(key, name) || strings.Contains(pair, ";") {
			continue
		}
		if decoded, err := url.QueryUnescape(text); err == nil {
			value, ok = decoded, true
		}
	}
	return value, ok
}

// is reports whether a key as it stands in the query is name.
func is(key, name string) bool {
	if strings.IndexByte(key, '%') < 0 && strings.IndexByte(key, '+') < 0 {
		return key == name
	}
	decoded, err := url.QueryUnescape(key)
	return err == nil && decoded == name
}
