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
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrMissing is returned when the programs to start are not installed.
var ErrMissing = errors.New("redis-server or redis-cli is not installed")

// Redis is a running server or cluster.
type Redis struct {
	Addresses []string // of the servers, without Sentinels
	Cluster   bool
	Sentinels []string // they call the server Master
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

// Master is the name by which Sentinels know the server.
const Master = "main"

// StartSentinel starts a server that wants the password, and one Sentinel
// that watches it. The caller must Stop it.
func StartSentinel(password string) (*Redis, error) {
	r, err := StartServer("--requirepass", password)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(r.Addresses[0])
	file := filepath.Join(r.dir, "sentinel.conf")
	conf := fmt.Sprintf("sentinel monitor %s %s %s 1\nsentinel auth-pass %s %s\n", Master, host, port, Master, password)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		r.Stop()
		return nil, err
	}
	path, err := exec.LookPath("redis-server")
	if err == nil {
		err = r.add(path, file, "--sentinel")
	}
	if err != nil {
		r.Stop()
		return nil, err
	}
	last := len(r.Addresses) - 1
	r.Addresses, r.Sentinels = r.Addresses[:last], r.Addresses[last:]
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
		args := append([]string{}, options...)
		args = append(args, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", r.dir)
		if !slices.Contains(options, "--sentinel") {
			args = append(args, "--save", "")
		}
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
		plain, err := net.Dial("tcp", addr) // the client would log the first refusals
		if err != nil {
			return err
		}
		_ = plain.Close()
		err = c.Ping(ctx).Err()
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

// Stop kills the servers and removes their files.
func (r *Redis) Stop() {
	for _, p := range r.processes {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
	_ = os.RemoveAll(r.dir)
}
