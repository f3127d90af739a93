//go:build e2e

package examples

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	patience    = 30 * time.Second // for whatever a process has to print on a busy machine
	stopTimeout = 10 * time.Second
)

// program is one started process, with what it has printed on both outputs.
type program struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	done chan struct{}

	mu      sync.Mutex
	lines   []string
	read    int           // lines that wait has passed
	mixed   bool          // its lines come in no order: wait passes none
	changed chan struct{} // closed and replaced with every new line
}

// start runs a program in dir with env added to an environment without lightpush's and the examples' variables.
func start(t testing.TB, dir string, env []string, name string, args ...string) *program {
	t.Helper()
	p := &program{t: t, name: filepath.Base(name), done: make(chan struct{}), changed: make(chan struct{})}
	p.cmd = exec.Command(name, args...)
	p.cmd.Dir = dir
	p.cmd.Env = append(cleanEnviron(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = write, write
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	_ = write.Close()
	go p.collect(read)
	t.Cleanup(p.finish)
	return p
}

func cleanEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "LIGHTPUSH_") || strings.HasPrefix(entry, "PUSH_")
	})
}

func (p *program) collect(out io.ReadCloser) {
	defer close(p.done)
	defer func() { _ = p.cmd.Wait() }()
	defer out.Close()
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
	}
}

// take looks for pattern in the lines that were not passed yet, and passes those up to the one that fits.
func (p *program) take(pattern *regexp.Regexp) ([]string, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := p.read; i < len(p.lines); i++ {
		if m := pattern.FindStringSubmatch(p.lines[i]); m != nil {
			if !p.mixed {
				p.read = i + 1
			}
			return m, nil
		}
	}
	return nil, p.changed
}

// wait waits for a line that fits pattern, after those that earlier waits have passed, and returns its groups.
func (p *program) wait(pattern string) []string {
	p.t.Helper()
	expr := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		m, more := p.take(expr)
		if m != nil {
			return m
		}
		select {
		case <-more:
		case <-p.done:
			if m, _ := p.take(expr); m != nil {
				return m
			}
			p.t.Fatalf("%s ended (%v) before it printed %s; it printed\n%s", p.name, p.cmd.ProcessState, pattern, p.output())
		case <-deadline:
			p.t.Fatalf("%s did not print %s within %s; it printed\n%s", p.name, pattern, patience, p.output())
		}
	}
}

func (p *program) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// count says how many of all lines fit pattern.
func (p *program) count(pattern string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, line := range p.lines {
		if regexp.MustCompile(pattern).MatchString(line) {
			n++
		}
	}
	return n
}

// kill ends the process as a crash would.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// exit waits for the process to end by itself and returns its exit code.
func (p *program) exit() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s did not end within %s; it printed\n%s", p.name, patience, p.output())
	}
	return p.cmd.ProcessState.ExitCode()
}

// stop asks for the end and insists after a while.
func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		p.kill()
	}
}

func (p *program) finish() {
	p.stop()
	if p.t.Failed() {
		p.t.Logf("%s printed\n%s", p.name, p.output())
	}
}

// tool returns the path of a program, or skips the test when this machine lacks it.
func tool(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	t.Skipf("%s is not at hand", strings.Join(names, ", "))
	return ""
}

// eventually polls check until it returns nil; the last error is the failure.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
		<-tick.C
	}
}
