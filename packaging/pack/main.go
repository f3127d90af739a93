// Command pack writes the archives that are handed out: pack ARCHIVE FILE… puts the files, without their folders, below
// one folder named like the archive. The format follows the archive's name: .tar.gz or .zip. Times are those of
// SOURCE_DATE_EPOCH, owners are nobody's, so that the same files give the same archive.
package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: pack ARCHIVE.tar.gz|ARCHIVE.zip FILE…")
		os.Exit(2)
	}
	seconds, _ := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err := Pack(os.Args[1], os.Args[2:], time.Unix(seconds, 0).UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// Pack writes the archive. Programs (lightpush, lightpush.exe) are executable, all else is 0644.
func Pack(archive string, files []string, at time.Time) (err error) {
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	name := filepath.Base(archive)
	switch {
	case strings.HasSuffix(name, ".tar.gz"):
		return packTar(out, strings.TrimSuffix(name, ".tar.gz"), files, at)
	case strings.HasSuffix(name, ".zip"):
		return packZip(out, strings.TrimSuffix(name, ".zip"), files, at)
	}
	return fmt.Errorf("%s is neither .tar.gz nor .zip", name)
}

func mode(file string) os.FileMode {
	if base := filepath.Base(file); base == "lightpush" || base == "lightpush.exe" {
		return 0o755
	}
	return 0o644
}

func packTar(out io.Writer, folder string, files []string, at time.Time) error {
	compressed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		header := &tar.Header{
			Name: path.Join(folder, filepath.Base(file)), Size: int64(len(text)), Mode: int64(mode(file)), ModTime: at, Format: tar.FormatUSTAR,
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(text); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), compressed.Close())
}

func packZip(out io.Writer, folder string, files []string, at time.Time) error {
	archive := zip.NewWriter(out)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: path.Join(folder, filepath.Base(file)), Method: zip.Deflate, Modified: at}
		header.SetMode(mode(file))
		entry, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := entry.Write(text); err != nil {
			return err
		}
	}
	return archive.Close()
}
