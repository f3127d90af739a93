package simulator

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseMix(t *testing.T) {
	for text, want := range map[string]string{
		"web": "web", "web=3": "web", " web = 50 , ios=30": "web=50,ios=30", "web=0,ios=1": "web=0,ios=1", "web=0.5,ios=1.5": "web=0.5,ios=1.5",
		"": "error", "web,web": "error", "web=0": "error", "web=-1,ios=1": "error", "web=x": "error", "mac": "error", "web=NaN": "error", "web=1e300": "error",
	} {
		m, err := ParseMix(text, "web", "ios", "android")
		got := "error"
		if err == nil {
			got = m.String()
		}
		if got != want {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
	if _, err := ParseMix(strings.Repeat("a=1,", 3) + "b"); err == nil {
		t.Error("the same twice was accepted")
	}
}

func TestMixPicks(t *testing.T) {
	m := Mix{{"a", 1}, {"none", 0}, {"b", 3}}
	for u, want := range map[float64]string{0: "a", 0.24: "a", 0.25: "b", 0.999999: "b"} {
		if got := m.Pick(u); got != want {
			t.Errorf("at %v: %s, want %s", u, got, want)
		}
	}
	if m.Of("b") != 0.75 || m.Of("none") != 0 || m.Of("other") != 0 {
		t.Error(m.Of("b"), m.Of("none"))
	}
	r, counts := rand.New(rand.NewPCG(1, 2)), map[string]int{}
	for range 10_000 {
		counts[m.Pick(r.Float64())]++
	}
	if counts["none"] > 0 || math.Abs(float64(counts["b"])-7500) > 200 {
		t.Error(counts)
	}
}

func FuzzParseMix(f *testing.F) {
	for _, s := range []string{"web", "a=1,b=2", "=", ",,", "a=1e9", "a=\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMix(text)
		if err != nil {
			return
		}
		if m.sum() <= 0 || len(m) > maxShares || m.Of(m.Pick(0.5)) <= 0 {
			t.Errorf("%q gives %v", text, m)
		}
	})
}

func TestParseRules(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "r1,100,10": "r1,100,10", " {r1, 100 ,10} ; r2,5,5;": "r1,100,10;r2,5,5",
		"r1,100": "error", "r1,a,1": "error", "r1,1,1,1": "error",
	} {
		rules, err := ParseRules(text)
		got := "error"
		if err == nil {
			got = FormatRules(rules)
		}
		if got != want {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
	for _, r := range []Rule{{"", 1, 1}, {"a", 0, 0}, {"a", maxRooms + 1, 1}, {"a", 5, -1}, {"a", 5, 6}, {"a", 5000, maxPick + 1}} {
		if r.Check() == nil {
			t.Errorf("%+v was accepted", r)
		}
	}
	if err := (Rule{"a", 5, 5}).Check(); err != nil {
		t.Error(err)
	}
}

func FuzzParseRules(f *testing.F) {
	for _, s := range []string{"r1,100,10", "{r1,100,10};{r2,50,20}", ";;", "a,1,1;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ParseRules(text)
		if err != nil {
			return
		}
		again, err := ParseRules(FormatRules(rules))
		// A prefix that is itself made of braces or spaces is not written back the same.
		if err == nil && len(again) > len(rules) {
			t.Errorf("%q: %v became %v", text, rules, again)
		}
	})
}

func TestParseDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1": time.Second, "0.25": 250 * time.Millisecond, "500ms": 500 * time.Millisecond, "2m": 2 * time.Minute, " 3 ": 3 * time.Second, "0": 0,
		"": -1, "x": -1, "-1": -1, "-1s": -1, "25h": -1, "NaN": -1, "1e300": -1, "Inf": -1, "5 minutes": -1,
	} {
		d, err := ParseDuration(text)
		if err != nil {
			d = -1
		}
		if d != want {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	}
	for text, want := range map[string]Span{
		"20ms": {20 * time.Millisecond, 20 * time.Millisecond}, "0s..200ms": {0, 200 * time.Millisecond}, "1..2": {time.Second, 2 * time.Second},
		"2..1": {-1, -1}, "..": {-1, -1}, "1..": {-1, -1}, "a..b": {-1, -1},
	} {
		s, err := ParseSpan(text)
		if err != nil {
			s = Span{-1, -1}
		}
		if s != want {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	for text, want := range map[string]float64{"0": 0, "1": 1, "25%": 0.25, " 2.5 % ": 0.025, "1.1": -1, "-1": -1, "101%": -1, "x": -1, "NaN": -1} {
		v, err := ParseShare(text)
		if err != nil {
			v = -1
		}
		if v != want {
			t.Errorf("%q: %v, %v", text, v, err)
		}
	}
	for text, ok := range map[string]bool{"128": true, "100=90,4000=10": true, "-1": false, "x": false, "1e3": false, "99999999": false} {
		if _, err := parseSizes(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseSpan(f *testing.F) {
	for _, s := range []string{"20ms", "0s..200ms", "1..2", "..", "9e9s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseSpan(text); err == nil && (s.Min < 0 || s.Max < s.Min || s.Max > maxDuration) {
			t.Errorf("%q gives %v", text, s)
		}
	})
}

// TestPlan: devices are the same in every process, and rooms are distinct and as many as asked for.
func TestPlan(t *testing.T) {
	c := Default()
	c.Total, c.PushRate, c.PushTarget = 300, 1, Mix{{"user", 1}}
	c.Protocol, c.SlowRatio = Mix{{"3", 1}, {"4", 3}}, 0.1
	a, b := newPlan(&c, "x"), newPlan(&c, "x")
	v3, slow := 0, 0
	for device := range int32(300) {
		m := a.memberships(device)
		if len(m) != 1+10+20+10+1 || !slices.Equal(m, b.memberships(device)) || a.identity(device) != b.identity(device) {
			t.Fatalf("device %d: %v", device, m)
		}
		if !slices.IsSortedFunc(m, func(x, y member) int { return int(x.stream - y.stream) }) || slices.Compact(m)[len(m)-1] != m[len(m)-1] {
			t.Errorf("device %d: not ascending: %v", device, m)
		}
		if room := a.room(m[len(m)-1].stream); room != "user_"+a.uuid(device) {
			t.Errorf("user room %s", room)
		}
		if a.identity(device).v3 {
			v3++
		}
		if a.identity(device).slow {
			slow++
		}
	}
	if v3 < 40 || v3 > 110 || slow < 10 || slow > 55 {
		t.Errorf("%d of generation 3, %d slow", v3, slow)
	}
	if a.room(0) != "w-room" || a.room(1) != "r1_0" || a.room(100) != "r1_99" || a.room(101) != "r2_0" {
		t.Error(a.rooms[:3])
	}
	r := rand.New(rand.NewPCG(1, 1))
	for total := 1; total < 30; total++ {
		for n := range total + 1 {
			list := distinct(r, total, n)
			if len(list) != n || len(slices.Compact(slices.Clone(list))) != n || n > 0 && (list[0] < 0 || list[n-1] >= total) {
				t.Fatalf("%d of %d: %v", n, total, list)
			}
		}
	}
}

func TestPortions(t *testing.T) {
	for _, total := range []int{0, 1, 7, 1000} {
		for n := 1; n < 9; n++ {
			next := int32(0)
			for i := range n {
				p := portion(total, n, i)
				if p.first != next || p.count < total/n || p.count > total/n+1 {
					t.Errorf("%d/%d of %d: %+v", i, n, total, p)
				}
				next += int32(p.count)
			}
			if int(next) != total {
				t.Errorf("%d of %d shared out", next, total)
			}
		}
	}
}
