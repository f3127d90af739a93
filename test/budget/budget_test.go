package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const example = `# What this is.
# More of it.
go: go1.26
packages:
  - package: a/b
    times: 100
    benchmarks:
      - {name: "Feed/text", allocs: 1, bytes: 16, ratio: 0.5}
      - {name: "Feed/a=1,b/x.y", allocs: 2, bytes: 32, ratio: 12}
      - {name: "Send", allocs: 0, bytes: 0, ratio: 0.0012, tolerance: {allocs: 1, bytes: 8, reason: "it grows"}}
  - package: a/b
    times: 7
    benchmarks:
      - {name: "Big", allocs: 3, bytes: 48, ratio: 1}
`

func parsed(t *testing.T) *file {
	t.Helper()
	f, err := parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What is written is what was read.
func TestFile(t *testing.T) {
	f := parsed(t)
	if got := string(f.text()); got != example {
		t.Errorf("written again:\n%s", got)
	}
	path := filepath.Join(t.TempDir(), "budgets.yaml")
	if err := f.save(path); err != nil {
		t.Fatal(err)
	}
	if again, err := load(path); err != nil || string(again.text()) != example {
		t.Error(err)
	}
	for change, want := range map[string]string{
		"":                           "",
		"Feed/text>Feed/a=1,b/x.y":   "twice",
		"Feed/text>Feed text":        "no name",
		"Feed/text>$(rm)":            "no name",
		"\"it grows\">\"\"":          "reason",
		"times: 100>times: 0":        "times",
		"allocs: 1, b>alocs: 1, b":   "alocs",
		"packages:>packages: []\nx:": "x",
	} {
		old, replaced, _ := strings.Cut(change, ">")
		_, err := parse([]byte(strings.Replace(example, old, replaced, 1)))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", change, err, want)
		}
	}
	if n := len(f.chosen("a/")); n != 2 {
		t.Errorf("%d packages", n)
	}
	if n := len(f.chosen("other")); n != 0 {
		t.Errorf("%d packages", n)
	}
}

func TestFunctions(t *testing.T) {
	f := parsed(t)
	want := []string{`^BenchmarkFeed$/^(text|a=1,b)$/^(x\.y)$`, `^BenchmarkSend$`}
	if got := functions(f.Packages[0]); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

const output = `goos: linux
goarch: amd64
pkg: example.com/a/b
cpu: AMD EPYC
BenchmarkFeed/text         	     100	       900 ns/op	      16 B/op	       1 allocs/op
BenchmarkFeed/text         	     100	       600 ns/op	      48 B/op	       1 allocs/op
BenchmarkFeed/text         	     100	       700.5 ns/op	      16 B/op	       1 allocs/op
BenchmarkFeed/a=1,b/x.y    	     100	         2.5 ns/op	        17 ns/delivery	     40 B/op	       3 allocs/op
BenchmarkFeed/a=1,b/x.y    	     100	         2.5 ns/op	        17 ns/delivery	     32 B/op	       2 allocs/op
BenchmarkFeed/a=1,b/x.y    	     100	         2.5 ns/op	        17 ns/delivery	     33 B/op	       2 allocs/op
PASS
`

func TestRead(t *testing.T) {
	got := read(output)
	want := map[string]result{
		"Feed/text":      {allocs: 1, bytes: 16, ns: 600, steady: true},
		"Feed/a=1,b/x.y": {allocs: 2, bytes: 33, ns: 2.5},
	}
	if !maps.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestCompare(t *testing.T) {
	f := parsed(t)
	for _, tc := range []struct {
		name    string
		result  result
		missing bool
		want    string
	}{
		{"Feed/text", result{allocs: 1, bytes: 16, ratio: 0.6, steady: true}, false, ""},
		{"Feed/text", result{allocs: 1, bytes: 16, ratio: 1.1, steady: true}, false, "slow?"},
		{"Feed/text", result{allocs: 2, bytes: 16, steady: true}, false, "ABOVE"},
		{"Feed/text", result{allocs: 1, bytes: 17, steady: true}, false, "ABOVE"},
		{"Feed/text", result{allocs: 0, bytes: 17, steady: true}, false, "ABOVE"},
		{"Feed/text", result{allocs: 1, bytes: 15, steady: true}, false, "below"},
		{"Feed/text", result{allocs: 0, bytes: 0, steady: true}, false, "below"},
		{"Feed/text", result{allocs: 1, bytes: 16}, false, "unsteady"},
		{"Feed/text", result{}, true, "MISSING"},
		{"Send", result{allocs: 1, bytes: 8}, false, ""},
		{"Send", result{allocs: 1, bytes: 9}, false, "ABOVE"},
	} {
		results := map[string]map[string]result{"a/b": {tc.name: tc.result}}
		if tc.missing {
			delete(results["a/b"], tc.name)
		}
		for _, r := range compare(f.Packages, results) {
			if r.budget.Name == tc.name && r.verdict() != tc.want {
				t.Errorf("%s %+v: %q, want %q", tc.name, tc.result, r.verdict(), tc.want)
			}
		}
	}
}

func TestLower(t *testing.T) {
	f := parsed(t)
	rows := compare(f.Packages, map[string]map[string]result{"a/b": {
		"Feed/text":      {allocs: 0, bytes: 0, ratio: 0.6},
		"Feed/a=1,b/x.y": {allocs: 4, bytes: 64, ratio: 30},
		"Send":           {allocs: 1, bytes: 7, ratio: 0.001}, // within its tolerance
	}})
	lower(rows)
	want := strings.NewReplacer("allocs: 1, bytes: 16, ratio: 0.5", "allocs: 0, bytes: 0, ratio: 0.5",
		"allocs: 2, bytes: 32, ratio: 12", "allocs: 4, bytes: 64, ratio: 30").Replace(example)
	if got := string(f.text()); got != want {
		t.Errorf("written:\n%s", got)
	}
}

// The summary names what to do, and only what is above or missing counts.
func TestSummary(t *testing.T) {
	f := parsed(t)
	rows := compare(f.Packages, map[string]map[string]result{"a/b": {
		"Feed/text": {allocs: 2, bytes: 16, ratio: 0.5}, "Feed/a=1,b/x.y": {allocs: 1, bytes: 16, ratio: 1}, "Send": {ratio: 1},
	}})
	if got := summarize(rows); got != (summary{above: 1, missing: 1, below: 1, slow: 1}) {
		t.Errorf("%+v", got)
	}
	if got := summarize(rows).lines(); len(got) != 4 {
		t.Errorf("%q", got)
	}
	var table bytes.Buffer
	if err := writeTable(&table, rows); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^  Feed/text +2 +1 +16 +16 +0.5 +0.5 +ABOVE$`).Match(table.Bytes()) || !strings.Contains(table.String(), "MISSING") {
		t.Errorf("%s", &table)
	}
}

// TestBudgets: the file in the repository can be read and written, and names
// benchmarks that are there.
func TestBudgets(t *testing.T) {
	f, err := load("budgets.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("budgets.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(f.text(), text) {
		t.Error("budgets.yaml is not in the form it is written in: UPDATE=1 make budget")
	}
	for _, s := range f.Packages {
		files, err := filepath.Glob(filepath.Join("..", "..", s.Package, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no tests, %v", s.Package, err)
		}
		var all strings.Builder
		for _, path := range files {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(source)
		}
		for _, b := range s.Benchmarks {
			name, _, _ := strings.Cut(b.Name, "/")
			if !strings.Contains(all.String(), "\nfunc Benchmark"+name+"(b *testing.B)") {
				t.Errorf("%s has no Benchmark%s", s.Package, name)
			}
		}
	}
}

func TestMinor(t *testing.T) {
	for version, want := range map[string]string{"go1.26.8": "go1.26", "go1.26": "go1.26", "devel": "devel"} {
		if got := minor(version); got != want {
			t.Errorf("%s: %s", version, got)
		}
	}
}
