// Package adminui carries the built console, so that Go alone builds the
// product. Its sources are in web, the built files in dist; dist is committed
// and a test compares its note of the sources with the sources.
package adminui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
)

//go:embed dist
var dist embed.FS

// Prefix is where the console lives.
const Prefix = "/push-admin/"

// packed is the ending of files that are kept compressed.
const packed = ".gz"

// file is one built file as it is sent.
type file struct {
	contentType string
	plain       []byte
	gzipped     []byte // nil: sent plain only
	etag        string
	immutable   bool // its name changes with its content
}

// Handler serves the console below Prefix. Only GET and HEAD are answered;
// nothing outside of the built files can be reached.
//
// The page needs no fallback for deep links: its routes are in the fragment.
func Handler() http.Handler {
	files, err := load(dist)
	if err != nil {
		panic(err) // dist is embedded; what it holds is fixed at build time
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy(r.Host))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		name, ok := strings.CutPrefix(r.URL.Path, Prefix)
		if name == "" {
			name = "index.html"
		}
		f, found := files[name]
		if !ok || !found {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r)
	})
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Etag", f.etag)
	if f.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache") // asked for again, answered 304 as long as it is the same
	}
	if strings.Contains(r.Header.Get("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if f.gzipped != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = f.gzipped
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
}

// load unpacks the embedded files once, for clients that take no gzip.
func load(built fs.FS) (map[string]*file, error) {
	files := map[string]*file{}
	err := fs.WalkDir(built, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "SOURCES" {
			return err
		}
		body, err := fs.ReadFile(built, name)
		if err != nil {
			return err
		}
		short := strings.TrimPrefix(name, "dist/")
		f := &file{plain: body, immutable: strings.HasPrefix(short, "assets/")}
		if plain, ok := strings.CutSuffix(short, packed); ok {
			short = plain
			f.gzipped = body
			if f.plain, err = unpack(body); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		f.contentType = mime.TypeByExtension(path.Ext(short))
		sum := sha256.Sum256(f.plain)
		f.etag = `"` + hex.EncodeToString(sum[:12]) + `"`
		files[short] = f
		return nil
	})
	return files, err
}

func unpack(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// acceptsGzip reads Accept-Encoding; "gzip;q=0" refuses it.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "*" {
			continue
		}
		q, ok := strings.CutPrefix(strings.TrimSpace(weight), "q=")
		value, err := strconv.ParseFloat(q, 64)
		return !ok || err != nil || value > 0
	}
	return false
}

var hostName = regexp.MustCompile(`^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])$`)

// policy is the Content-Security-Policy: everything from this origin, no
// inline script, no inline style, no eval. Simulated clients may also connect
// to other ports of the same host, where the connector is when no proxy joins
// the two.
func policy(host string) string {
	connect := "'self'"
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
		if strings.Contains(h, ":") {
			name = "[" + h + "]"
		}
	}
	if hostName.MatchString(name) {
		connect += fmt.Sprintf(" ws://%[1]s:* wss://%[1]s:* http://%[1]s:* https://%[1]s:*", name)
	}
	// data: is for the small pictures in the style sheet.
	return "default-src 'self'; img-src 'self' data:; connect-src " + connect +
		"; object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
}
