//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 30 * time.Second // a process with the race detector on a busy machine
	stopTimeout  = 10 * time.Second // promised for SIGTERM with clients connected
)

// poison is what no lightpush may ever write to its log: a race report, or a panic, recovered or not.
var poison = regexp.MustCompile(`DATA RACE|\bpanic\b|fatal error:|goroutine \d+ \[`)

// process is one started program. Its output is collected; when the test ends it is stopped and its stderr judged.
type process struct {
	t     testing.TB
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser // of startPiped, else nil
	done  chan struct{}  // closed when the process has ended and its output is complete

	mu      sync.Mutex
	stdout  []string
	changed chan struct{} // closed and replaced with every new line
	stderr  bytes.Buffer
	stopped bool // the test asked for the end
}

// startProcess starts program with args; env entries are added to the environment of the test.
func startProcess(t testing.TB, name string, env []string, program string, args ...string) *process {
	t.Helper()
	p := newProcess(t, name, program, args...)
	p.cmd.Env = append(foreignEnviron(), env...)
	p.start(p.addLine)
	return p
}

// foreignEnviron is the environment without the developer's own lightpush settings.
func foreignEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "LIGHTPUSH_") })
}

// startPiped starts a program that is spoken to over its stdin and ends when that is closed; each line of its stdout
// goes to onLine.
func startPiped(t testing.TB, name string, onLine func(string), program string, args ...string) *process {
	t.Helper()
	p := newProcess(t, name, program, args...)
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	p.start(onLine)
	return p
}

func newProcess(t testing.TB, name, program string, args ...string) *process {
	p := &process{t: t, name: name, done: make(chan struct{}), changed: make(chan struct{})}
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir = t.TempDir()
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // no orphans when the test binary dies
	p.cmd.Stderr = lockedWriter{p}
	return p
}

func (p *process) start(onLine func(string)) {
	p.t.Helper()
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 8<<20)
		for lines.Scan() {
			onLine(lines.Text())
		}
		_ = p.cmd.Wait()
	}()
	p.t.Cleanup(p.finish)
}

// lockedWriter appends the stderr of a process to its buffer.
type lockedWriter struct{ p *process }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	return w.p.stderr.Write(b)
}

func (p *process) addLine(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stdout = append(p.stdout, line)
	close(p.changed)
	p.changed = make(chan struct{})
}

// output returns the lines of stdout so far and a channel that is closed when there are more.
func (p *process) output() ([]string, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout[:len(p.stdout):len(p.stdout)], p.changed
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// waitOutput waits until found says true about the lines of stdout.
func (p *process) waitOutput(what string, found func(lines []string) bool) {
	p.t.Helper()
	deadline := time.After(startTimeout)
	for {
		lines, more := p.output()
		if found(lines) {
			return
		}
		select {
		case <-more:
		case <-p.done:
			if lines, _ := p.output(); found(lines) {
				return
			}
			p.t.Fatalf("%s ended (%v) before it printed %s; stdout:\n%s\nstderr:\n%s",
				p.name, p.cmd.ProcessState, what, strings.Join(lines, "\n"), tail(p.log()))
		case <-deadline:
			p.t.Fatalf("%s did not print %s within %s; stdout:\n%s\nstderr:\n%s",
				p.name, what, startTimeout, strings.Join(lines, "\n"), tail(p.log()))
		}
	}
}

// alive reports whether the process still runs.
func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends the process with SIGKILL and waits for its end.
func (p *process) kill() {
	p.t.Helper()
	p.markStopped()
	_ = p.cmd.Process.Kill()
	<-p.done
}

// freeze stops the process as a long pause of its machine would, until thaw is called.
func (p *process) freeze() (thaw func()) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		p.t.Fatal(err)
	}
	thaw = sync.OnceFunc(func() { _ = p.cmd.Process.Signal(syscall.SIGCONT) })
	p.t.Cleanup(thaw) // before finish, which was registered earlier
	return thaw
}

// terminate asks for the end, by SIGTERM or by closing a piped stdin, and wants exit code 0 within the promised time.
func (p *process) terminate() {
	p.t.Helper()
	p.markStopped()
	if p.stdin != nil {
		_ = p.stdin.Close()
	} else {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-p.done:
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			p.t.Errorf("%s ended with %v after being asked to, want exit code 0; stderr:\n%s", p.name, p.cmd.ProcessState, tail(p.log()))
		}
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // a Go program prints its goroutines
		select {
		case <-p.done:
		case <-time.After(stopTimeout):
			_ = p.cmd.Process.Kill()
			<-p.done
		}
		log := p.log()
		p.t.Errorf("%s did not end within %s; it was busy with:\n%s\nstderr:\n%s", p.name, stopTimeout, mainGoroutine(log), tail(log))
	}
}

func (p *process) markStopped() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
}

// finish is the clean-up of every process: it must still run unless the test ended it, must stop properly, and its
// log must be free of races and panics.
func (p *process) finish() {
	p.mu.Lock()
	stopped := p.stopped
	p.mu.Unlock()
	if !stopped {
		if !p.alive() {
			p.t.Errorf("%s ended by itself: %v", p.name, p.cmd.ProcessState)
		} else {
			p.terminate()
		}
	}
	log := p.log()
	if at := poison.FindStringIndex(log); at != nil {
		p.t.Errorf("%s wrote %q:\n%s", p.name, log[at[0]:at[1]], around(log, at[0]))
	}
	if p.t.Failed() {
		p.t.Logf("last of %s:\n%s", p.name, tail(log))
	}
}

// mainGoroutine is that part of a dump of all goroutines.
func mainGoroutine(dump string) string {
	at := strings.Index(dump, "\ngoroutine 1 ")
	if at < 0 {
		return ""
	}
	text, _, _ := strings.Cut(dump[at+1:], "\n\n")
	return text
}

func tail(s string) string {
	const keep = 6000
	if len(s) <= keep {
		return s
	}
	return fmt.Sprintf("… %d bytes …\n%s", len(s)-keep, s[len(s)-keep:])
}

func around(s string, at int) string {
	return s[max(0, at-500):min(len(s), at+5000)]
}

// eventually polls check until it returns nil; the last error is the failure.
func eventually(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, within, err)
		}
		<-tick.C
	}
}
