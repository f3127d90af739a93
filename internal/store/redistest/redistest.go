// Package redistest gives tests a Redis: the in-process one of the embedded
// store, a real server, or a real cluster, started for the test on loopback.
//
// Only tests import it.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrMissing is returned when the programs to start are not installed.
var ErrMissing = errors.New("redis-server or redis-cli is not installed")

// Redis is a running server or cluster.
type Redis struct {
	Addresses []string
	Cluster   bool
	dir       string
	processes []*exec.Cmd
}

// StartServer starts one server with the given options, as "--appendonly",
// "yes". The caller must Stop it.
func StartServer(options ...string) (*Redis, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrMissing
	}
	r := &Redis{}
	if r.dir, err = os.MkdirTemp("", "redistest"); err != nil {
		return nil, err
	}
	if err := r.add(path, options...); err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

// StartCluster starts a cluster of three masters. The caller must Stop it.
func StartCluster() (*Redis, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrMissing
	}
	cli, err := exec.LookPath("redis-cli")
	if err != nil {
		return nil, ErrMissing
	}
	r := &Redis{Cluster: true}
	if r.dir, err = os.MkdirTemp("", "redistest"); err != nil {
		return nil, err
	}
	for i := range 3 {
		if err := r.add(path, "--cluster-enabled", "yes", "--cluster-config-file", fmt.Sprintf("nodes%d.conf", i)); err != nil {
			r.Stop()
			return nil, err
		}
	}
	args := append([]string{"--cluster", "create"}, r.Addresses...)
	if out, err := exec.Command(cli, append(args, "--cluster-yes")...).CombinedOutput(); err != nil {
		r.Stop()
		return nil, fmt.Errorf("create cluster: %w: %s", err, out)
	}
	if err := r.formed(); err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

// add starts one server and waits until it answers.
func (r *Redis) add(path string, options ...string) error {
	const tries = 20 // another process may take the port first
	var err error
	for range tries {
		var port int
		if port, err = freePort(); err != nil {
			continue
		}
		args := append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", r.dir, "--save", ""}, options...)
		cmd := exec.Command(path, args...)
		if err = cmd.Start(); err != nil {
			return err
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if err = answers(addr); err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			continue
		}
		r.processes = append(r.processes, cmd)
		r.Addresses = append(r.Addresses, addr)
		return nil
	}
	return err
}

// freePort finds a port that leaves room for the cluster bus, 10,000 above.
func freePort() (int, error) {
	port := 20_000 + rand.IntN(10_000)
	for _, p := range []int{port, port + 10_000} {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			return 0, err
		}
		_ = l.Close()
	}
	return port, nil
}

func answers(addr string) error {
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1})
	defer c.Close()
	return poll(5*time.Second, func(ctx context.Context) error {
		err := c.Ping(ctx).Err()
		var refusal redis.Error
		if errors.As(err, &refusal) {
			return nil // it asks for a password: it is there
		}
		return err
	})
}

func (r *Redis) formed() error {
	for _, addr := range r.Addresses {
		c := redis.NewClient(&redis.Options{Addr: addr})
		err := poll(15*time.Second, func(ctx context.Context) error {
			info, err := c.ClusterInfo(ctx).Result()
			if err == nil && !strings.Contains(info, "cluster_state:ok") {
				err = errors.New("cluster is not formed")
			}
			return err
		})
		_ = c.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func poll(limit time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// CPU is the processor time the first server has used; Linux only.
func (r *Redis) CPU() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.processes[0].Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, nil // clock ticks
}

// Stop kills the servers and removes their files.
func (r *Redis) Stop() {
	for _, p := range r.processes {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
	_ = os.RemoveAll(r.dir)
}
