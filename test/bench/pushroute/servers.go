package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// starter starts one of the routes that are compared.
type starter struct {
	name  string
	start func(ctx context.Context, dir, here, redis string) (*route, error)
}

// route is a server under test.
type route struct {
	process     *process
	address     string // host:port
	route       string
	credentials string // of the Authorization header
}

// server is a Redis.
type server struct {
	process *process
	address string
	dir     string
}

func (s *server) stop() {
	s.process.stop()
	_ = os.RemoveAll(s.dir)
}

const startTimeout = 15 * time.Second

func startRedis(ctx context.Context, dir string) (*server, error) {
	data, err := os.MkdirTemp(dir, "redis-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	p, err := startProcess(nil, "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", data,
		"--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction")
	if err != nil {
		return nil, err
	}
	s := &server{p, address, data}
	if err := reachable(ctx, address); err != nil {
		s.stop()
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	return s, nil
}

const (
	adminPassword     = "bench-admin"
	namespacePassword = "bench-namespace"
)

// startLightpush starts the logic role and makes the namespace.
func startLightpush(ctx context.Context, dir, _, store string) (*route, error) {
	p, err := startProcess([]string{"LIGHTPUSH_ADMIN_PASSWD=" + adminPassword, "LIGHTPUSH_LOG_LEVEL=warn", "LIGHTPUSH_REQUESTS_PER_SECOND=0"},
		filepath.Join(dir, "lightpush"), "logic", "--listen", "127.0.0.1:0", "--redis", store)
	if err != nil {
		return nil, err
	}
	address, err := p.announced("REST API")
	if err == nil {
		err = createNamespace(ctx, address)
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return &route{p, address, "/api/auth/push", basic("/bench", namespacePassword)}, nil
}

func startHistory(ctx context.Context, dir, _, store string) (*route, error) {
	credentials := basic("/bench", namespacePassword)
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p, err := startProcess([]string{"CREDENTIALS=" + credentials}, filepath.Join(dir, "history"), "-listen", address, "-redis", store)
	if err != nil {
		return nil, err
	}
	if err := reachable(ctx, address); err != nil {
		p.stop()
		return nil, err
	}
	return &route{p, address, "/api/publish", credentials}, nil
}

func startSequential(ctx context.Context, _, here, store string) (*route, error) {
	credentials := basic("/bench", namespacePassword)
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	_, redisPort, _ := net.SplitHostPort(store)
	p, err := startProcess([]string{"CREDENTIALS=" + credentials, "PORT=" + port, "REDIS_PORT=" + redisPort, "NODE_ENV=production"},
		"node", filepath.Join(here, "sequential", "server.js"))
	if err != nil {
		return nil, err
	}
	if err := reachable(ctx, address); err != nil {
		p.stop()
		return nil, err
	}
	return &route{p, address, "/api/auth/push", credentials}, nil
}

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

func createNamespace(ctx context.Context, address string) error {
	body := strings.NewReader(`{"key":"/bench","auth_passwd":"` + namespacePassword + `"}`)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/admin/namespace/save", body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", basic("admin", adminPassword))
	client := http.Client{Timeout: startTimeout}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("create the namespace: %w", err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("create the namespace: %s: %s", response.Status, answer)
	}
	return nil
}

// process is a started program that dies with this one.
type process struct {
	cmd    *exec.Cmd
	stdout io.Reader
	stderr bytes.Buffer
}

func startProcess(env []string, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = deathSignal()
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = out
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// announced waits for a line such as "  REST API  http://127.0.0.1:8443/".
func (p *process) announced(title string) (string, error) {
	timer := time.AfterFunc(startTimeout, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	lines := bufio.NewScanner(p.stdout)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), title); ok {
			address, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(rest), "http://"), "/")
			go func() { _, _ = io.Copy(io.Discard, p.stdout) }() // ends with the process
			return address, nil
		}
	}
	return "", fmt.Errorf("%s ended before it was ready: %s", p.cmd.Path, p.stderr.String())
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(startTimeout, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	_ = p.cmd.Wait()
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

var errUnreachable = errors.New("nothing answers")

func reachable(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w at %s", errUnreachable, address)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
