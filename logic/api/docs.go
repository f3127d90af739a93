package api

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"

	"github.com/lightpush/lightpush/doc"
)

// DocsPath is where the documentation is read; below externalPrefix too.
const DocsPath = "/docs"

//go:embed docs/*
var docsFiles embed.FS

// docsPolicy lets the pages load their style sheet from this host and nothing
// else: no script, no frame, no form.
const docsPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Docs serves doc/openapi.yaml and doc/events.md as pages for people. All of
// it is made once, so that a request costs nothing.
type Docs struct{ pages map[string]docsPage }

type docsPage struct {
	contentType string
	body        []byte
	etag        string
}

// NewDocs renders the documents of this build.
func NewDocs() (*Docs, error) {
	d, err := newDocs(doc.OpenAPI, doc.Events)
	if err != nil {
		return nil, fmt.Errorf("documentation: %w", err)
	}
	return d, nil
}

func newDocs(openapi, events []byte) (*Docs, error) {
	reference, err := readReference(openapi)
	if err != nil {
		return nil, err
	}
	style, err := docsFiles.ReadFile("docs/style.css")
	if err != nil {
		return nil, err
	}
	templates, err := template.New("").Funcs(template.FuncMap{"markdown": markdown, "lower": strings.ToLower}).ParseFS(docsFiles, "docs/*.html")
	if err != nil {
		return nil, err
	}
	d := &Docs{pages: map[string]docsPage{}}
	d.add("style.css", "text/css; charset=utf-8", style)
	d.add("openapi.yaml", "application/yaml; charset=utf-8", openapi)
	for name, page := range map[string]struct {
		template string
		data     any
	}{
		"":       {"reference.html", reference},
		"events": {"events.html", string(events)},
	} {
		var b bytes.Buffer
		if err := templates.ExecuteTemplate(&b, page.template, page.data); err != nil {
			return nil, err
		}
		d.add(name, "text/html; charset=utf-8", b.Bytes())
	}
	return d, nil
}

func (d *Docs) add(name, contentType string, body []byte) {
	sum := sha256.Sum256(body)
	d.pages[name] = docsPage{contentType, body, `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// Serves reports whether a request is for the documentation.
func (d *Docs) Serves(r *http.Request) bool {
	path := withoutPrefix(r.URL.Path)
	return path == DocsPath || strings.HasPrefix(path, DocsPath+"/")
}

// ServeHTTP implements http.Handler.
func (d *Docs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("From", "light-push")
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if withoutPrefix(r.URL.Path) == DocsPath {
		h.Set("Location", "docs/") // relative: whatever a proxy has put in front stays
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	page, ok := d.pages[strings.TrimPrefix(withoutPrefix(r.URL.Path), DocsPath+"/")]
	if !ok || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		http.Error(w, "Not Found", http.StatusNotFound)
		return
	}
	h.Set("ETag", page.etag)
	h.Set("Cache-Control", "no-cache")
	if r.Header.Get("If-None-Match") == page.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", page.contentType)
	h.Set("Content-Length", strconv.Itoa(len(page.body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(page.body) // the reader has gone: nobody to tell
	}
}

// markdown renders a text of the documents. What looks like HTML in it, such
// as <userid>, is shown as it is written.
func markdown(text string) (template.HTML, error) {
	var b bytes.Buffer
	err := docsMarkdown.Convert([]byte(text), &b)
	return template.HTML(b.String()), err //nolint:gosec // goldmark has escaped it, and it comes from this repository
}

var docsMarkdown = goldmark.New(
	goldmark.WithExtensions(extension.Table),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(escapedHTML{}, 1))),
)

// escapedHTML renders HTML of a Markdown text as text.
type escapedHTML struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (escapedHTML) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindRawHTML, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			_, _ = w.Write(util.EscapeHTML(n.(*ast.RawHTML).Segments.Value(source)))
		}
		return ast.WalkSkipChildren, nil
	})
	r.Register(ast.KindHTMLBlock, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		block := n.(*ast.HTMLBlock)
		if entering {
			_, _ = w.Write(util.EscapeHTML(block.Lines().Value(source)))
			if block.HasClosure() {
				_, _ = w.Write(util.EscapeHTML(block.ClosureLine.Value(source)))
			}
		}
		return ast.WalkSkipChildren, nil
	})
}
