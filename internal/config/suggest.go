package config

import (
	"slices"
	"strings"
)

// maxSuggest bounds the names for which a nearest one is searched, in bytes.
const maxSuggest = 64

// nearest returns the name in index that name was probably meant to be, or "". Case and separators do not count:
// ping_interval is pingInterval. Of equally near names the first in the alphabet is taken.
func nearest(name string, index map[string]*Key) string {
	if len(name) > maxSuggest {
		return ""
	}
	folded := fold(name)
	best, bestDistance := "", 1+max(1, len(folded)/4)
	for candidate := range index {
		d := distance(folded, fold(candidate))
		if d < bestDistance || d == bestDistance && best != "" && candidate < best {
			best, bestDistance = candidate, d
		}
	}
	return best
}

func fold(s string) string {
	return strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(s))
}

// distance is the number of bytes to insert, delete or replace to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + slices.Min([]int{diagonal, row[j], row[j+1]})
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
