package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Where a result and what is made from it stand in the repository.
const (
	ResultFile = "test/bench/results.json"
	pageFile   = "doc/performance.md"
	imageDir   = "doc/images"
)

// readmes quote some figures, below these headings.
var readmes = map[string]string{"README.md": "### Measured", "README.zh-CN.md": "### 实测数据"}

// ReadResult reads what Write has written.
func ReadResult(path string) (*Result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// numberList is an array of numbers that json.MarshalIndent gave a line each.
var numberList = regexp.MustCompile(`\[\s+(-?[0-9][-+.0-9eE,\s]*?)\s+\]`)

// JSON is the result as a file.
func (r *Result) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	text = numberList.ReplaceAllFunc(text, func(list []byte) []byte {
		return []byte(strings.Join(strings.Fields(string(list)), ""))
	})
	return append(text, '\n'), nil
}

// Files is everything that is made from a result, by path below root: the page,
// its pictures, and the READMEs with their figures renewed. With an error it is
// what could be made: a README needs figures that a run in parts does not have.
func (r *Result) Files(root string) (map[string][]byte, error) {
	files := map[string][]byte{}
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	files[pageFile] = append(page, '\n')
	for _, c := range r.charts() {
		files[imageDir+"/"+c.File()] = c.Figure.SVG()
	}
	var errs []error
	for name, heading := range readmes {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err == nil {
			text, err = r.quote(string(text), heading)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		files[name] = text
	}
	return files, errors.Join(errs...)
}

// Write puts Files into place, and removes pictures that are none of them.
func (r *Result) Write(root string) error {
	files, err := r.Files(root)
	errs := []error{err}
	for name, text := range files {
		errs = append(errs, os.WriteFile(filepath.Join(root, name), text, 0o644)) //nolint:gosec // pages for everybody to read
	}
	stale, err := strangers(root, files)
	for _, path := range stale {
		errs = append(errs, os.Remove(path))
	}
	return errors.Join(append(errs, err)...)
}

// strangers are pictures of the benchmark that do not belong to files.
func strangers(root string, files map[string][]byte) (list []string, err error) {
	all, err := filepath.Glob(filepath.Join(root, imageDir, "bench-*.svg"))
	for _, path := range all {
		if _, ok := files[imageDir+"/"+filepath.Base(path)]; !ok {
			list = append(list, path)
		}
	}
	return list, err
}

// quoted are the figures of a README, in the order of its rows.
var quoted = []func(f *Figures) (string, bool){
	func(f *Figures) (string, bool) {
		if f.Memory == nil {
			return "", false
		}
		return cell(f.Memory.PerClient()/1024, true, "KB"), true
	},
	func(f *Figures) (string, bool) {
		if f.Storm == nil {
			return "", false
		}
		return cell(f.Storm.CPU, true, "µs"), true
	},
	func(f *Figures) (string, bool) {
		if f.Single == nil {
			return "", false
		}
		return cell(f.Single.CPU, true, "µs"), true
	},
	func(f *Figures) (string, bool) {
		if f.Burst == nil {
			return "", false
		}
		return cell(f.Burst.CPU, true, "µs"), true
	},
	func(f *Figures) (string, bool) {
		if f.Rate == nil {
			return "", false
		}
		return cell(f.Rate.Latency.P99, true, "ms"), true
	},
}

var errQuote = errors.New("its figures cannot be renewed")

// quote renews the last two cells of the rows of the table below a heading:
// those of lightpush and of socket.io.
func (r *Result) quote(text, heading string) ([]byte, error) {
	before, rest, ok := strings.Cut(text, heading+"\n")
	if !ok {
		return nil, fmt.Errorf("%w: no %q", errQuote, heading)
	}
	lines := strings.Split(rest, "\n")
	row := -2 // head and rule
	for i, line := range lines {
		if !strings.HasPrefix(line, "|") {
			if row > 0 {
				break
			}
			continue
		}
		if row++; row <= 0 {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if row > len(quoted) || len(cells) != 3 {
			return nil, fmt.Errorf("%w: its table has other rows than the benchmark", errQuote)
		}
		for j, target := range []string{Lightpush, Node} {
			f := r.Of(target)
			if f == nil {
				return nil, fmt.Errorf("%w: %s was not measured", errQuote, target)
			}
			figure, ok := quoted[row-1](f)
			if !ok {
				return nil, fmt.Errorf("%w: figure %d of %s was not measured", errQuote, row, target)
			}
			cells[j+1] = " " + figure + " "
		}
		lines[i] = "|" + strings.Join(cells, "|") + "|"
	}
	if row != len(quoted) {
		return nil, fmt.Errorf("%w: its table has %d rows, not %d", errQuote, max(row, 0), len(quoted))
	}
	return []byte(before + heading + "\n" + strings.Join(lines, "\n")), nil
}
