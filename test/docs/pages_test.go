package docs

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// page is one Markdown file, its path relative to the repository.
type page struct {
	path string
	text string
}

// block is the content of one fence, with the line it begins at.
type block struct {
	language string
	text     string
	line     int
}

// pages reads every Markdown file that can be committed.
func pages(t *testing.T) []page {
	t.Helper()
	var found []page
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch entry.Name() {
			case ".git", "node_modules", "lightpush-data", "dist", "data":
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(file) != ".md" {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		found = append(found, page{filepath.ToSlash(name), string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 {
		t.Fatalf("only %d pages: is this the repository?", len(found))
	}
	return found
}

// split separates the prose of a page from its fences. Lines of fences are empty in the prose, so that line numbers stay.
func (p page) split() (prose string, blocks []block) {
	var out strings.Builder
	var open *block
	var fence, indent string
	for i, line := range strings.Split(p.text, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case open == nil && strings.HasPrefix(trimmed, "```"):
			indent = line[:len(line)-len(trimmed)]
			fence = trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "`"))]
			open = &block{language: strings.TrimSpace(strings.TrimLeft(trimmed, "`")), line: i + 2}
		case open != nil && strings.TrimSpace(line) == fence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += strings.TrimPrefix(line, indent) + "\n"
		default:
			out.WriteString(line)
		}
		out.WriteByte('\n')
	}
	return out.String(), blocks
}

func (p page) lineOf(at int) int { return 1 + strings.Count(p.text[:at], "\n") }

var (
	heading   = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *#*$`)
	anchorTag = regexp.MustCompile(`<a (?:id|name)="([^"]+)">`)
	// what a slug drops: everything but letters, digits, hyphens, underscores and spaces
	dropped = regexp.MustCompile(`[^\p{L}\p{N}\p{M} _-]`)
	mdLink  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// anchors are the fragments that lead somewhere in a page, as code hosts make them from headings.
func (p page) anchors() map[string]bool {
	prose, _ := p.split()
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(prose, -1) {
		text := anchorTag.ReplaceAllString(m[1], "")
		text = strings.ReplaceAll(mdLink.ReplaceAllString(text, "$1"), "</a>", "")
		slug := strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(text), ""), " ", "-")
		for n, base := 1, slug; found[slug]; n++ {
			slug = base + "-" + string(rune('0'+n))
		}
		found[slug] = true
	}
	for _, m := range anchorTag.FindAllStringSubmatch(prose, -1) {
		found[m[1]] = true
	}
	return found
}

func TestSplit(t *testing.T) {
	p := page{"a.md", "# One `two` [three](x.md)!\n```sh run\nls\n```\n- item\n\n  ```\n  in\n    deeper\n  ```\n## One two three\n## 中文 标题\n"}
	prose, blocks := p.split()
	if len(blocks) != 2 || blocks[0] != (block{"sh run", "ls\n", 3}) || blocks[1].text != "in\n  deeper\n" {
		t.Errorf("blocks %+v", blocks)
	}
	if strings.Count(prose, "\n") != bytes.Count([]byte(p.text), []byte("\n"))+1 || strings.Contains(prose, "ls") {
		t.Errorf("prose %q", prose)
	}
	got := p.anchors()
	for _, want := range []string{"one-two-three", "one-two-three-1", "中文-标题"} {
		if !got[want] {
			t.Errorf("no anchor %q in %v", want, got)
		}
	}
}
