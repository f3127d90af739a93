//go:build linux

package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one place for a program on a fixed address; it may be started again and again. Safe for concurrent use,
// though faults of one process do not overlap.
type process struct {
	name    string
	program string
	args    []string
	env     []string
	dir     string        // for its output
	ready   func() error  // nil when it serves
	within  time.Duration // for ready

	mu     sync.Mutex
	starts int
	cmd    *exec.Cmd
	done   chan struct{} // closed at the end of cmd
	killed bool          // the end was asked for
}

// output is the file of the n-th start.
func (p *process) output(n int) string {
	return filepath.Join(p.dir, fmt.Sprintf("%s.%d.log", p.name, n))
}

// start runs the program until it serves. One that ends before, because Redis is away, is started again, as the
// supervisor of a real service does.
func (p *process) start() error {
	deadline := time.Now().Add(p.within)
	for {
		if err := p.launch(); err != nil {
			return err
		}
		err := p.await(deadline)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(restartPause)
	}
}

const restartPause = 300 * time.Millisecond

func (p *process) launch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starts++
	out, err := os.Create(p.output(p.starts))
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(p.program, p.args...)
	cmd.Env = append(environ(), p.env...)
	cmd.Dir = p.dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	done := make(chan struct{})
	p.cmd, p.done, p.killed = cmd, done, false
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	return nil
}

// environ is the environment without the developer's own lightpush settings.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "LIGHTPUSH_") })
}

// await waits until the process serves; an error is its early end, or that it did not by the deadline.
func (p *process) await(deadline time.Time) error {
	for {
		err := p.ready()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not serve: %w, see %s", p.name, err, p.output(p.starts))
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended by itself: %v, see %s", p.name, p.cmd.ProcessState, p.output(p.starts))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// kill ends the process at once.
func (p *process) kill() {
	p.mu.Lock()
	cmd, done := p.cmd, p.done
	p.killed = true
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	<-done
}

func (p *process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Signal(s)
}

// check is an error when the process has ended though nobody asked, or wrote what no lightpush may write.
func (p *process) check() error {
	var errs []error
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		if !p.killed {
			errs = append(errs, fmt.Errorf("%s ended by itself: %v, see %s", p.name, p.cmd.ProcessState, p.output(p.starts)))
		}
	default:
	}
	for n := range p.starts {
		data, err := os.ReadFile(p.output(n + 1))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if at := poison.FindIndex(data); at != nil {
			errs = append(errs, fmt.Errorf("%s wrote %q:\n%.4000s", p.name, data[at[0]:at[1]], data[max(0, at[0]-300):]))
		}
	}
	return errors.Join(errs...)
}

// poison is what no lightpush may ever write to its log: a race report, or a panic, recovered or not.
var poison = regexp.MustCompile(`DATA RACE|\bpanic\b|fatal error:|goroutine \d+ \[`)

// healthy asks GET /health.
func healthy(base string) func() error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return func() error {
		resp, err := client.Get(base + "/health")
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	}
}
