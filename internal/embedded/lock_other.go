//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package embedded

import (
	"errors"
	"os"
)

// lockDir refuses: without a lock that dies with its process two processes could write one log.
func lockDir(string) (*os.File, error) {
	return nil, errors.New("the embedded store has no directory lock on this system")
}

func syncDir(string) error { return nil }
