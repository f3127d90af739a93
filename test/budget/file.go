package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// file is budgets.yaml.
type file struct {
	Go       string   `yaml:"go"`
	Packages []*suite `yaml:"packages"`
	comment  string   // in front of everything
}

// suite are the budgets of one package.
type suite struct {
	Package string `yaml:"package"`
	// Times is how often each benchmark runs its operation. It is fixed, so
	// that what is allocated once has the same share every time.
	Times      int       `yaml:"times"`
	Benchmarks []*budget `yaml:"benchmarks"`
}

// budget is what one benchmark may use per operation.
type budget struct {
	Name      string     `yaml:"name"` // without "Benchmark", as it is printed
	Allocs    int64      `yaml:"allocs"`
	Bytes     int64      `yaml:"bytes"`
	Ratio     float64    `yaml:"ratio"` // of its time to that of the reference loop
	Tolerance *tolerance `yaml:"tolerance,omitempty"`
}

// tolerance is how much more is no offence, and why it cannot be exact.
type tolerance struct {
	Allocs int64  `yaml:"allocs"`
	Bytes  int64  `yaml:"bytes"`
	Reason string `yaml:"reason"`
}

func (b *budget) most() (allocs, bytes int64) {
	if b.Tolerance == nil {
		return b.Allocs, b.Bytes
	}
	return b.Allocs + b.Tolerance.Allocs, b.Bytes + b.Tolerance.Bytes
}

var validName = regexp.MustCompile(`^[A-Z][\w=.\-]*(/[\w=.,\-]+)*$`)

func load(path string) (*file, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read budgets: %w", err)
	}
	f, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func parse(text []byte) (*file, error) {
	f := &file{}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(f); err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		f.comment += line
	}
	seen := map[string]bool{}
	for _, s := range f.Packages {
		if s.Times < 1 || len(s.Benchmarks) == 0 {
			return nil, fmt.Errorf("%s: times and benchmarks are missing", s.Package)
		}
		for _, b := range s.Benchmarks {
			key := s.Package + " " + b.Name
			switch {
			case !validName.MatchString(b.Name):
				return nil, fmt.Errorf("%q is no name of a benchmark", key)
			case seen[key]:
				return nil, fmt.Errorf("%s is there twice", key)
			case b.Tolerance != nil && b.Tolerance.Reason == "":
				return nil, fmt.Errorf("%s: a tolerance needs a reason", key)
			}
			seen[key] = true
		}
	}
	if len(f.Packages) == 0 {
		return nil, errors.New("no packages")
	}
	return f, nil
}

func (f *file) chosen(only string) (list []*suite) {
	for _, s := range f.Packages {
		if strings.Contains(s.Package, only) {
			list = append(list, s)
		}
	}
	return list
}

// save writes one line per benchmark, so that a change shows what it changed.
func (f *file) save(path string) error {
	if err := os.WriteFile(path, f.text(), 0o644); err != nil {
		return fmt.Errorf("write budgets: %w", err)
	}
	return nil
}

func (f *file) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%sgo: %s\npackages:\n", f.comment, f.Go)
	for _, s := range f.Packages {
		fmt.Fprintf(&b, "  - package: %s\n    times: %d\n    benchmarks:\n", s.Package, s.Times)
		for _, e := range s.Benchmarks {
			fmt.Fprintf(&b, "      - {name: %q, allocs: %d, bytes: %d, ratio: %s", e.Name, e.Allocs, e.Bytes, short(e.Ratio))
			if t := e.Tolerance; t != nil {
				fmt.Fprintf(&b, ", tolerance: {allocs: %d, bytes: %d, reason: %q}", t.Allocs, t.Bytes, t.Reason)
			}
			b.WriteString("}\n")
		}
	}
	return b.Bytes()
}

// short has two digits that count: more would be noise.
func short(v float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 2, 64), 64)
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}
