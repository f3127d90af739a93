package test

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	module       = "github.com/lightpush/lightpush"
	maxFileLines = 500 // of one non-test Go file: beyond it two names say more than one
)

// wire is the part that knows bytes and values and no push-domain word.
var wire = []string{"connector/wsframe", "connector/netpoll", "connector/engineio", "connector/socketio", "connector/relay", "connector/gate", "connector/query"}

// domain is what a push, a room, a device is. It declares the interfaces it needs; internal/store and internal/bus
// implement them.
var domain = []string{
	"internal/push", "internal/namespace", "internal/client", "internal/room", "internal/node", "internal/name", "internal/input",
	"internal/maintenance", "internal/auth", "internal/apikey", "internal/limits", "internal/canary",
}

const (
	gin   = "github.com/gin-gonic/gin"
	redis = "github.com/redis/go-redis"
)

// rule forbids the packages below from to reach, directly or through others of this module, any package below
// forbidden. Paths below the module are relative to it. An import from a package below except is no offence.
type rule struct {
	why       string
	from      []string
	forbidden []string
	except    []string
	direct    bool // only direct imports count
}

var rules = []rule{
	{why: "the wire knows nothing of the product", from: wire,
		forbidden: []string{"internal", "logic", "connector/session", "cmd", "adminui"}},
	{why: "the domain knows neither HTTP framework, nor Redis, nor the wire", from: domain,
		forbidden: append([]string{gin, redis, "internal/store", "internal/bus", "internal/embedded", "connector", "logic"}, wire...)},
	{why: "sessions reach Redis only through the interfaces they declare", from: []string{"connector/session"},
		forbidden: []string{gin, redis}},
	{why: "the two roles meet only in the store and the bus", from: []string{"connector"}, forbidden: []string{"logic"}},
	{why: "the two roles meet only in the store and the bus", from: []string{"logic"}, forbidden: []string{"connector"}},
	{why: "only cmd knows both roles", from: []string{"internal", "adminui"}, forbidden: []string{"connector", "logic", "cmd"}},
	{why: "go-redis stays behind the store and the bus", from: []string{""}, direct: true,
		forbidden: []string{redis}, except: []string{"internal/store", "internal/bus", "internal/embedded", "cmd", "test"}},
	{why: "gin stays in the REST API", from: []string{""}, direct: true,
		forbidden: []string{gin}, except: []string{"logic/api", "cmd"}},
}

// graph maps each package of the module to what its non-test files import; own packages have paths relative to the
// module. Files of every operating system and build tag count.
type graph map[string][]string

// isProductGo reports whether a file is Go code the go command compiles outside of tests.
func isProductGo(file string) bool {
	return strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") && !strings.Contains("/"+file, "/testdata/")
}

// importGraph reads the imports of every non-test Go file in tree.
func importGraph(tree fs.FS) (graph, error) {
	g := graph{}
	fset := token.NewFileSet()
	err := walk(tree, func(file string) error {
		if !isProductGo(file) {
			return nil
		}
		src, err := fs.ReadFile(tree, file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(fset, file, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(file)
		g[pkg] = append(g[pkg], []string{}...)
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imported = strings.TrimPrefix(imported, module+"/")
			if !slices.Contains(g[pkg], imported) {
				g[pkg] = append(g[pkg], imported)
			}
		}
		return nil
	})
	return g, err
}

// violations lists every breach of the rules, each with the chain of imports that shows it.
func violations(g graph, rules []rule) []string {
	var found []string
	for _, r := range rules {
		for pkg := range g {
			if !below(pkg, r.from) || below(pkg, r.except) {
				continue
			}
			for _, chain := range g.forbiddenChains(pkg, r) {
				found = append(found, fmt.Sprintf("%s: %s", strings.Join(chain, " → "), r.why))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// forbiddenChains walks breadth-first from pkg and returns the shortest chain to each forbidden package.
func (g graph) forbiddenChains(pkg string, r rule) [][]string {
	var chains [][]string
	seen := map[string]bool{pkg: true}
	for queue := [][]string{{pkg}}; len(queue) > 0; queue = queue[1:] {
		chain := queue[0]
		for _, imported := range g[chain[len(chain)-1]] {
			if seen[imported] {
				continue
			}
			seen[imported] = true
			next := append(slices.Clone(chain), imported)
			if below(imported, r.forbidden) {
				chains = append(chains, next)
			} else if !r.direct {
				queue = append(queue, next)
			}
		}
	}
	return chains
}

// below reports whether pkg is one of roots or lies under one; "" is the root of everything in the module.
func below(pkg string, roots []string) bool {
	for _, root := range roots {
		if root == "" || pkg == root || strings.HasPrefix(pkg, root+"/") {
			return true
		}
	}
	return false
}

// walk calls visit for every file that could be committed.
func walk(tree fs.FS, visit func(file string) error) error {
	return fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch entry.Name() {
			case ".git", "node_modules", "lightpush-data":
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() || entry.Name() == ".git" { // a file in a linked working tree
			return nil
		}
		return visit(name)
	})
}

func TestImportGraph(t *testing.T) {
	g, err := importGraph(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	if len(g) < 5 {
		t.Fatalf("only %d packages found: is this the repository?", len(g))
	}
	for _, v := range violations(g, rules) {
		t.Error(v)
	}
}

// The checker finds what it is there to find: direct, through another package, behind a build tag; and nothing else.
func TestImportGraphCheckerFindsOffences(t *testing.T) {
	goFile := func(head string, imports ...string) *fstest.MapFile {
		var src strings.Builder
		src.WriteString(head + "package p\n")
		for _, i := range imports {
			fmt.Fprintf(&src, "import _ %q\n", i)
		}
		return &fstest.MapFile{Data: []byte(src.String())}
	}
	tree := fstest.MapFS{
		"connector/socketio/a.go":         goFile("", "fmt", module+"/connector/engineio"),
		"connector/engineio/a.go":         goFile("", module+"/internal/push"),
		"connector/wsframe/a_test.go":     goFile("", module+"/internal/push"), // tests are free
		"connector/wsframe/a.go":          goFile("", "io"),
		"connector/session/a.go":          goFile("", module+"/connector/socketio", module+"/internal/push"),
		"internal/push/a.go":              goFile("", "time"),
		"internal/push/a_plan9.go":        goFile("", redis+"/v9"),
		"internal/namespace/a.go":         goFile("//go:build never\n\n", module+"/internal/helper"),
		"internal/helper/a.go":            goFile("", gin),
		"internal/store/a.go":             goFile("", redis+"/v9/maintnotifications"),
		"internal/room/a.go":              goFile("", module+"/internal/roommate"),
		"internal/roommate/a.go":          goFile("", "errors"),
		"logic/api/a.go":                  goFile("", gin, module+"/connector/session"),
		"cmd/lightpush/a.go":              goFile("", gin, module+"/logic/api", module+"/connector/session"),
		"node_modules/x/a.go":             goFile("", gin),
		"connector/wsframe/testdata/a.go": goFile("", gin),
	}
	g, err := importGraph(tree)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"connector/engineio → internal/push: the wire knows nothing of the product",
		"connector/socketio → connector/engineio → internal/push: the wire knows nothing of the product",
		"internal/helper → github.com/gin-gonic/gin: gin stays in the REST API",
		"internal/namespace → internal/helper → github.com/gin-gonic/gin: the domain knows neither HTTP framework, nor Redis, nor the wire",
		"internal/push → github.com/redis/go-redis/v9: go-redis stays behind the store and the bus",
		"internal/push → github.com/redis/go-redis/v9: the domain knows neither HTTP framework, nor Redis, nor the wire",
		"logic/api → connector/session: the two roles meet only in the store and the bus",
	}
	// Through its import of internal/push, the session reaches what the fixture's push must not import.
	want = append(want,
		"connector/session → internal/push → github.com/redis/go-redis/v9: sessions reach Redis only through the interfaces they declare")
	slices.Sort(want)
	if got := violations(g, rules); !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// longFiles lists non-test Go files with more lines than allowed.
func longFiles(tree fs.FS) ([]string, error) {
	var found []string
	err := walk(tree, func(file string) error {
		if !isProductGo(file) {
			return nil
		}
		src, err := fs.ReadFile(tree, file)
		if n := bytes.Count(src, []byte("\n")); n > maxFileLines {
			found = append(found, fmt.Sprintf("%s has %d lines, more than %d", file, n, maxFileLines))
		}
		return err
	})
	return found, err
}

// machinePath matches absolute paths that only exist on somebody's machine. The parts are joined here so that this
// file does not match itself.
var machinePath = regexp.MustCompile(`(?m)(?:^|[^\w./~%*}-])/(?:` +
	strings.Join([]string{"work", "root", `home/[\w.-]+`, `Users/[\w.-]+`, `tmp/bash_` + `jobs`}, "|") + `)/[\w.-]+`)

// machinePaths lists text files that name a path of the machine they were written on.
func machinePaths(tree fs.FS) ([]string, error) {
	var found []string
	err := walk(tree, func(file string) error {
		src, err := fs.ReadFile(tree, file)
		if err != nil || bytes.IndexByte(src[:min(len(src), 8000)], 0) >= 0 {
			return err
		}
		if at := machinePath.FindIndex(src); at != nil {
			line := 1 + bytes.Count(src[:at[1]], []byte("\n"))
			found = append(found, fmt.Sprintf("%s:%d: %s", file, line, bytes.TrimSpace(src[at[0]:at[1]])))
		}
		return nil
	})
	return found, err
}

// committable hides the files git ignores.
type committable struct {
	fs.FS
	ignored map[string]bool
}

// ReadFile makes an ignored file look empty: it is not going to be committed.
func (c committable) ReadFile(name string) ([]byte, error) {
	if c.ignored[name] {
		return nil, nil
	}
	return fs.ReadFile(c.FS, name)
}

// ignored asks git for the ignored files below dir; none when there is no git or no repository.
func ignored(t *testing.T, dir string) map[string]bool {
	cmd := exec.Command("git", "ls-files", "-z", "--others", "--ignored", "--exclude-standard")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Logf("git ls-files: %v; judging every file", err)
		return nil
	}
	files := map[string]bool{}
	for name := range strings.SplitSeq(string(out), "\x00") {
		files[name] = true
	}
	return files
}

func TestTree(t *testing.T) {
	tree := committable{os.DirFS(".."), ignored(t, "..")}
	for name, check := range map[string]func(fs.FS) ([]string, error){"long files": longFiles, "machine paths": machinePaths} {
		t.Run(name, func(t *testing.T) {
			found, err := check(tree)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				t.Error(f)
			}
		})
	}
}

func TestTreeCheckerFindsOffences(t *testing.T) {
	slash := string(filepath.Separator) // keeps the fixtures out of this file's own check
	text := func(s string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(strings.ReplaceAll(s, "|", slash))}
	}
	tree := fstest.MapFS{
		"a.md":            text("see |work|main for more"),
		"b.sh":            text("cd '|home|joe.x|src'\n"),
		"c.go":            text("package c\n// |Users|ann|go\n"),
		"d.md":            text("https:||example.org|work|main, ./|root|x, ~|home|y|z, |srv|lightpush, |home|, a|work|b"),
		"e.bin":           {Data: []byte("\x00 " + slash + "work" + slash + "main")},
		"node_modules/f":  text("|work|main"),
		"long.go":         text("package long\n" + strings.Repeat("//\n", maxFileLines)),
		"long_test.go":    text("package long\n" + strings.Repeat("//\n", maxFileLines)),
		"short.go":        text("package long\n" + strings.Repeat("//\n", maxFileLines-1)),
		"testdata/any.go": text("package any\n" + strings.Repeat("//\n", maxFileLines)),
	}
	found, err := machinePaths(tree)
	if err != nil || len(found) != 3 || !strings.HasPrefix(found[0], "a.md:1") || !strings.HasPrefix(found[1], "b.sh:1") || !strings.HasPrefix(found[2], "c.go:2") {
		t.Errorf("machine paths: %q, %v", found, err)
	}
	if found, err = longFiles(tree); err != nil || len(found) != 1 || !strings.HasPrefix(found[0], "long.go") {
		t.Errorf("long files: %q, %v", found, err)
	}
}
