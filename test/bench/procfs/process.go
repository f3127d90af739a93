// Package procfs reads what the kernel says about processes and the machine
// under /proc, and what the runtimes of the servers say about their garbage
// collection and metrics. Parsers are pure functions over text; the functions
// that read files say so and work on Linux.
package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Tick is the unit of CPU time in /proc: USER_HZ, which is 100 on every Linux
// that Go runs on.
const Tick = 10 * time.Millisecond

// Stat is what /proc/PID/stat says of a process with all its threads.
type Stat struct {
	User, System time.Duration // in whole ticks
	Threads      int
}

// CPU is user and system time together.
func (s Stat) CPU() time.Duration { return s.User + s.System }

var errStat = errors.New("procfs: not a line of /proc/PID/stat")

// ParseStat reads a /proc/PID/stat. The name of the program in it may contain
// anything, also blanks and parentheses.
func ParseStat(text []byte) (Stat, error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return Stat{}, errStat
	}
	fields := strings.Fields(string(text[end+1:])) // from field 3, state, on
	const utime, stime, threads = 14 - 3, 15 - 3, 20 - 3
	if len(fields) <= threads {
		return Stat{}, errStat
	}
	var numbers [3]int64
	for i, field := range []int{utime, stime, threads} {
		n, err := strconv.ParseInt(fields[field], 10, 64)
		if err != nil {
			return Stat{}, fmt.Errorf("%w: %w", errStat, err)
		}
		numbers[i] = n
	}
	return Stat{
		User: time.Duration(numbers[0]) * Tick, System: time.Duration(numbers[1]) * Tick, Threads: int(numbers[2]),
	}, nil
}

// ReadStat reads the stat of a process.
func ReadStat(pid int) (Stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Stat{}, err
	}
	return ParseStat(text)
}

// ParseKB returns the value of a line such as "VmRSS:   1234 kB" in bytes.
func ParseKB(text []byte, key string) (bytes int64, err error) {
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name != key {
			continue
		}
		number, isKB := strings.CutSuffix(strings.TrimSpace(value), " kB")
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || !isKB || n < 0 {
			return 0, fmt.Errorf("procfs: %q", line)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("procfs: no %s", key)
}

// RSS reads the resident memory of a process in bytes.
func RSS(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return ParseKB(text, "VmRSS")
}
