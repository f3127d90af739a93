// Package browserclient serves the Socket.IO client for browsers beside the
// engine, so that a page needs no other host: socket.io.js is the client of
// generation 2, as light-push had it and its console loads it
// (light-push-wire.md 2.1), socket.io.v4.js the one of generation 4, also under
// socket.io.min.js, the name servers of its generation give it. The files in
// dist are the published builds, unchanged; test/scripts/browserclient.sh
// fetches them.
//
// It imports nothing of the project and owns no goroutine.
package browserclient

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

//go:embed dist
var dist embed.FS

// Versions of the two clients.
var (
	Version2 = version("v2")
	Version4 = version("v4")
)

func version(generation string) string {
	for line := range strings.Lines(read("VERSIONS")) {
		if v, ok := strings.CutPrefix(line, generation+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	panic("dist/VERSIONS lacks " + generation) // cannot happen in a build that was tested
}

func read(name string) string {
	data, err := dist.ReadFile("dist/" + name)
	if err != nil {
		panic(err) // a file of this package is missing: cannot happen in a build
	}
	return string(data)
}

const (
	typeScript = "application/javascript"
	typeMap    = "application/json"
)

// file is one file in both forms it is sent in; each is made when it is first
// asked for.
type file struct {
	contentType string
	etag        string // without quotes
	plain       func() []byte
	zipped      func() []byte
}

// files by name; nothing else is taken from the engine.
var files = map[string]*file{
	"socket.io.js":         script("socket.io.js", Version2),
	"socket.io.js.map":     sourceMap("socket.io.js.map.gz", Version2),
	"socket.io.v4.js":      script("socket.io.min.js", Version4),
	"socket.io.min.js":     script("socket.io.min.js", Version4),
	"socket.io.min.js.map": sourceMap("socket.io.min.js.map.gz", Version4),
}

func script(name, version string) *file {
	plain := []byte(read(name))
	return &file{
		contentType: typeScript, etag: version,
		plain:  func() []byte { return plain },
		zipped: sync.OnceValue(func() []byte { return zip(plain) }),
	}
}

func sourceMap(name, version string) *file {
	zipped := []byte(read(name))
	return &file{
		contentType: typeMap, etag: version,
		plain:  sync.OnceValue(func() []byte { return unzip(zipped) }),
		zipped: func() []byte { return zipped },
	}
}

func zip(plain []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = w.Write(plain)                                 // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

func unzip(zipped []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		panic(err) // a test reads every file
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return plain
}

// Before returns a handler that serves the files below prefix, such as
// "/socket.io", and passes everything else to next.
func Before(prefix string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, below := strings.CutPrefix(r.URL.Path, prefix+"/")
		f := files[name]
		if !below || f == nil || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
			next.ServeHTTP(w, r)
			return
		}
		f.serve(w, r)
	})
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("From", "light-push")
	h.Set("Access-Control-Allow-Origin", "*") // pages may check its integrity
	h.Set("Cache-Control", "public, max-age=0")
	h.Set("Vary", "Accept-Encoding")
	h.Set("X-Content-Type-Options", "nosniff")
	etag, zipped := `"`+f.etag+`"`, acceptsGzip(r.Header.Values("Accept-Encoding"))
	if zipped {
		etag = `"` + f.etag + `-gzip"`
	}
	h.Set("ETag", etag)
	if f.known(r.Header.Values("If-None-Match")) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if zipped {
		body = f.zipped
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body())))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body()) // the page has gone: nobody to tell
	}
}

// known reports whether the page has this version, in either form.
func (f *file) known(conditions []string) bool {
	for _, list := range conditions {
		for tag := range strings.SplitSeq(list, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == "*" || tag == `"`+f.etag+`"` || tag == `"`+f.etag+`-gzip"` {
				return true
			}
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding: gzip or * that is not excluded by q=0.
func acceptsGzip(headers []string) bool {
	accepted := map[string]bool{}
	for _, header := range headers {
		for item := range strings.SplitSeq(header, ",") {
			coding, parameters, _ := strings.Cut(item, ";")
			q := 1.0
			if text, ok := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(parameters), " ", ""), "q="); ok {
				q, _ = strconv.ParseFloat(text, 64) // malformed: not accepted
			}
			accepted[strings.ToLower(strings.TrimSpace(coding))] = q > 0
		}
	}
	if gzip, named := accepted["gzip"]; named {
		return gzip
	}
	return accepted["*"]
}
