package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// LoadFile reads the key in the file name, or makes the file with a new key,
// readable for its owner only. The directory is created when missing.
func LoadFile(name string) (Key, error) {
	for range 3 { // another process may make it at the same moment
		key, err := readFile(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return key, err
		}
		if err := makeFile(name); err != nil && !errors.Is(err, fs.ErrExist) {
			return Key{}, fmt.Errorf("make secret key: %w", err)
		}
	}
	return readFile(name)
}

func readFile(name string) (Key, error) {
	f, err := os.Open(name)
	if err != nil {
		return Key{}, fmt.Errorf("secret key: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		return Key{}, fmt.Errorf("secret key: %w", err)
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return Key{}, fmt.Errorf("secret key in %s: %w", name, err)
	}
	return key, nil
}

// makeFile writes a new key beside name and links it there, so that nobody
// ever reads half a key and an existing one is never replaced. The key is on
// the disk before anything can be sealed with it.
func makeFile(name string) (err error) {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(NewKey().Text() + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := link(f.Name(), name); err != nil {
		return err
	}
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // not every file system can
		_ = d.Close()
	}
	return nil
}

// link gives the file from the name to, which must not exist.
func link(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// A file system without links: the check and the renaming are two steps,
	// but the data directory has one process only.
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}
