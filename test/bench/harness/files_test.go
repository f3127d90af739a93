package harness

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const someReadme = `# x

%s

text 1 µs

| | lightpush | Node socket.io |
|---|--:|--:|
| a | 1 KB | 2 KB |
| b | 1 µs | 2 µs |
| c | 1 µs | 2 µs |
| d | 1 µs | 2 µs |
| e | 1 ms | 2 ms |

more

| other | table |
|---|---|
`

// fullSample is a sample with everything a README quotes.
func fullSample() *Result {
	r := sample(1)
	node := r.Of(Node)
	ours := r.Of(Lightpush)
	node.Storm, node.Single, node.Burst, node.Rate = ours.Storm, ours.Single, ours.Burst, ours.Rate
	return r
}

func TestWrite(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{imageDir, filepath.Dir(ResultFile)} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, heading := range readmes {
		put(name, strings.Replace(someReadme, "%s", heading, 1))
	}
	put(imageDir+"/bench-old.svg", "x")
	put(imageDir+"/other.svg", "x")
	r := fullSample()
	text, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	put(ResultFile, string(text))
	again, err := ReadResult(filepath.Join(root, ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Write(root); err != nil {
		t.Fatal(err)
	}
	var names []string
	images, _ := filepath.Glob(filepath.Join(root, imageDir, "*"))
	for _, image := range images {
		names = append(names, filepath.Base(image))
	}
	want := []string{"bench-cluster-cpu.svg", "bench-cluster-faults.svg", "bench-cluster-latency.svg", "bench-cpu.svg", "bench-latency.svg", "bench-memory.svg", "other.svg"}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("%q", names)
	}
	page, _ := os.ReadFile(filepath.Join(root, pageFile))
	for _, name := range want[:6] {
		if !bytes.Contains(page, []byte("](images/"+name+")")) {
			t.Errorf("the page does not show %s", name)
		}
	}
	for name := range readmes {
		text, _ := os.ReadFile(filepath.Join(root, name))
		for _, want := range []string{"text 1 µs", "| a | 2.93 KB | 17.7 KB |", "| b | 119 µs | 119 µs |", "| e | 4.90 ms | 4.90 ms |", "more\n\n| other"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("no %q in %s:\n%s", want, name, text)
			}
		}
	}
}

// A run without what the READMEs quote leaves them alone, says so, and writes
// the rest.
func TestWriteInParts(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, imageDir), 0o750); err != nil {
		t.Fatal(err)
	}
	for name, heading := range readmes {
		if err := os.WriteFile(filepath.Join(root, name), []byte(strings.Replace(someReadme, "%s", heading, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := (&Result{Sizes: Full, Clusters: sampleClusters()}).Write(root); !errors.Is(err, errQuote) {
		t.Error(err)
	}
	for name, want := range map[string]string{"README.md": "| a | 1 KB | 2 KB |", pageFile: "## Three nodes", imageDir + "/bench-cluster-cpu.svg": "<svg"} {
		if text, err := os.ReadFile(filepath.Join(root, name)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, no %q", name, err, want)
		}
	}
}

func TestQuoteRefuses(t *testing.T) {
	good := strings.Replace(someReadme, "%s", "## H", 1)
	tests := map[string]struct {
		r    *Result
		text string
	}{
		"no heading":     {fullSample(), "x"},
		"a row less":     {fullSample(), strings.Replace(good, "| e | 1 ms | 2 ms |\n", "", 1)},
		"a row more":     {fullSample(), strings.Replace(good, "| e |", "| f | 1 | 2 |\n| e |", 1)},
		"another column": {fullSample(), strings.Replace(good, "| a |", "| a | b |", 1)},
		"no table":       {fullSample(), "## H\ntext\n"},
		"not measured":   {sample(1), good},
		"no targets":     {&Result{}, good},
	}
	for name, tt := range tests {
		if _, err := tt.r.quote(tt.text, "## H"); !errors.Is(err, errQuote) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadResult("there-is-no-such-file"); err == nil {
		t.Error("no file, no error")
	}
}

// Lists of numbers take one line, and the rest stays readable.
func TestJSON(t *testing.T) {
	text, err := (&Result{Clusters: []*Cluster{{Kill: &Fault{Arrivals: []int{1, 2, 3}}}}, Targets: []*Figures{{Memory: &Memory{Timeline: Timeline{{0, 1.5}, {1, -2}}}}}}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"arrivals": [1,2,3]`, `"timeline": [0,1.5,1,-2]`, `"load_before": [0,0,0]`, "\n  \"targets\": [\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}
