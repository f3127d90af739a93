package api

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/doc"
)

func newTestDocs(t *testing.T) *Docs {
	t.Helper()
	d, err := NewDocs()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *Docs) get(method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://host"+path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

// Every route, every field of its body and every code of the document is on
// the page.
func TestDocsShowEverything(t *testing.T) {
	page := newTestDocs(t).get("GET", "/docs/").Body.String()
	for _, r := range routes {
		path := strings.NewReplacer(":id", "{id}", ":key", "{key}").Replace(r.path)
		if !strings.Contains(page, `<code>`+path+`</code>`) {
			t.Errorf("the page lacks %s", path)
		}
		operation := operationOf(document.Paths.Value(path), r.method)
		if operation == nil {
			continue // another test's business
		}
		if !strings.Contains(page, `<article id="`+operation.OperationID+`">`) {
			t.Errorf("the page lacks %s", operation.OperationID)
		}
		if operation.RequestBody == nil {
			continue
		}
		for name := range operation.RequestBody.Value.Content["application/json"].Schema.Value.Properties {
			if !strings.Contains(page, `<code>`+name+`</code>`) {
				t.Errorf("the page lacks the field %s of %s", name, path)
			}
		}
	}
	for _, f := range Failures {
		if !regexp.MustCompile(`<td>` + itoa(f.Code) + `</td>\s*<td>` + itoa(f.Status) + `</td>\s*<td>` + regexp.QuoteMeta(f.Msg) + `</td>`).MatchString(page) {
			t.Errorf("the page lacks the row of %d", f.Code)
		}
	}
	for _, text := range []string{
		`curl -u /demo:$PASSWORD -H &#39;Content-Type: application/json&#39; -d &#39;{&#34;room&#34;:&#34;user_ann&#34;`,
		`curl -u admin:$PASSWORD $API/api/admin/namespace/list`, `curl $API/health`, `Credential of the administrator`, "<em>required</em>",
	} {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %s", text)
		}
	}
	for _, bad := range []string{"<script", "raw HTML omitted", "<no value>", "ZgotmplZ", `href="//`, `href="http`, "src="} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

func TestDocsOfEvents(t *testing.T) {
	page := newTestDocs(t).get("GET", "/docs/events").Body.String()
	for _, text := range []string{`<h2 id="connecting">Connecting</h2>`, "<table>", "joinRoom", `href="openapi.yaml"`} {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %s", text)
		}
	}
	if strings.Contains(page, "raw HTML omitted") || strings.Contains(page, "<script") {
		t.Error("the page has HTML of the document")
	}
	// Links within the page lead somewhere.
	for _, link := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `id="`+link[1]+`"`) {
			t.Errorf("#%s leads nowhere", link[1])
		}
	}
}

func TestDocsAnswers(t *testing.T) {
	d := newTestDocs(t)
	for path, want := range map[string]struct {
		status      int
		contentType string
	}{
		"/docs/":               {200, "text/html; charset=utf-8"},
		"/push-logic/docs/":    {200, "text/html; charset=utf-8"},
		"/docs/events":         {200, "text/html; charset=utf-8"},
		"/docs/style.css":      {200, "text/css; charset=utf-8"},
		"/docs/openapi.yaml":   {200, "application/yaml; charset=utf-8"},
		"/docs/nothing":        {404, "text/plain; charset=utf-8"},
		"/docs/../errors.go":   {404, "text/plain; charset=utf-8"},
		"/docs/reference.html": {404, "text/plain; charset=utf-8"},
	} {
		w := d.get("GET", path)
		h := w.Header()
		if w.Code != want.status || h.Get("Content-Type") != want.contentType || h.Get("Content-Security-Policy") != docsPolicy ||
			h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, w.Code, h)
		}
		if want.status != 200 {
			continue
		}
		if again := d.get("GET", path, "If-None-Match", h.Get("ETag")); again.Code != 304 || again.Body.Len() != 0 {
			t.Errorf("%s again: %d", path, again.Code)
		}
		if head := d.get("HEAD", path); head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != itoa(w.Body.Len()) {
			t.Errorf("HEAD %s: %d %v", path, head.Code, head.Header())
		}
		if post := d.get("POST", path); post.Code != 404 {
			t.Errorf("POST %s: %d", path, post.Code)
		}
	}
	if w := d.get("GET", "/docs/openapi.yaml"); !bytes.Equal(w.Body.Bytes(), doc.OpenAPI) {
		t.Error("openapi.yaml is not the file")
	}
	for _, path := range []string{"/docs", "/push-logic/docs"} {
		if w := d.get("GET", path); w.Code != 301 || w.Header().Get("Location") != "docs/" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	for path, want := range map[string]bool{
		"/docs": true, "/docs/": true, "/docs/x": true, "/push-logic/docs/": true, "/docsx": false, "/api/docs": false, "/": false,
	} {
		r, err := http.NewRequest("GET", "http://host"+path, nil)
		if err != nil || d.Serves(r) != want {
			t.Errorf("serves %s: %v, %v", path, !want, err)
		}
	}
}

// Texts of the documents are data: what looks like HTML is shown, not run.
func TestDocsEscape(t *testing.T) {
	const openapi = `
info: { title: '<script>alert(1)</script>', description: "<script>alert(2)</script>\n\n[x](javascript:alert(3)) **bold**" }
tags: [{ name: t }]
paths:
  /x<y>:
    post:
      tags: [t]
      operationId: 'a"b'
      summary: <img src=x onerror=alert(4)>
      requestBody: { content: { application/json: { schema: { type: object, properties: { '<i>': { type: string, enum: ['<b>'] } } }, example: { a: '</code>' } } } }
      responses: { '200': { description: '<u>', content: { application/json: { example: { deep: [1, null, true, 'x'] } } } } }
`
	d, err := newDocs([]byte(openapi), []byte("# <script>alert(5)</script>"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/docs/", "/docs/events"} {
		page := d.get("GET", path).Body.String()
		for _, bad := range []string{"<script", "<img", "<i>", "<u>", "javascript:", `id="a"b"`} {
			if strings.Contains(page, bad) {
				t.Errorf("%s has %s", path, bad)
			}
		}
	}
	page := d.get("GET", "/docs/").Body.String()
	for _, text := range []string{"<strong>bold</strong>", "&lt;i&gt;", "{\n  &#34;deep&#34;: [\n    1,\n    null,\n    true,\n    &#34;x&#34;\n  ]\n}"} {
		if !strings.Contains(page, text) {
			t.Errorf("lacks %s", text)
		}
	}
}

func TestDocsRefuseOtherDocuments(t *testing.T) {
	for _, text := range []string{"", "a: [", "paths: { /x: { get: { tags: [unknown] } } }"} {
		if _, err := newDocs([]byte(text), nil); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	// References in a circle end.
	circle := "tags: [{ name: t }]\npaths: { /x: { get: { tags: [t], requestBody: { content: { application/json: { schema: { $ref: '#/a' } } } } } } }\na: { $ref: '#/b' }\nb: { $ref: '#/a' }\n"
	if _, err := newDocs([]byte(circle), nil); err != nil {
		t.Error(err)
	}
	recursive := "tags: [{ name: t }]\npaths: { /x: { get: { tags: [t], requestBody: { content: { application/json: { schema: { $ref: '#/a' } } } } } } }\na: { properties: { a: { $ref: '#/a' } } }\n"
	if _, err := newDocs([]byte(recursive), nil); err != nil {
		t.Error(err)
	}
}
