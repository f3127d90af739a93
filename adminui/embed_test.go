package adminui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func get(t *testing.T, method, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://host:8080"+path, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func TestHandler(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
		holds        string
	}{
		{"GET", "/push-admin/", 200, "lightpush"},
		{"GET", "/push-admin/index.html", 200, "lightpush"},
		{"HEAD", "/push-admin/", 200, ""},
		{"GET", "/push-admin/favicon.svg", 200, "<svg"},
		{"GET", "/push-admin/nothing", 404, ""},
		{"GET", "/push-admin/assets/", 404, ""},
		{"GET", "/push-admin/index.html.gz", 404, ""},
		{"GET", "/push-admin/SOURCES", 404, ""},
		{"GET", "/push-admin/../embed.go", 404, ""},
		{"GET", "/elsewhere", 404, ""},
		{"POST", "/push-admin/", 405, ""},
	} {
		w := get(t, c.method, c.path, nil)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.holds) {
			t.Errorf("%s %s = %d %q", c.method, c.path, w.Code, w.Body)
		}
		if w.Code != http.StatusMethodNotAllowed && w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s %s: no Content-Security-Policy", c.method, c.path)
		}
	}
}

// The page names its files relative to itself, and every one of them is there.
func TestReferences(t *testing.T) {
	page := get(t, "GET", "/push-admin/", nil).Body.String()
	found := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(found) < 3 {
		t.Fatalf("only %d references in %s", len(found), page)
	}
	for _, m := range found {
		name, ok := strings.CutPrefix(m[1], "./")
		if !ok {
			t.Errorf("%s is not relative to the page", m[1])
			continue
		}
		w := get(t, "GET", "/push-admin/"+name, nil)
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s = %d", name, w.Code)
		}
		if !strings.HasPrefix(name, "assets/") {
			continue
		}
		if got := w.Header().Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s: Cache-Control %q", name, got)
		}
	}
	if strings.Contains(page, "<style") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(page) {
		t.Error("the page has inline script or style, which its own policy forbids")
	}
}

func TestCompression(t *testing.T) {
	plain := get(t, "GET", "/push-admin/", nil)
	for _, c := range []struct {
		accept string
		packed bool
	}{
		{"", false}, {"gzip", true}, {"br, gzip;q=0.5", true}, {"*", true}, {"gzip;q=0", false}, {"identity", false}, {"GZIP", true},
	} {
		w := get(t, "GET", "/push-admin/", http.Header{"Accept-Encoding": {c.accept}})
		if packed := w.Header().Get("Content-Encoding") == "gzip"; packed != c.packed {
			t.Errorf("%q: compressed %v", c.accept, packed)
			continue
		}
		body := w.Body.Bytes()
		if c.packed {
			r, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(body, plain.Body.Bytes()) {
			t.Errorf("%q: another body", c.accept)
		}
	}
}

func TestCaching(t *testing.T) {
	w := get(t, "GET", "/push-admin/", nil)
	if got := w.Header().Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control of the page is %q", got)
	}
	again := get(t, "GET", "/push-admin/", http.Header{"If-None-Match": {w.Header().Get("Etag")}})
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("asked again: %d with %d bytes", again.Code, again.Body.Len())
	}
}

func TestPolicy(t *testing.T) {
	for _, c := range []struct{ host, connect string }{
		{"push.example.org", "'self' ws://push.example.org:* wss://push.example.org:* http://push.example.org:* https://push.example.org:*"},
		{"127.0.0.1:21314", "'self' ws://127.0.0.1:* wss://127.0.0.1:* http://127.0.0.1:* https://127.0.0.1:*"},
		{"[::1]:80", "'self' ws://[::1]:* wss://[::1]:* http://[::1]:* https://[::1]:*"},
		{"a b; script-src *", "'self'"},
		{"*", "'self'"},
		{"", "'self'"},
	} {
		got := policy(c.host)
		if !strings.Contains(got, "connect-src "+c.connect+";") {
			t.Errorf("%q: %s", c.host, got)
		}
		if strings.Contains(got, "unsafe") || !strings.HasPrefix(got, "default-src 'self';") {
			t.Errorf("%q: %s", c.host, got)
		}
	}
}

// What a first visit fetches before a chart is shown, compressed, and the whole.
func TestSize(t *testing.T) {
	page := get(t, "GET", "/push-admin/", nil).Body.String()
	first := int64(0)
	for _, m := range regexp.MustCompile(`(?:src|href)="\./(assets/[^"]*)"`).FindAllStringSubmatch(page, -1) {
		info, err := os.Stat(filepath.Join("dist", filepath.FromSlash(m[1])+packed))
		if err != nil {
			t.Fatal(err)
		}
		first += info.Size()
	}
	if first > 400<<10 {
		t.Errorf("the first load is %d bytes", first)
	}
	all := int64(0)
	err := filepath.WalkDir("dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if strings.Contains(name, ".map") {
			t.Errorf("%s does not belong here", name)
		}
		info, err := entry.Info()
		all += info.Size()
		return err
	})
	if err != nil || all > 3<<20 {
		t.Errorf("dist is %d bytes, %v", all, err)
	}
	t.Logf("first load %d KiB, all %d KiB", first>>10, all>>10)
}

// The same as in web/scripts/finish.mjs: name, length and content of every
// source, in the order of their names. Tests do not change what is built.
func sourcesHash(t *testing.T, root string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		base := entry.Name()
		if base == "node_modules" || base == "tests" || strings.HasPrefix(base, ".") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.IsDir() {
			short, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			names = append(names, filepath.ToSlash(short))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	sum := sha256.New()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(sum, "%s\n%d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// dist must be built from the sources beside it: make console.
func TestDistIsFresh(t *testing.T) {
	noted, err := os.ReadFile("dist/SOURCES")
	if err != nil {
		t.Fatal(err)
	}
	if got := sourcesHash(t, "web"); got != strings.TrimSpace(string(noted)) {
		t.Errorf("adminui/dist was not built from adminui/web as it is now: run make console")
	}
}
