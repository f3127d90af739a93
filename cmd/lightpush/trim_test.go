package main

import (
	"context"
	"testing"
)

func TestWorthTrimming(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		name      string
		last, now memory
		want      bool
	}{
		{"first look", memory{}, memory{allocated: 100 * mb, live: 10 * mb, objects: 50 * mb}, false},
		{"calm with garbage", memory{allocated: 100 * mb}, memory{allocated: 101 * mb, live: 20 * mb, objects: 50 * mb}, true},
		{"calm with free pages", memory{allocated: 100 * mb}, memory{allocated: 101 * mb, live: 20 * mb, objects: 20 * mb, free: 30 * mb}, true},
		{"busy", memory{allocated: 100 * mb}, memory{allocated: 200 * mb, live: 20 * mb, objects: 50 * mb}, false},
		{"little to gain", memory{allocated: 100 * mb}, memory{allocated: 101 * mb, live: 20 * mb, objects: 23 * mb}, false},
		{"small part of a large heap", memory{allocated: 9000 * mb}, memory{allocated: 9001 * mb, live: 900 * mb, objects: 950 * mb}, false},
	} {
		if got := c.now.worthTrimming(c.last); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if m := readMemory(); m.allocated == 0 || m.objects == 0 {
		t.Errorf("the runtime says %+v", m)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	trimMemory(ctx)
}
