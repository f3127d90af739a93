package api

import (
	"errors"
	"math"
	"net/url"
	"strconv"
	"strings"
)

// positive reads a number of at least 1 from the query; anything else is the
// fallback (B37). A number too large for an int is the largest one.
func positive(query url.Values, key string, fallback int) int {
	text := strings.TrimSpace(query.Get(key))
	n, err := strconv.Atoi(text)
	if errors.Is(err, strconv.ErrRange) && n > 0 {
		return math.MaxInt
	}
	if err != nil || n < 1 {
		return fallback
	}
	return n
}

// given reports whether a switch of the query is on: any text but the empty
// one, as light-push had it ("false" too).
func given(query url.Values, keys ...string) bool {
	for _, key := range keys {
		if query.Get(key) != "" {
			return true
		}
	}
	return false
}
