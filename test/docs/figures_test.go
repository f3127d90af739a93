package docs

import (
	"regexp"
	"strings"
	"testing"
)

var (
	figure   = regexp.MustCompile(`\d[\d.,]* (?:KB|MB|µs|ms|s)\b`)
	measured = map[string]string{ // page, and the heading its measured figures stand below; the whole page when empty
		"README.md": "### Measured", "README.zh-CN.md": "### 实测数据",
	}
)

// TestFigures: what a page calls measured stands in the page that the benchmark has written.
func TestFigures(t *testing.T) {
	source := read(t, "doc/performance.md")
	for file, head := range measured {
		_, text, ok := strings.Cut(read(t, file), head+"\n")
		if !ok {
			t.Errorf("%s has no section %q", file, head)
			continue
		}
		text, _, _ = strings.Cut(text, "\n## ")
		found := figure.FindAllString(text, -1)
		if len(found) < 8 {
			t.Errorf("%s: only %d figures", file, len(found))
		}
		for _, f := range found {
			if !strings.Contains(source, f) {
				t.Errorf("%s: %s is not in doc/performance.md", file, f)
			}
		}
	}
}
