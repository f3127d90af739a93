package docs

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link     = regexp.MustCompile(`\]\(([^()\s]+(?:\([^()\s]*\))?)(?: "[^"]*")?\)`)
	htmlLink = regexp.MustCompile(`(?:href|src|srcset)="([^"]+)"`)
	codeSpan = regexp.MustCompile("`+[^`\n]+`+")
)

// links are the targets a page points at, outside of code.
func (p page) links() []string {
	prose, _ := p.split()
	prose = codeSpan.ReplaceAllStringFunc(prose, func(code string) string {
		if strings.Contains(code, "](") {
			return ""
		}
		return code
	})
	var found []string
	for _, expr := range []*regexp.Regexp{link, htmlLink} {
		for _, m := range expr.FindAllStringSubmatch(prose, -1) {
			found = append(found, m[1])
		}
	}
	return found
}

// TestLinks follows every link inside the repository, to the file and to the heading.
func TestLinks(t *testing.T) {
	all := pages(t)
	byPath := map[string]page{}
	for _, p := range all {
		byPath[p.path] = p
	}
	for _, p := range all {
		for _, target := range p.links() {
			u, err := url.Parse(target)
			if err != nil {
				t.Errorf("%s: %s: %v", p.path, target, err)
				continue
			}
			if u.Scheme != "" {
				if u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "mailto" {
					t.Errorf("%s: %s is no address", p.path, target)
				}
				continue
			}
			file := p.path
			if u.Path != "" {
				file = path.Join(path.Dir(p.path), u.Path)
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s: %s leads nowhere", p.path, target)
				continue
			}
			if other, ok := byPath[file]; ok && u.Fragment != "" && !other.anchors()[strings.ToLower(u.Fragment)] {
				t.Errorf("%s: %s: no such heading", p.path, target)
			}
		}
	}
}

// TestEveryPageIsReachable: a page nobody links to is not found.
func TestEveryPageIsReachable(t *testing.T) {
	all := pages(t)
	linked := map[string]bool{"README.md": true, "CONTRIBUTING.md": true, "CHANGELOG.md": true}
	for _, p := range all {
		for _, target := range p.links() {
			if u, err := url.Parse(target); err == nil && u.Scheme == "" && u.Path != "" {
				file := path.Join(path.Dir(p.path), u.Path)
				linked[file] = true
				linked[path.Join(file, "README.md")] = true
			}
		}
	}
	for _, p := range all {
		if strings.HasPrefix(p.path, "doc/") && !linked[p.path] {
			t.Errorf("no page links to %s", p.path)
		}
	}
}
