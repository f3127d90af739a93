package console

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrCursor refuses a cursor that no page has given out.
var ErrCursor = errors.New("cursor invalid")

// Bounds of the work for one page.
const (
	walkSteps = 200
	walkTime  = 25 * time.Millisecond
	// walkCount is how many entries one step looks at when most of them may
	// not fit: half a millisecond of Redis.
	walkCount = 1000
)

// Sizes of pages.
const (
	PageDefault = 20
	PageMost    = 200
)

// cursor is a place in a walk over several sets: which one, where in it, and
// how many of what that place gives have been shown.
type cursor struct {
	phase int
	scan  uint64
	skip  int
}

// text gives "" for the end of a walk of so many phases.
func (c cursor) text(phases int) string {
	if c.phase >= phases {
		return ""
	}
	return strconv.Itoa(c.phase) + "." + strconv.FormatUint(c.scan, 10) + "." + strconv.Itoa(c.skip)
}

// parseCursor reads text's form, and "" as the beginning.
func parseCursor(text string, phases int) (c cursor, err error) {
	if text == "" {
		return c, nil
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return c, ErrCursor
	}
	var errs [3]error
	c.phase, errs[0] = strconv.Atoi(parts[0])
	c.scan, errs[1] = strconv.ParseUint(parts[1], 10, 64)
	c.skip, errs[2] = strconv.Atoi(parts[2])
	if errors.Join(errs[:]...) != nil || c.phase < 0 || c.phase >= phases || c.scan > math.MaxInt64 || c.skip < 0 || c.text(phases) != text {
		return cursor{}, ErrCursor
	}
	return c, nil
}

// Walk is one page of a walk. Its sets give their entries in steps; some may
// not fit the page, and one step may give more than was asked for, even all
// there is. An entry may come twice.
type Walk[T any] struct {
	Phases int // sets, one after the other
	Size   int // entries of the page, at most
	Count  int // entries of a step, about
	// Step reads one step of a phase; next is 0 at its end.
	Step func(ctx context.Context, phase int, scan uint64, count int) (list []T, next uint64, err error)
	Fits func(T) bool // nil: all do
}

// Run goes on from a cursor, "" for the beginning, until the page is full, the
// sets are at their end or the work is enough for one request. next is "" at
// the end. Errors: ErrCursor, else those of Step.
func (w Walk[T]) Run(ctx context.Context, from string) (page []T, next string, err error) {
	at, err := parseCursor(from, w.Phases)
	if err != nil {
		return nil, "", err
	}
	started := time.Now()
	for range walkSteps {
		if at.phase >= w.Phases || len(page) >= w.Size {
			break
		}
		list, following, err := w.Step(ctx, at.phase, at.scan, w.Count)
		if err != nil {
			return nil, "", err
		}
		i := min(at.skip, len(list))
		for ; i < len(list) && len(page) < w.Size; i++ {
			if w.Fits == nil || w.Fits(list[i]) {
				page = append(page, list[i])
			}
		}
		switch {
		case i < len(list):
			at.skip = i
		case following == 0:
			at = cursor{phase: at.phase + 1}
		default:
			at = cursor{phase: at.phase, scan: following}
		}
		if time.Since(started) > walkTime {
			break
		}
	}
	return page, at.text(w.Phases), nil
}

// contains ignores the case of ASCII letters, as the store's steps do.
func contains(text, q string) bool {
	return q == "" || strings.Contains(lower(text), lower(q))
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c - 'A' + 'a'
		}
	}
	return string(b)
}
