package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDrawn: the pictures are those of their sources.
func TestDrawn(t *testing.T) {
	sources, err := filepath.Glob("../../../doc/images/*.seq")
	if err != nil || len(sources) < 2 {
		t.Fatalf("%v, %v", sources, err)
	}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Render(string(text))
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		got, err := os.ReadFile(strings.TrimSuffix(source, ".seq") + ".svg")
		if err != nil || string(got) != want {
			t.Errorf("%s: the .svg is not drawn from it: go run ./test/docs/sequence doc/images/*.seq", source)
		}
	}
}

// TestPictures: every picture of the pages is well-formed.
func TestPictures(t *testing.T) {
	files, err := filepath.Glob("../../../doc/images/*.svg")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s: %v", file, err)
				break
			}
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, text := range []string{"", "actors a | b\na -> c: x", "actors a\nwhat", "actors a\na: " + strings.Repeat("x", 61)} {
		if _, err := Render(text); err == nil {
			t.Errorf("%q was drawn", text)
		}
	}
}
