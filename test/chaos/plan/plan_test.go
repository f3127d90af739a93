package plan

import (
	"reflect"
	"testing"
	"time"
)

func options(seed uint64) Options {
	return Options{
		Seed: seed, Duration: 5 * time.Minute, Kinds: Kinds, Every: 4 * time.Second, Connectors: 3, Logics: 2, Clients: 200,
		Lease: 5 * time.Second, FreezeMax: 10 * time.Second, LogicFreeze: 12 * time.Second, RedisFreeze: 30 * time.Second,
	}
}

// TestPlan holds, over many seeds, what a plan promises.
func TestPlan(t *testing.T) {
	for seed := range uint64(200) {
		o := options(seed)
		p := New(o)
		if !reflect.DeepEqual(p, New(o)) {
			t.Fatalf("seed %d gives two plans", seed)
		}
		seen := map[Kind]int{}
		for i, f := range p {
			seen[f.Kind]++
			if f.At < firstAt || f.End() > o.Duration-calmEnd {
				t.Errorf("seed %d: %v outside of the run", seed, f)
			}
			switch {
			case f.Kind == PauseConnector && (f.For <= 0 || f.For > o.Lease/2):
				t.Errorf("seed %d: %v", seed, f)
			case f.Kind == FreezeConnector && (f.For <= o.Lease || f.For > o.FreezeMax):
				t.Errorf("seed %d: %v", seed, f)
			case f.Kind.role() == "connector" && f.Target >= o.Connectors, f.Kind.role() == "logic" && f.Target >= o.Logics:
				t.Errorf("seed %d: %v has no target", seed, f)
			case f.Kind.role() == "" && f.Count < 1:
				t.Errorf("seed %d: %v cuts nothing", seed, f)
			}
			for _, other := range p[:i] {
				together := other.At < f.End() && f.At < over(p[:i], other)
				if together && f.Kind.role() != "" && f.Kind.role() == other.Kind.role() {
					t.Errorf("seed %d: %v while %v", seed, f, other)
				}
			}
		}
		for _, k := range Kinds {
			if seen[k] == 0 {
				t.Errorf("seed %d: no %s in %d faults", seed, k, len(p))
			}
		}
	}
	if reflect.DeepEqual(New(options(1)), New(options(2))) {
		t.Error("two seeds, one plan")
	}
}

func TestShortPlanEnds(t *testing.T) {
	o := options(1)
	for _, d := range []time.Duration{0, time.Second, 11 * time.Second, 30 * time.Second} {
		o.Duration = d
		for _, f := range New(o) {
			if f.End() > d-calmEnd {
				t.Errorf("%v in a run of %s", f, d)
			}
		}
	}
	o.Kinds = nil
	if p := New(o); p != nil {
		t.Errorf("faults although none are wanted: %v", p)
	}
}

func TestParseKinds(t *testing.T) {
	for text, want := range map[string]int{"all": len(Kinds), "none": 0, "": 0, "cut, freeze-redis": 2} {
		if got, err := ParseKinds(text); err != nil || len(got) != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, err := ParseKinds("cut,paint"); err == nil {
		t.Error("a fault without a meaning was accepted")
	}
}
