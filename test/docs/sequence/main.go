// Command sequence draws the diagrams of doc/images from text: go run ./test/docs/sequence doc/images/*.seq writes an .svg
// beside each. A source has one statement per line:
//
//	title TEXT
//	actors NAME | NAME | …
//	FROM -> TO: TEXT        a message; --> is an answer
//	NAME: TEXT              what an actor does by itself
//	section TEXT            a line across
package main

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

const (
	column  = 230 // between two actors
	margin  = 110 // from the border to the first one
	row     = 44
	top     = 96
	charPx  = 6.4 // of a text of 12px, on average
	maxText = 60
)

const style = `text{font:12px system-ui,sans-serif;fill:#1f2937}.l{paint-order:stroke;stroke:#fff;stroke-width:4}.t{font-weight:600;font-size:15px}.a{font-weight:600}` +
	`.box{fill:#eef2ff;stroke:#6366f1}.life{stroke:#cbd5e1;stroke-dasharray:3 4}.m{stroke:#334155;stroke-width:1.4;fill:none}` +
	`.r{stroke-dasharray:5 4}.self{fill:#f8fafc;stroke:#cbd5e1}.sec{fill:#f1f5f9}.bg{fill:#ffffff}` +
	`@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.box{fill:#312e81;stroke:#818cf8}.life{stroke:#475569}.m{stroke:#cbd5e1}` +
	`.self{fill:#1e293b;stroke:#475569}.sec{fill:#1e293b}.bg{fill:#0f172a}.l{stroke:#0f172a}}`

func main() {
	for _, name := range os.Args[1:] {
		if err := draw(name); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

func draw(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	svg, err := Render(string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(strings.TrimSuffix(name, filepath.Ext(name))+".svg", []byte(svg), 0o644)
}

// picture is a diagram on its way to SVG.
type picture struct {
	title  string
	actors []string
	body   strings.Builder
	y      int
}

// Render turns the text of one diagram into SVG.
func Render(source string) (string, error) {
	p := &picture{y: top}
	for i, line := range strings.Split(source, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.statement(line); err != nil {
			return "", fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if len(p.actors) == 0 {
		return "", fmt.Errorf("no actors")
	}
	return p.svg(), nil
}

func (p *picture) statement(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "title":
		p.title = rest
		return nil
	case "actors":
		for _, name := range strings.Split(rest, "|") {
			p.actors = append(p.actors, strings.TrimSpace(name))
		}
		return nil
	case "section":
		p.section(rest)
		return nil
	}
	head, text, ok := strings.Cut(line, ": ")
	if !ok {
		return fmt.Errorf("not understood: %q", line)
	}
	if utf8.RuneCountInString(text) > maxText {
		return fmt.Errorf("more than %d characters: %q", maxText, text)
	}
	arrow := " -> "
	if strings.Contains(head, " --> ") {
		arrow = " --> "
	}
	from, to, isMessage := strings.Cut(head, arrow)
	a, err := p.x(from)
	if err != nil {
		return err
	}
	if !isMessage {
		p.self(a, text)
		return nil
	}
	b, err := p.x(to)
	if err != nil {
		return err
	}
	p.message(a, b, text, arrow == " --> ")
	return nil
}

func (p *picture) x(actor string) (int, error) {
	for i, name := range p.actors {
		if name == strings.TrimSpace(actor) {
			return margin + i*column, nil
		}
	}
	return 0, fmt.Errorf("no actor %q", actor)
}

func (p *picture) width() int { return 2*margin + (len(p.actors)-1)*column }

func (p *picture) section(text string) {
	fmt.Fprintf(&p.body, `<rect class="sec" x="0" y="%d" width="%d" height="24"/><text class="a" x="12" y="%d">%s</text>`+"\n",
		p.y-8, p.width(), p.y+8, html.EscapeString(text))
	p.y += row
}

// at keeps a text of that length around x inside the picture.
func (p *picture) at(x int, text string) int {
	half := int(float64(utf8.RuneCountInString(text))*charPx/2) + 8
	return min(max(x, half), p.width()-half)
}

func (p *picture) self(x int, text string) {
	w := int(float64(utf8.RuneCountInString(text))*charPx) + 16
	x = p.at(x, text)
	fmt.Fprintf(&p.body, `<rect class="self" x="%d" y="%d" width="%d" height="24" rx="4"/><text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n",
		x-w/2, p.y-12, w, x, p.y+4, html.EscapeString(text))
	p.y += row
}

func (p *picture) message(a, b int, text string, answer bool) {
	class, head := "m", 7
	if answer {
		class = "m r"
	}
	if b < a {
		head = -head
	}
	fmt.Fprintf(&p.body, `<text class="l" x="%d" y="%d" text-anchor="middle">%s</text><path class="%s" d="M%d %dH%d"/><path class="m" d="M%d %dL%d %dL%d %d"/>`+"\n",
		p.at((a+b)/2, text), p.y-6, html.EscapeString(text), class, a, p.y, b, b-head, p.y-4, b, p.y, b-head, p.y+4)
	p.y += row
}

func (p *picture) svg() string {
	var out strings.Builder
	w, h := p.width(), p.y+4
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n",
		w, h, w, h, html.EscapeString(p.title))
	fmt.Fprintf(&out, "<style>%s</style>\n<rect class=\"bg\" width=\"%d\" height=\"%d\"/>\n", style, w, h)
	fmt.Fprintf(&out, `<text class="t" x="12" y="24">%s</text>`+"\n", html.EscapeString(p.title))
	for i, name := range p.actors {
		x := margin + i*column
		fmt.Fprintf(&out, `<path class="life" d="M%d 66V%d"/><rect class="box" x="%d" y="38" width="140" height="28" rx="6"/>`+
			`<text class="a" x="%d" y="56" text-anchor="middle">%s</text>`+"\n", x, h, x-70, x, html.EscapeString(name))
	}
	out.WriteString(p.body.String())
	out.WriteString("</svg>\n")
	return out.String()
}
