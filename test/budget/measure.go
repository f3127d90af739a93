package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rounds is how often each benchmark is run. The middle of what they allocate
// counts: a goroutine of the runtime that allocates something in between can
// spoil one of them.
const rounds = 3

// result is what one benchmark used per operation.
type result struct {
	allocs, bytes int64
	ns            float64
	steady        bool    // most rounds allocated the same
	ratio         float64 // of ns to the reference loop
}

// measure runs the benchmarks of every package, one process for each function,
// and returns the results by package and name.
func measure(ctx context.Context, packages []*suite) (map[string]map[string]result, error) {
	dir, err := os.MkdirTemp("", "budget-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := build(ctx, dir, packages); err != nil {
		return nil, err
	}
	all := map[string]map[string]result{}
	for _, s := range packages {
		found := all[s.Package]
		if found == nil {
			found = map[string]result{}
			all[s.Package] = found
		}
		for _, function := range functions(s) {
			before := reference()
			text, err := execute(ctx, dir, s, function)
			if err != nil {
				return nil, err
			}
			base := min(before, reference())
			for name, r := range read(text) {
				r.ratio = r.ns / base
				found[name] = r
			}
		}
	}
	return all, nil
}

// build compiles the tests of all packages, without the race detector.
func build(ctx context.Context, dir string, packages []*suite) error {
	args := []string{"test", "-c", "-o", dir + string(filepath.Separator)}
	for _, s := range packages {
		if p := "./" + s.Package; !slices.Contains(args, p) {
			args = append(args, p)
		}
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the benchmarks: %w\n%s", err, out)
	}
	return nil
}

// functions are the benchmark functions of a package, each with the patterns
// of what is inside of it.
func functions(s *suite) []string {
	var order []string
	levels := map[string][][]string{}
	for _, b := range s.Benchmarks {
		parts := strings.Split(b.Name, "/")
		if _, ok := levels[parts[0]]; !ok {
			order = append(order, parts[0])
		}
		l := levels[parts[0]]
		for i, part := range parts[1:] {
			if i == len(l) {
				l = append(l, nil)
			}
			if part = regexp.QuoteMeta(part); !slices.Contains(l[i], part) {
				l[i] = append(l[i], part)
			}
		}
		levels[parts[0]] = l
	}
	for i, name := range order {
		pattern := "^Benchmark" + name + "$"
		for _, alternatives := range levels[name] {
			pattern += "/^(" + strings.Join(alternatives, "|") + ")$"
		}
		order[i] = pattern
	}
	return order
}

func execute(ctx context.Context, dir string, s *suite, pattern string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(dir, path.Base(s.Package)+".test"),
		"-test.run=^$", "-test.bench="+pattern, fmt.Sprintf("-test.benchtime=%dx", s.Times), fmt.Sprintf("-test.count=%d", rounds),
		"-test.benchmem", "-test.cpu=1", "-test.timeout=2m")
	cmd.Dir = filepath.FromSlash(s.Package)
	// Without collections pools keep what they have; a limit protects the
	// machine.
	cmd.Env = append(os.Environ(), "GOGC=off", "GOMEMLIMIT=1GiB")
	var out, fault bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &fault
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return "", fmt.Errorf("%s %s: %w\n%s%s", s.Package, pattern, err, &out, &fault)
		}
		return "", fmt.Errorf("%s: %w", s.Package, err)
	}
	return out.String(), nil
}

var line = regexp.MustCompile(`(?m)^Benchmark(\S+)\s+\d+\s+([\d.]+) ns/op\b.*?\s(\d+) B/op\s+(\d+) allocs/op`)

// read understands the lines of the testing package.
func read(text string) map[string]result {
	type rounds struct {
		allocs, bytes []int64
		ns            []float64
	}
	all := map[string]*rounds{}
	for _, m := range line.FindAllStringSubmatch(text, -1) {
		r := all[m[1]]
		if r == nil {
			r = &rounds{}
			all[m[1]] = r
		}
		ns, _ := strconv.ParseFloat(m[2], 64)
		bytes, _ := strconv.ParseInt(m[3], 10, 64)
		allocs, _ := strconv.ParseInt(m[4], 10, 64)
		r.ns, r.bytes, r.allocs = append(r.ns, ns), append(r.bytes, bytes), append(r.allocs, allocs)
	}
	results := map[string]result{}
	for name, r := range all {
		slices.Sort(r.allocs)
		slices.Sort(r.bytes)
		n := len(r.ns)
		results[name] = result{
			allocs: r.allocs[n/2], bytes: r.bytes[n/2], ns: slices.Min(r.ns),
			steady: most(r.allocs) && most(r.bytes),
		}
	}
	return results
}

// most reports that the middle of sorted numbers is no outlier.
func most(sorted []int64) bool {
	n := len(sorted)
	return n == 1 || sorted[n/2] == sorted[n/2-1] || sorted[n/2] == sorted[min(n/2+1, n-1)] && n > 2
}

// reference is the time of a loop that does the same on every machine, in
// nanoseconds: the best of some tries, as others may use the processor.
func reference() float64 {
	best := time.Duration(1 << 62)
	for range 20 {
		start := time.Now()
		sum := fnv.New64a()
		for range 100 {
			_, _ = sum.Write(referenceText[:])
		}
		took := time.Since(start)
		if sum.Sum64() != 0 { // always; the loop must not be left out
			best = min(best, took)
		}
	}
	return float64(best.Nanoseconds()) / 100
}

var referenceText [1024]byte
