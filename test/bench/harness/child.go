package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lightpush/lightpush/test/bench/procfs"
)

// child is one started program. It answers commands, one JSON object per line,
// or only prints. Two goroutines read its output and end with it.
type child struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string   // stdout; closed when it ends
	done  chan struct{} // closed when the process has ended

	killed bool // by kill

	mu     sync.Mutex
	pauses []float64 // ms, from gctrace, not yet taken
	tail   []string  // last lines of stderr
}

const (
	tailLines   = 30
	stopTimeout = 10 * time.Second
)

// startChild starts a program with extra environment. It dies with the harness.
func startChild(name string, env []string, program string, args ...string) (*child, error) {
	c := &child{name: name, cmd: exec.Command(program, args...), lines: make(chan string, 64), done: make(chan struct{})}
	c.cmd.Env = append(foreignEnviron(), env...)
	c.cmd.SysProcAttr = deathSignal()
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c.stdin = stdin
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { c.readLines(stdout) })
	readers.Go(func() { c.readErrors(stderr) })
	go func() { // ends with the process
		readers.Wait()
		_ = c.cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// foreignEnviron is the environment without settings of the servers under
// test.
func foreignEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "LIGHTPUSH_") || strings.HasPrefix(entry, "GODEBUG=") ||
			strings.HasPrefix(entry, "GOGC=") || strings.HasPrefix(entry, "GOMEMLIMIT=") || strings.HasPrefix(entry, "NODE_OPTIONS=")
	})
}

// readLines hands lines on; a program that prints more than anybody reads
// loses the rest, and never stops for it.
func (c *child) readLines(r io.Reader) {
	defer close(c.lines)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		select {
		case c.lines <- lines.Text():
		default:
		}
	}
}

func (c *child) readErrors(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		c.onError(lines.Text())
	}
}

func (c *child) onError(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pauses, ok := procfs.ParseGCTrace(line); ok {
		for _, p := range pauses {
			c.pauses = append(c.pauses, float64(p)/float64(time.Millisecond))
		}
		return
	}
	if len(c.tail) == tailLines {
		c.tail = slices.Delete(c.tail, 0, 1)
	}
	c.tail = append(c.tail, line)
}

// takePauses returns the pauses of the garbage collector since the last call.
func (c *child) takePauses() []float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	pauses := c.pauses
	c.pauses = nil
	return pauses
}

func (c *child) pid() int { return c.cmd.Process.Pid }

var errEnded = errors.New("has ended by itself")

// ended describes the unexpected end of the process.
func (c *child) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Errorf("%s %w; its last words:\n%s", c.name, errEnded, strings.Join(c.tail, "\n"))
}

// line waits for the next line of stdout.
func (c *child) line(ctx context.Context) (string, error) {
	select {
	case line, ok := <-c.lines:
		if !ok {
			select { // its last words may still be on their way
			case <-c.done:
			case <-ctx.Done():
			}
			return "", c.ended()
		}
		return line, nil
	case <-ctx.Done():
		return "", fmt.Errorf("%s: %w", c.name, ctx.Err())
	}
}

// ask sends a command and waits for its answer.
func (c *child) ask(ctx context.Context, command, reply any) error {
	text, err := json.Marshal(command)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	if _, err := c.stdin.Write(append(text, '\n')); err != nil {
		return c.ended()
	}
	line, err := c.line(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(line), reply); err != nil {
		return fmt.Errorf("%s answered %.200q: %w", c.name, line, err)
	}
	return nil
}

// kill ends the process without a word to it.
func (c *child) kill() {
	c.killed = true
	_ = c.cmd.Process.Kill()
	<-c.done
}

// hasEnded reports whether the process is no more.
func (c *child) hasEnded() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// unexpected reports whether an end was the process's own doing.
func (c *child) unexpected() bool { return !c.killed }

// stop ends the process and waits for it.
func (c *child) stop() {
	_ = c.stdin.Close()
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(stopTimeout):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}
