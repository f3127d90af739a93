package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/config"
)

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// productGo joins the Go files of the product below the given folders.
func productGo(t *testing.T, folders ...string) string {
	t.Helper()
	return goFiles(t, false, folders...)
}

// goFiles joins Go files, those of tests too when asked to.
func goFiles(t *testing.T, tests bool, folders ...string) string {
	t.Helper()
	var out strings.Builder
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(file string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, ".go") || (!tests && strings.HasSuffix(file, "_test.go")) {
				return err
			}
			text, err := os.ReadFile(file)
			out.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

var (
	variable   = regexp.MustCompile(`\bLIGHTPUSH_[A-Z0-9_]+\b`)
	metric     = regexp.MustCompile(`\blightpush_[a-z][a-z_]*[a-z]\b`)
	madeName   = regexp.MustCompile(`(?:s\.(?:counter|counters|histogram|histograms)|\.(?:Gauges?|Counter|Info))\("([a-z_]+)"`)
	madeDesc   = regexp.MustCompile(`prefix *\+ *"([a-z_]+)"`)
	figureName = regexp.MustCompile(`^(?:lightpush|go|process)_`) // TestMetrics, and TestFigures of cmd/lightpush, look at these
	snake      = regexp.MustCompile("`([a-z]+(?:_[a-z]+)+)(?:: [^`]*)?`")
	route      = regexp.MustCompile(`/api/(?:auth|admin)(?:/[a-z0-9-]+)+`)
	number     = regexp.MustCompile(`/[0-9]+(/|$)`)
	identifier = regexp.MustCompile(`[A-Za-z][A-Za-z0-9_]*`)
)

// TestVariables: every LIGHTPUSH_ variable a page names is one the program reads.
func TestVariables(t *testing.T) {
	known := map[string]bool{}
	for _, key := range config.Keys() {
		name := "LIGHTPUSH_" + strings.ToUpper(key.Name)
		known[name], known[name+"_FILE"] = true, true
	}
	others := goFiles(t, true, "cmd", "internal", "connector", "logic", "test") + read(t, "docker-compose.yml")
	for _, p := range pages(t) {
		for _, m := range variable.FindAllStringIndex(p.text, -1) {
			name := p.text[m[0]:m[1]]
			if strings.HasSuffix(name, "_") || known[name] || strings.Contains(others, `"`+name+`"`) {
				continue
			}
			t.Errorf("%s:%d: nothing reads %s", p.path, p.lineOf(m[0]), name)
		}
	}
}

// metricNames are those the program can serve, without the suffixes of histograms.
func metricNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	for _, m := range madeName.FindAllStringSubmatch(productGo(t, "cmd", "internal", "connector", "logic"), -1) {
		names["lightpush_"+m[1]] = true
	}
	for _, m := range madeDesc.FindAllStringSubmatch(productGo(t, "internal/metrics"), -1) {
		names["lightpush_"+m[1]] = true
	}
	if len(names) < 20 || !names["lightpush_queue_jobs"] || !names["lightpush_sessions"] {
		t.Fatalf("these are not the metrics: %v", names)
	}
	return names
}

// TestMetrics: every metric a page names is served.
func TestMetrics(t *testing.T) {
	names := metricNames(t)
	code := productGo(t, "cmd", "internal", "connector", "logic")
	for _, p := range pages(t) {
		for _, m := range metric.FindAllStringIndex(p.text, -1) {
			name := p.text[m[0]:m[1]]
			base := name
			for _, suffix := range []string{"_sum", "_count", "_bucket"} {
				base = strings.TrimSuffix(base, suffix)
			}
			if names[name] || names[base] || isUpstream(p.text, m[0]) || strings.Contains(code, `"`+name+`"`) { // a cookie, say
				continue
			}
			t.Errorf("%s:%d: there is no metric %s", p.path, p.lineOf(m[0]), name)
		}
	}
}

// isUpstream reports whether the word at that place belongs to an nginx configuration, whose names begin alike.
func isUpstream(text string, at int) bool {
	begin := strings.LastIndexByte(text[:at], '\n') + 1
	end := len(text)
	if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
		end = at + n
	}
	line := text[begin:end]
	return strings.Contains(line, "upstream") || strings.Contains(line, "proxy_") || strings.Contains(line, "nginx") || strings.Contains(line, "map $")
}

// TestWords: every word_with_underscores that a page shows as code is a word of the configuration, of the API, of a wire
// format or of the code.
func TestWords(t *testing.T) {
	known := map[string]bool{}
	for _, key := range config.Keys() {
		known[key.Name] = true
	}
	sources := productGo(t, "cmd", "internal", "connector", "logic", "test") + read(t, "doc/openapi.yaml") + read(t, "config.yaml") +
		read(t, "docker-compose.yml") + read(t, ".golangci.yml")
	for _, word := range identifier.FindAllString(sources, -1) {
		known[word] = true
	}
	nginx, err := filepath.Glob(filepath.Join(root, "doc/nginx/*.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range nginx {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range identifier.FindAllString(string(text), -1) {
			known[word] = true
		}
	}
	for _, word := range foreign {
		known[word] = true
	}
	for _, p := range pages(t) {
		if strings.HasPrefix(p.path, "sdk-examples/") || p.path == "CHANGELOG.md" { // words of other languages; words that are gone
			continue
		}
		for _, m := range snake.FindAllStringSubmatchIndex(p.text, -1) {
			if word := p.text[m[2]:m[3]]; !known[word] && !figureName.MatchString(word) {
				t.Errorf("%s:%d: %s is no key, field or name of the code", p.path, p.lineOf(m[0]), word)
			}
		}
	}
}

// foreign are words of other systems that pages talk about.
var foreign = []string{
	"callback_secret", "user_id", "key_id", "connection_state_recovery", "proxy_read_timeout", "worker_connections", "worker_rlimit_nofile",
	"client_max_body_size", "net_admin", "history_size", "history_ttl", "allow_subscribe_for_client", "perf_hooks",
	"proxy_bind", "b_c",
}

// TestRoutes: every route of the REST API a page names is described.
func TestRoutes(t *testing.T) {
	described := read(t, "doc/openapi.yaml")
	for _, p := range pages(t) {
		for _, m := range route.FindAllStringIndex(p.text, -1) {
			if m[0] > 0 && regexp.MustCompile(`[\w.]`).MatchString(p.text[m[0]-1:m[0]]) && strings.HasSuffix(p.text[:m[0]], "logic") {
				continue // a package: logic/api
			}
			path := p.text[m[0]:m[1]]
			pattern := regexp.MustCompile(`\n  ` + number.ReplaceAllString(path, `/{[a-z]+}$1`) + `(/{[a-z]+}(/[a-z-]+)?)?:`)
			if !pattern.MatchString(described) {
				t.Errorf("%s:%d: %s is not in openapi.yaml", p.path, p.lineOf(m[0]), path)
			}
		}
	}
}
