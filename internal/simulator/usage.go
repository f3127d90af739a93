package simulator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has used so far.
type usage struct {
	memory int64   // resident, bytes
	cpu    float64 // seconds
}

// errUsage: a process or metrics page that tells nothing.
var errUsage = errors.New("neither memory nor CPU found")

// usageOf reads /proc; pid 0 is this process.
func usageOf(pid int) (usage, error) {
	dir := "/proc/self"
	if pid > 0 {
		dir = "/proc/" + strconv.Itoa(pid)
	}
	statm, err := os.ReadFile(dir + "/statm")
	if err != nil {
		return usage{}, err
	}
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return usage{}, err
	}
	return parseUsage(string(statm), string(stat), int64(os.Getpagesize()))
}

// ticksPerSecond is USER_HZ, the same on every Linux Go runs on.
const ticksPerSecond = 100

func parseUsage(statm, stat string, page int64) (usage, error) {
	fields := strings.Fields(statm)
	_, rest, ok := strings.Cut(stat[max(strings.LastIndex(stat, ")"), 0):], ") ")
	times := strings.Fields(rest)
	if len(fields) < 2 || !ok || len(times) < 13 {
		return usage{}, errUsage
	}
	pages, err1 := strconv.ParseInt(fields[1], 10, 64)
	user, err2 := strconv.ParseInt(times[11], 10, 64)
	system, err3 := strconv.ParseInt(times[12], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return usage{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	return usage{pages * page, float64(user+system) / ticksPerSecond}, nil
}

// scrape reads a Prometheus page.
func scrape(ctx context.Context, url string) (usage, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usage{}, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return usage{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return usage{}, fmt.Errorf("%s answers HTTP %d", url, res.StatusCode)
	}
	return parseMetrics(io.LimitReader(res.Body, 16<<20))
}

func parseMetrics(page io.Reader) (u usage, err error) {
	lines := bufio.NewScanner(page)
	found := 0
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if name != "process_resident_memory_bytes" && name != "process_cpu_seconds_total" {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return u, fmt.Errorf("%w: %w", errUsage, err)
		}
		if found++; name == "process_cpu_seconds_total" {
			u.cpu = v
		} else {
			u.memory = int64(v)
		}
	}
	if err := lines.Err(); err != nil {
		return u, err
	}
	if found != 2 {
		return u, errUsage
	}
	return u, nil
}

// measureServer reads what the configuration names; ok is false when it names nothing.
func measureServer(ctx context.Context, cfg *Config) (u usage, ok bool, err error) {
	switch {
	case cfg.ServerPID > 0:
		u, err = usageOf(cfg.ServerPID)
	case cfg.ServerMetrics != "":
		u, err = scrape(ctx, cfg.ServerMetrics)
	default:
		return u, false, nil
	}
	return u, true, err
}
