package browserclient

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func engine() http.Handler {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	return Before("/socket.io", next)
}

func get(method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://host"+path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	engine().ServeHTTP(w, r)
	return w
}

func TestFiles(t *testing.T) {
	for path, want := range map[string]struct{ version, contentType, holds string }{
		"/socket.io/socket.io.js":         {"2.5.0", "application/javascript", "* Socket.IO v2.5.0"},
		"/socket.io/socket.io.js?x=1":     {"2.5.0", "application/javascript", "sourceMappingURL=socket.io.js.map"},
		"/socket.io/socket.io.js.map":     {"2.5.0", "application/json", `"version":3`},
		"/socket.io/socket.io.v4.js":      {"4.8.4", "application/javascript", "* Socket.IO v4.8.4"},
		"/socket.io/socket.io.min.js":     {"4.8.4", "application/javascript", "sourceMappingURL=socket.io.min.js.map"},
		"/socket.io/socket.io.min.js.map": {"4.8.4", "application/json", `"version":3`},
	} {
		plain := get("GET", path)
		h := plain.Header()
		if plain.Code != 200 || h.Get("Content-Type") != want.contentType || h.Get("ETag") != `"`+want.version+`"` ||
			h.Get("Cache-Control") != "public, max-age=0" || h.Get("Content-Encoding") != "" || h.Get("From") != "light-push" {
			t.Errorf("%s: %d %v", path, plain.Code, h)
		}
		if !strings.Contains(plain.Body.String(), want.holds) {
			t.Errorf("%s lacks %s", path, want.holds)
		}
		if want.contentType == typeMap && !json.Valid(plain.Body.Bytes()) {
			t.Errorf("%s is no JSON", path)
		}
		zipped := get("GET", path, "Accept-Encoding", "br, gzip;q=0.5")
		r, err := gzip.NewReader(zipped.Body)
		if err != nil || zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Header().Get("ETag") != `"`+want.version+`-gzip"` {
			t.Fatalf("%s: %v, %v", path, err, zipped.Header())
		}
		if same, err := io.ReadAll(r); err != nil || !bytes.Equal(same, plain.Body.Bytes()) {
			t.Errorf("%s: the two forms differ (%v)", path, err)
		}
		if head := get("HEAD", path); head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != h.Get("Content-Length") {
			t.Errorf("HEAD %s: %d %v", path, head.Code, head.Header())
		}
		for _, tag := range []string{`"` + want.version + `"`, `W/"` + want.version + `"`, `"x", "` + want.version + `-gzip"`, "*"} {
			if w := get("GET", path, "If-None-Match", tag); w.Code != 304 || w.Body.Len() != 0 || w.Header().Get("ETag") == "" {
				t.Errorf("%s with %s: %d", path, tag, w.Code)
			}
		}
		if w := get("GET", path, "If-None-Match", `"2.3.0"`); w.Code != 200 {
			t.Errorf("%s with an old tag: %d", path, w.Code)
		}
	}
}

// Everything else is the engine's.
func TestNothingElse(t *testing.T) {
	for _, path := range []string{
		"/socket.io/", "/socket.io", "/socket.io/?EIO=4&transport=polling", "/socket.io/socket.io.js/", "/socket.io//socket.io.js",
		"/socket.io/Socket.io.js", "/socket.io/VERSIONS", "/socket.io/socket.io.js.map.gz", "/socket.io/x/socket.io.js", "/socket.iosocket.io.js",
		"/socket.io/..%2fdist", "/other/socket.io.js",
	} {
		if w := get("GET", path); w.Code != http.StatusTeapot {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for _, method := range []string{"POST", "OPTIONS", "PUT", "DELETE"} {
		if w := get(method, "/socket.io/socket.io.js"); w.Code != http.StatusTeapot {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br, gzip": true, "gzip;q=0": false, "gzip; q=0.000": false, "gzip;q=x": false,
		"*": true, "*;q=0": false, "gzip;q=0, *": false, "identity": false, "x-gzip": false,
	} {
		if got := acceptsGzip([]string{header}); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

// What is committed is what was published: test/scripts/browserclient.sh has
// written the sums, and where the clients of the tests are installed they are
// the same.
func TestFilesAreThePublishedOnes(t *testing.T) {
	listed := map[string]bool{"SHA256SUMS": true}
	for line := range strings.Lines(read("SHA256SUMS")) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		listed[name] = true
		if got := sha256.Sum256([]byte(read(name))); hex.EncodeToString(got[:]) != sum {
			t.Errorf("dist/%s has changed", name)
		}
	}
	total := 0
	err := fs.WalkDir(dist, "dist", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, "dist/")
		if !listed[name] {
			t.Errorf("%s is not in SHA256SUMS", path)
		}
		total += len(read(name))
		return nil
	})
	if err != nil || total > 400_000 {
		t.Errorf("%d bytes, %v", total, err)
	}
	for name, published := range map[string]string{
		"socket.io.js": "socket.io-client-v2/dist/socket.io.js", "socket.io.min.js": "socket.io-client-v4/dist/socket.io.min.js",
		"LICENSE-v2": "socket.io-client-v2/LICENSE", "LICENSE-v4": "socket.io-client-v4/LICENSE",
	} {
		text, err := os.ReadFile("../../test/e2e/clients/node_modules/" + published)
		if err != nil {
			t.Logf("not compared: %v", err)
			continue
		}
		if string(text) != read(name) {
			t.Errorf("%s is not %s", name, published)
		}
	}
}
