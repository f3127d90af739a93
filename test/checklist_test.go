package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// checklistLines is how many lines the conformance checklist of the wire reference has.
const checklistLines = 104

// checklistPackages are where the tests are that name them.
var checklistPackages = []string{"connector/engineio", "connector/socketio", "test/e2e"}

// A test names the lines it proves in front of its name ("27 30 octet-stream with binary"), in the name of its function
// (TestRecovery94PidAndOffsets), or in the comment of its function ("Checklist 98, 99 and 100").
var (
	namedInFront = regexp.MustCompile(`^((?:\d{1,3} )*\d{1,3})(?: [\pL\d]|$)`)
	namedInFunc  = regexp.MustCompile(`^Test[A-Za-z]*?(\d{2,3})`)
	namedInDoc   = regexp.MustCompile(`Checklist ((?:\d{1,3}(?:, | and )?)+)`)
	number       = regexp.MustCompile(`\d{1,3}`)
)

// TestChecklist: every line of the checklist is named by a test.
func TestChecklist(t *testing.T) {
	named := map[int]bool{}
	for _, pkg := range checklistPackages {
		files, err := fs.Glob(os.DirFS(".."), pkg+"/*_test.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("no tests in %s: %v", pkg, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(path.Join("..", file))
			if err != nil {
				t.Fatal(err)
			}
			lines, err := linesNamed(string(src))
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range lines {
				named[n] = true
			}
		}
	}
	var missing []int
	for n := 1; n <= checklistLines; n++ {
		if !named[n] {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no test names these lines of the checklist: %v", missing)
	}
}

// linesNamed are the numbers that a file of tests names: by its functions and their comments, by what it gives to Run,
// and by the first values of its tables, which are given to Run later.
func linesNamed(src string) (lines []int, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	add := func(re *regexp.Regexp, text string) {
		for _, m := range re.FindAllStringSubmatch(text, -1) {
			for _, digits := range number.FindAllString(m[1], -1) {
				n, _ := strconv.Atoi(digits) // three digits at most
				lines = append(lines, n)
			}
		}
	}
	name := func(e ast.Expr) {
		if b, ok := e.(*ast.BinaryExpr); ok { // "26 " + name
			e = b.X
		}
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				add(namedInFront, strings.TrimSuffix(text, " "))
			}
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncDecl:
			if strings.HasPrefix(node.Name.Name, "Test") {
				add(namedInFunc, node.Name.Name)
				add(namedInDoc, strings.Join(strings.Fields(node.Doc.Text()), " "))
			}
		case *ast.CallExpr:
			if runs(node.Fun) {
				for _, arg := range node.Args { // Run(name, f), bothProtocols(t, name, f), exchange(name, …)
					name(arg)
				}
			}
		case *ast.CompositeLit:
			if len(node.Elts) > 0 {
				name(node.Elts[0])
			}
		}
		return true
	})
	return lines, nil
}

// runs tells the calls that start a subtest.
func runs(f ast.Expr) bool {
	switch f := f.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name == "Run"
	case *ast.Ident:
		return f.Name == "bothProtocols" || f.Name == "exchange"
	}
	return false
}

func TestLinesNamed(t *testing.T) {
	src := `package p

// TestA: Checklist 98, 99 and
// 100. And 7 other things.
func TestA(t *testing.T) {
	t.Run("27 30 octet-stream", nil)
	t.Run("26 "+name, nil)
	t.Run("5000 clients", nil)
	t.Run("no 44", nil)
	bothProtocols(t, "51", nil)
	exchange("72 ack", nil)
	other("45 x", nil)
	_ = []struct{ name string }{{"7 transport missing"}, {"x"}}
	_ = "46 y"
}
func TestRecovery94PidAndOffsets(t *testing.T) {}
func helper95(t *testing.T) {}
`
	got, err := linesNamed(src)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if want := []int{7, 26, 27, 30, 51, 72, 94, 98, 99, 100}; !slices.Equal(got, want) {
		t.Errorf("named are %v, want %v", got, want)
	}
}
