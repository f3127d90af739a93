//go:build !linux

package harness

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

func deathSignal() *syscall.SysProcAttr { return nil }

func raiseFileLimit() (int, error) {
	return 0, fmt.Errorf("the benchmark needs Linux, for epoll and /proc: %w", errors.ErrUnsupported)
}

func ownCPU() time.Duration { return 0 }
