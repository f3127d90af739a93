//go:build interop

package interop

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var write = flag.Bool("write", false, "write doc/interop.md instead of comparing it")

const pageFile = "../../doc/interop.md"

const pageHead = `# Beside other servers

test/interop plays %d transcripts of clients, of both protocol generations and over polling, WebSocket and upgrades, to
three servers with the same application: lightpush, %s and %s.
What follows is every difference; a new one, or one that has vanished, fails ` + "`make test-interop`" + `. This page is made from
the same list (` + "`go test -tags interop -run TestPage ./test/interop -write`" + `).

The server in Go handles the packets of one client concurrently: now and then it answers in another order, or not at all.
Only what it does steadily is compared.

| Transcript | lightpush | %s | %s | Why |
|---|---|---|---|---|
`

// page is the list of differences for readers.
func page() string {
	var b strings.Builder
	fmt.Fprintf(&b, pageHead, len(transcripts()), node, golang, node, golang)
	for _, d := range differences {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", strings.Join(d.transcripts, "; "), cell(d.ours), cell(d.node), cell(d.golang), d.reason)
	}
	return b.String()
}

func cell(seen string) string {
	switch {
	case seen == "":
		return "="
	case len([]rune(seen)) > 130:
		seen = string([]rune(seen)[:129]) + "…"
	}
	return "`" + strings.ReplaceAll(seen, "|", `\|`) + "`"
}

func TestPage(t *testing.T) {
	want := page()
	if *write {
		if err := os.WriteFile(pageFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(pageFile)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the list of differences says (%v); see its first paragraph", pageFile, err)
	}
}
