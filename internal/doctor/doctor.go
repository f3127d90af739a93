// Package doctor looks at the machine, the Redis and the way to a server, and says what it found, what is needed and the
// one line that mends it.
//
// Each function makes one group of checks and returns their lines; none changes anything but keys of its own in Redis,
// which the store's start-up check writes and removes. The package keeps no state and starts no goroutine that outlives a
// call. It imports internal/store for the start-up check, and simulator/wire to read what a server answers.
package doctor

import (
	"fmt"
	"io"
	"strings"
)

// Level of a line.
type Level string

// Levels: only Fail makes the verdict.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
	Skip Level = "skip" // not known here
)

// Line is one check.
type Line struct {
	Check  string `json:"check"`
	Level  Level  `json:"level"`
	Found  string `json:"found"`
	Needed string `json:"needed,omitempty"`
	Mend   string `json:"mend,omitempty"` // the line that mends it; only of Warn and Fail
}

// judged is a line whose mending is only told when something is wrong.
func judged(check string, level Level, found, needed, mend string) Line {
	l := Line{check, level, found, needed, mend}
	if level == OK || level == Skip {
		l.Mend = ""
	}
	return l
}

// Healthy reports whether nothing has failed.
func Healthy(lines []Line) bool {
	for _, l := range lines {
		if l.Level == Fail {
			return false
		}
	}
	return true
}

// Print writes the lines as a table.
func Print(w io.Writer, lines []Line) {
	width := 0
	for _, l := range lines {
		width = max(width, len(l.Check))
	}
	for _, l := range lines {
		fmt.Fprintf(w, "%-4s  %-*s  %s", strings.ToUpper(string(l.Level)), width, l.Check, l.Found)
		if l.Needed != "" {
			fmt.Fprintf(w, "  (needed: %s)", l.Needed)
		}
		fmt.Fprintln(w)
		if l.Mend != "" {
			fmt.Fprintf(w, "      %-*s  → %s\n", width, "", l.Mend)
		}
	}
}

func clip(s string) string {
	if s = strings.TrimSpace(s); len(s) > 120 {
		return s[:120] + "…"
	}
	return s
}
