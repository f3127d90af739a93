package query

import (
	"net/url"
	"testing"
)

var cases = []struct {
	raw, name string
	want      string
	ok        bool
}{
	{"EIO=4&transport=websocket", "transport", "websocket", true},
	{"EIO=4&transport=websocket", "sid", "", false},
	{"", "sid", "", false},
	{"sid", "sid", "", true},
	{"sid=", "sid", "", true},
	{"sid=a&sid=b", "sid", "b", true},
	{"sid=a&sid", "sid", "", true},
	{"&&sid=a&", "sid", "a", true},
	{"sid=a=b", "sid", "a=b", true},
	{"sidx=1&xsid=2&si=3", "sid", "", false},
	{"s%69d=%61+b", "sid", "a b", true},
	{"s%69d=a&sid=%zz", "sid", "a", true}, // malformed pairs do not count
	{"sid=a;b&sid=c", "sid", "c", true},
	{"sid=a&sid=b;c", "sid", "a", true},
	{"%zz=1&sid=a", "sid", "a", true},
	{"a+b=1", "a b", "1", true},
	{"a+b=1", "a+b", "", false},
	{"a%2bb=1", "a+b", "1", true},
	{"=x", "", "x", true},
	{"&", "", "", false},
}

func TestLast(t *testing.T) {
	for _, c := range cases {
		if got, ok := Last(c.raw, c.name); got != c.want || ok != c.ok {
			t.Errorf("%q of %q: %q, %v, want %q, %v", c.name, c.raw, got, ok, c.want, c.ok)
		}
	}
}

// FuzzLast: net/url finds the same.
func FuzzLast(f *testing.F) {
	for _, c := range cases {
		f.Add(c.raw, c.name)
	}
	f.Fuzz(func(t *testing.T, raw, name string) {
		if len(raw) > 4<<10 {
			return // net/url has a limit of its own
		}
		values, _ := url.ParseQuery(raw)
		list, want := values[name]
		got, ok := Last(raw, name)
		if ok != want || ok && got != list[len(list)-1] {
			t.Errorf("%q of %q: %q, %v, want %q", name, raw, got, ok, list)
		}
	})
}

func BenchmarkLast(b *testing.B) {
	const raw = "EIO=4&transport=websocket&uuid=abc&userid=joe&platform=android"
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Last(raw, "sid"); ok {
			b.Fatal("found")
		}
	}
}
