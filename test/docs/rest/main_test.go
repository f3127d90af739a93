package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWritten: the pages are those of the description.
func TestWritten(t *testing.T) {
	for _, l := range languages {
		want, err := Render("../../../doc/openapi.yaml", l)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../../..", l.file))
		if err != nil || string(got) != want {
			t.Errorf("%s is not written from openapi.yaml: go run ./test/docs/rest", l.file)
		}
	}
}
