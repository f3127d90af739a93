//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// redisNode is one server of a cluster.
type redisNode struct {
	addr string
	proc *process
}

// startRedisCluster starts six servers: three masters with a replica each.
func startRedisCluster(t *testing.T) []redisNode {
	t.Helper()
	ready := regexp.MustCompile(`Ready to accept connections`)
	var nodes []redisNode
	args := []string{"--cluster", "create"}
	for i := range 6 {
		addr := clusterAddress(t)
		_, port, _ := net.SplitHostPort(addr)
		dir := t.TempDir()
		p := startProcess(t, fmt.Sprintf("redis %d", i), nil, need(t, "redis-server"), "--bind", "127.0.0.1", "--port", port,
			"--dir", dir, "--cluster-enabled", "yes", "--cluster-config-file", filepath.Join(dir, "nodes.conf"), "--cluster-node-timeout", "2000",
			"--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--repl-diskless-sync-delay", "0")
		p.waitOutput("that it is ready", func(lines []string) bool { return find(lines, ready) != nil })
		nodes = append(nodes, redisNode{addr, p})
		args = append(args, addr)
	}
	args = append(args, "--cluster-replicas", "1", "--cluster-yes")
	if out, err := exec.Command(need(t, "redis-cli"), args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, n := range nodes {
		eventually(t, time.Minute, "the cluster is formed", func() error {
			if info := redisAsk(t, n.addr, "", "CLUSTER", "INFO"); !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:6") {
				return errors.New(info)
			}
			info := redisAsk(t, n.addr, "", "INFO", "replication")
			if strings.Contains(info, "role:master") && !strings.Contains(info, "state=online") ||
				strings.Contains(info, "role:slave") && !strings.Contains(info, "master_link_status:up") {
				return errors.New(info)
			}
			return nil
		})
	}
	return nodes
}

// clusterAddress leaves room for the cluster bus, 10,000 above.
func clusterAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := freeAddress(t)
		host, port, _ := net.SplitHostPort(addr)
		var n int
		if _, err := fmt.Sscan(port, &n); err != nil || n > 55_000 {
			n -= 20_000
			addr = net.JoinHostPort(host, fmt.Sprint(n))
		}
		free := true
		for _, p := range []int{n, n + 10_000} {
			l, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(p)))
			if err != nil {
				free = false
				continue
			}
			_ = l.Close()
		}
		if free {
			return addr
		}
	}
	t.Fatal("no free pair of ports")
	return ""
}

// TestClusterMasterKilled: a cluster of six loses one master after the other under traffic. What was answered 200 is
// not lost.
func TestClusterMasterKilled(t *testing.T) {
	nodes := startRedisCluster(t)
	var seeds []string
	for _, n := range nodes {
		seeds = append(seeds, n.addr)
	}
	env := []string{"LIGHTPUSH_REDIS_ADDRESS=[" + strings.Join(seeds, ",") + "]"}
	d := startOn(t, "", 2, 2, env...)
	f := newFleet(t, d, 100, 10)
	f.start()
	f.waitReady(time.Minute)
	stop := f.pushing(40)
	time.Sleep(2 * time.Second)
	f.mu.Lock()
	if len(f.answer) > 0 {
		t.Errorf("before anything was done to it pushes were answered %v", f.answer)
	}
	f.mu.Unlock()
	victim := nodes[0] // redis-cli makes the first three masters
	victim.proc.kill()
	start := time.Now()
	eventually(t, time.Minute, "a replica takes over", func() error {
		for _, n := range nodes[1:] {
			if info := redisAsk(t, n.addr, "", "CLUSTER", "INFO"); !strings.Contains(info, "cluster_state:ok") {
				return errors.New(info)
			}
			if list := redisAsk(t, n.addr, "", "CLUSTER", "NODES"); strings.Count(list, "master") != 4 { // the dead one counts
				return errors.New(list)
			}
		}
		return nil
	})
	t.Logf("taken over after %s", time.Since(start).Round(time.Millisecond))
	time.Sleep(4 * time.Second)
	stop()
	f.settle(time.Minute)
	for room := range f.rooms {
		d.api(t, 0).waitOnline(fmt.Sprintf("g%d", room), len(f.clients)/f.rooms, eventTimeout)
	}
}
