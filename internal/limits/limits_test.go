package limits

import (
	"net/netip"
	"testing"
	"time"
	"unsafe"
)

func TestBudget(t *testing.T) {
	var b Budget
	now := time.Hour
	for i := range 10 {
		if ok, over := b.Take(now, 5, 10); !ok || over != 0 {
			t.Fatalf("token %d: %v %d", i, ok, over)
		}
	}
	for i := range 3 {
		if ok, over := b.Take(now, 5, 10); ok || over != i+1 {
			t.Fatalf("%v %d", ok, over)
		}
	}
	if wait := b.Wait(now, 5, 10); wait != 200*time.Millisecond {
		t.Errorf("wait %s", wait)
	}
	now += 200 * time.Millisecond
	if ok, over := b.Take(now, 5, 10); !ok || over != 3 {
		t.Errorf("after the wait: %v %d", ok, over)
	}
	now += time.Minute
	if ok, over := b.Take(now, 5, 10); !ok || over != 0 {
		t.Errorf("when full: %v %d", ok, over)
	}
	if size := unsafe.Sizeof(b); size > 16 {
		t.Errorf("%d bytes for every client", size)
	}
}

func TestRates(t *testing.T) {
	now := time.Now()
	r := NewRates[int](3, func() time.Time { return now })
	for key := range 3 {
		if _, ok := r.Take(key, 1, 1); !ok {
			t.Errorf("key %d refused", key)
		}
	}
	if wait, ok := r.Take(0, 1, 1); ok || wait != time.Second {
		t.Errorf("%v %s", ok, wait)
	}
	if _, ok := r.Take(7, 1, 1); !ok {
		t.Error("first of the others refused")
	}
	if _, ok := r.Take(8, 1, 1); ok || len(r.budgets) != 3 {
		t.Errorf("a flood of keys escapes the limit, or fills the memory: %d", len(r.budgets))
	}
	now = now.Add(time.Minute)
	if _, ok := r.Take(8, 1, 1); !ok || len(r.budgets) != 1 {
		t.Errorf("idle keys are not forgotten: %d", len(r.budgets))
	}
	if _, ok := r.Take(8, 0, 0); !ok {
		t.Error("0 is a limit")
	}
}

func TestCounts(t *testing.T) {
	c := NewCounts[string]()
	if c.Add("a") != 1 || c.Add("a") != 2 || c.Add("b") != 1 || c.Of("a") != 2 {
		t.Error("wrong counts")
	}
	c.Done("a")
	c.Done("a")
	c.Done("b")
	if c.Of("a") != 0 || len(c.n) != 0 {
		t.Errorf("%v is left", c.n)
	}
}

func TestNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8::1:2:3:4": "2001:db8::", "fe80::1%eth0": "fe80::",
	} {
		if got := Network(netip.MustParseAddr(text)); got.String() != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestSpend(t *testing.T) {
	now := time.Now()
	r := NewRates[string](3, func() time.Time { return now })
	if _, ok := r.Spend("a", 25, 5, 10); !ok { // more than the bucket holds: owed
		t.Error("refused although there was a token")
	}
	if wait, ok := r.Spend("a", 1, 5, 10); ok || wait != 3200*time.Millisecond {
		t.Errorf("%v %s", ok, wait)
	}
	if _, ok := r.Spend("b", 1, 5, 10); !ok {
		t.Error("another key pays for it")
	}
	now = now.Add(3200 * time.Millisecond)
	if _, ok := r.Spend("a", 1, 5, 10); !ok {
		t.Error("refused after the wait")
	}
}
