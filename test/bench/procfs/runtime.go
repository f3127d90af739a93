package procfs

import (
	"strconv"
	"strings"
	"time"
)

// ParseGCTrace returns the time a Go program stood still in one collection:
// the sum of the two stop-the-world phases of a line that GODEBUG=gctrace=1
// prints. ok is false for every other line.
//
//	gc 4 @0.060s 3%: 0.012+1.2+0.004 ms clock, 0.024+0.1/1.1/2.1+0.008 ms cpu, 4->4->2 MB, …
func ParseGCTrace(line string) (pauses [2]time.Duration, ok bool) {
	if !strings.HasPrefix(line, "gc ") || !strings.Contains(line, " @") {
		return pauses, false
	}
	_, rest, _ := strings.Cut(line, "%: ")
	phases, _, ok := strings.Cut(rest, " ms clock")
	if !ok {
		return pauses, false
	}
	parts := strings.Split(phases, "+")
	if len(parts) != 3 {
		return pauses, false
	}
	for i, part := range []string{parts[0], parts[2]} {
		ms, err := strconv.ParseFloat(part, 64)
		if err != nil || ms < 0 {
			return pauses, false
		}
		pauses[i] = time.Duration(ms * float64(time.Millisecond))
	}
	return pauses, true
}

// ParseMetrics reads the Prometheus text format: for each name the sum of its samples, whatever their labels.
func ParseMetrics(text string) map[string]float64 {
	samples := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ') // values of labels may hold spaces
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		name, _, _ := strings.Cut(line[:at], "{")
		if v, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			samples[name] += v
		}
	}
	return samples
}
