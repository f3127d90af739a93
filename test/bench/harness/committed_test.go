package harness

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is committed beside the result belongs to it: a page, a picture or a
// figure in a README of another run is found here.
func TestCommitted(t *testing.T) {
	const root = "../../.."
	r, err := ReadResult(filepath.Join(root, ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	files, err := r.Files(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not made from %s (%v): go run ./test/bench/cmd/bench plot", name, ResultFile, err)
		}
	}
	stale, err := strangers(root, files)
	if err != nil || len(stale) > 0 {
		t.Errorf("nothing refers to %q (%v)", stale, err)
	}
}
