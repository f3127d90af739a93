package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPack(t *testing.T) {
	dir := t.TempDir()
	program, text := filepath.Join(dir, "in", "lightpush"), filepath.Join(dir, "README.md")
	if err := os.MkdirAll(filepath.Dir(program), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{program: "a program", text: "a text"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Unix(1_700_000_000, 0).UTC()
	for _, format := range []string{"tar.gz", "zip"} {
		t.Run(format, func(t *testing.T) {
			archive := filepath.Join(dir, "x_1.0."+format)
			var twice [2][]byte
			for i := range twice {
				if err := Pack(archive, []string{program, text}, at); err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(archive)
				if err != nil {
					t.Fatal(err)
				}
				twice[i] = b
			}
			if !bytes.Equal(twice[0], twice[1]) {
				t.Error("the same files give another archive")
			}
			got := unpack(t, format, twice[0])
			if got["x_1.0/lightpush"] != "-rwxr-xr-x a program" || got["x_1.0/README.md"] != "-rw-r--r-- a text" || len(got) != 2 {
				t.Errorf("the archive holds %q", got)
			}
		})
	}
	if err := Pack(filepath.Join(dir, "x.rar"), nil, at); err == nil {
		t.Error("an unknown format was written")
	}
}

// unpack returns mode and content of every file.
func unpack(t *testing.T, format string, archive []byte) map[string]string {
	t.Helper()
	files := map[string]string{}
	add := func(name string, mode os.FileMode, r io.Reader) {
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = mode.String() + " " + string(content)
	}
	if format == "zip" {
		z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			add(f.Name, f.Mode(), r)
			_ = r.Close()
		}
		return files
	}
	g, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(g); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		add(h.Name, h.FileInfo().Mode(), r)
	}
}
