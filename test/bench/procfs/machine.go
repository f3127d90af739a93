package procfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Machine is what a reader needs to know of the machine figures come from. It
// holds no name of a host.
type Machine struct {
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"` // that this process may use
	MemoryMB int64  `json:"memory_mb"`
	Kernel   string `json:"kernel"`
}

// ReadMachine reads /proc.
func ReadMachine(cores int) Machine {
	m := Machine{Cores: cores}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU = CPUModel(string(text))
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if bytes, err := ParseKB(text, "MemTotal"); err == nil {
			m.MemoryMB = bytes >> 20
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = KernelVersion(string(text))
	}
	return m
}

// CPUModel returns the model in a /proc/cpuinfo, "" when it names none.
func CPUModel(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// KernelVersion keeps the numbers of a release and leaves out what builders
// append to it.
func KernelVersion(release string) string {
	end := strings.IndexFunc(release, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		return release
	}
	return strings.TrimRight(release[:end], ".")
}

// ParseLoad returns the load averages of 1, 5 and 15 minutes of a
// /proc/loadavg.
func ParseLoad(text string) (load [3]float64, err error) {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return load, fmt.Errorf("procfs: load %q", text)
	}
	for i := range load {
		if load[i], err = strconv.ParseFloat(fields[i], 64); err != nil {
			return load, fmt.Errorf("procfs: load %q: %w", text, err)
		}
	}
	return load, nil
}

// Load reads the load averages.
func Load() ([3]float64, error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return [3]float64{}, err
	}
	return ParseLoad(string(text))
}

// ParseBusy returns the CPU time all cores have spent on anything, of a
// /proc/stat. Time stolen by other guests of the same host counts.
func ParseBusy(text string) (time.Duration, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("procfs: stat %q", line)
	}
	var busy time.Duration
	for i, field := range fields[1:9] { // user nice system idle iowait irq softirq steal
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("procfs: stat %q: %w", line, err)
		}
		if i != 3 && i != 4 {
			busy += time.Duration(n) * Tick
		}
	}
	return busy, nil
}

// Busy reads the CPU time all cores have spent on anything.
func Busy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return ParseBusy(string(text))
}
