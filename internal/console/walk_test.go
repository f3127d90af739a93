package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// numbers walks 0 … n-1 of each phase in steps of any size.
func numbers(n, phases, atOnce int) func(context.Context, int, uint64, int) ([]string, uint64, error) {
	return func(_ context.Context, phase int, scan uint64, count int) ([]string, uint64, error) {
		if atOnce > 0 {
			count = atOnce
		}
		var list []string
		for i := int(scan); i < n && len(list) < count; i++ {
			list = append(list, fmt.Sprint(phase, ".", i))
		}
		next := scan + uint64(len(list))
		if int(next) >= n {
			next = 0
		}
		return list, next, nil
	}
}

func TestWalk(t *testing.T) {
	for _, tc := range []struct{ n, phases, size, count, atOnce int }{
		{0, 1, 5, 5, 0}, {10, 1, 5, 5, 0}, {11, 3, 5, 5, 0}, {11, 3, 5, 5, 100}, {11, 3, 4, 3, 0}, {11, 2, 1, 1, 7}, {50, 2, 50, 7, 0},
	} {
		var got []string
		cursor := ""
		for pages := 0; ; pages++ {
			list, next, err := Walk[string]{
				Phases: tc.phases, Size: tc.size, Count: tc.count, Step: numbers(tc.n, tc.phases, tc.atOnce),
				Fits: func(s string) bool { return s[len(s)-1] != '3' },
			}.Run(context.Background(), cursor)
			if err != nil || len(list) > tc.size || pages > 1000 {
				t.Fatalf("%+v: %d of a page, %v", tc, len(list), err)
			}
			got = append(got, list...)
			if cursor = next; cursor == "" {
				break
			}
		}
		var want []string
		for phase := range tc.phases {
			for i := range tc.n {
				if i%10 != 3 {
					want = append(want, fmt.Sprint(phase, ".", i))
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: %v, want %v", tc, got, want)
		}
	}
}

// A walk in which nothing fits ends after some steps and can be gone on with.
func TestWalkIsBounded(t *testing.T) {
	steps := 0
	_, next, err := Walk[string]{
		Phases: 1, Size: 1, Count: 1,
		Step: func(_ context.Context, _ int, scan uint64, _ int) ([]string, uint64, error) {
			steps++
			return []string{"x"}, scan + 1, nil
		},
		Fits: func(string) bool { return false },
	}.Run(context.Background(), "")
	if err != nil || next == "" || steps > walkSteps {
		t.Errorf("%d steps, then %q %v", steps, next, err)
	}
	broken := errors.New("away")
	_, _, err = Walk[string]{Phases: 1, Size: 1, Step: func(context.Context, int, uint64, int) ([]string, uint64, error) { return nil, 0, broken }}.
		Run(context.Background(), "")
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

var cursors = []string{"", "0.0.0", "1.5.2", "2.9223372036854775807.0", "x", "3.0.0", "0.0", "0.0.0.0", "-1.0.0", "0.-1.0", "0.0.-1", "00.0.0", "0.+1.0", "0.9223372036854775808.0"}

func FuzzCursor(f *testing.F) {
	for _, text := range cursors {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text, 3)
		switch {
		case err != nil && !errors.Is(err, ErrCursor):
			t.Errorf("%q: %v", text, err)
		case err == nil && text != "" && c.text(3) != text:
			t.Errorf("%q came back as %q", text, c.text(3))
		}
	})
}

func TestCursors(t *testing.T) {
	for i, text := range cursors {
		if _, err := parseCursor(text, 3); (err == nil) != (i < 4) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
