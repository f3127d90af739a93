package main

import (
	"context"
	"runtime/debug"
	"testing"
)

func TestCalm(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		name      string
		last, now uint64
		want      bool
	}{
		{"first look", 0, 1 * mb, false},
		{"little allocated", 100 * mb, 101 * mb, true},
		{"busy", 100 * mb, 200 * mb, false},
	} {
		if got := (memory{allocated: c.now}).calm(memory{allocated: c.last}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestGCPercent(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		name      string
		last, now memory
		want      int
	}{
		{"first look", memory{}, memory{allocated: 900 * mb, live: 10 * mb}, 100},
		{"a burst", memory{allocated: 100 * mb}, memory{allocated: 300 * mb, live: 10 * mb}, 100},
		{"a storm", memory{allocated: 100 * mb}, memory{allocated: 900 * mb, live: 10 * mb}, 200},
		{"with more clients", memory{allocated: 100 * mb}, memory{allocated: 900 * mb, live: 40 * mb}, 160},
		{"with very many clients", memory{allocated: 100 * mb}, memory{allocated: 900 * mb, live: 200 * mb}, 100},
	} {
		if got := c.now.gcPercent(c.last, gcMost); got != c.want {
			t.Errorf("%s: %d", c.name, got)
		}
	}
}

func TestSetPercent(t *testing.T) {
	s := trimmer{percent: gcUsual}
	s.setPercent(150)
	if got := debug.SetGCPercent(gcUsual); got != 150 {
		t.Errorf("it is %d", got)
	}
	if got := (memory{allocated: 900 << 20, live: 8 << 20}).gcPercent(memory{allocated: 100 << 20}, gcMostREST); got != gcMostREST {
		t.Errorf("%d without clients", got)
	}
	s = trimmer{percent: gcUsual, fixed: true}
	s.setPercent(150)
	if got := debug.SetGCPercent(gcUsual); got != gcUsual {
		t.Errorf("it is %d, though it was fixed", got)
	}
}

func TestWorthTrimming(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		name  string
		now   memory
		again bool
		want  bool
	}{
		{"garbage", memory{live: 20 * mb, objects: 50 * mb}, false, true},
		{"free pages", memory{live: 20 * mb, objects: 20 * mb, free: 30 * mb}, false, true},
		{"little to gain", memory{live: 9 * mb, objects: 10 * mb}, false, false},
		{"a tenth", memory{live: 45 * mb, objects: 50 * mb}, false, true},
		{"a tenth, but again", memory{live: 45 * mb, objects: 50 * mb}, true, false},
		{"a third, again", memory{live: 35 * mb, objects: 50 * mb}, true, true},
		{"small part of a large heap", memory{live: 900 * mb, objects: 950 * mb}, false, false},
	} {
		if got := c.now.worthTrimming(c.again); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestTrimMemory(t *testing.T) {
	if m := readMemory(); m.allocated == 0 || m.objects == 0 {
		t.Errorf("the runtime says %+v", m)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	trimMemory(ctx, true)
}
