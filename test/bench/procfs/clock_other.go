//go:build !linux

package procfs

import (
	"errors"
	"time"
)

// CPU is known on Linux only.
func CPU(int) (time.Duration, error) { return 0, errors.ErrUnsupported }

var start = time.Now()

// Monotonic is, off Linux, the time since the start of this process only.
func Monotonic() time.Duration { return time.Since(start) }
