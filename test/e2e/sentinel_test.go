//go:build e2e

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// aclRules are what doc/redis.md tells operators to give the user of lightpush.
const aclRules = "~lp:* +@read +@write +@scripting +@connection +info +time"

// TestRedisPasswordACLAndTLS: a Redis that wants TLS, and a user that may do no more than doc/redis.md says.
func TestRedisPasswordACLAndTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "redis.crt"), filepath.Join(dir, "redis.key")
	selfSigned(t, cert, key)
	acl := filepath.Join(dir, "users.acl")
	rules := "user default off\nuser lightpush on >redis-e2e-passwd " + aclRules + "\n"
	if err := os.WriteFile(acl, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	documented, err := os.ReadFile(filepath.Join("..", "..", "doc", "redis.md"))
	if err != nil || !strings.Contains(string(documented), aclRules) {
		t.Errorf("doc/redis.md does not say %q (%v)", aclRules, err)
	}
	addr := freeAddress(t)
	_, port, _ := net.SplitHostPort(addr)
	p := startProcess(t, "redis-server", nil, need(t, "redis-server"), "--bind", "127.0.0.1", "--port", "0", "--tls-port", port,
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no",
		"--aclfile", acl, "--dir", dir, "--save", "", "--appendonly", "yes")
	ready := regexp.MustCompile(`Ready to accept connections`)
	p.waitOutput("that it is ready", func(lines []string) bool { return find(lines, ready) != nil })

	d := startOn(t, addr, 2, 1, "LIGHTPUSH_REDIS_TLS=true", "SSL_CERT_FILE="+cert,
		"LIGHTPUSH_REDIS_USERNAME=lightpush", "LIGHTPUSH_REDIS_PASSWORD=redis-e2e-passwd")
	drv := startNode(t)
	for i, lib := range []string{"v2", "v4"} {
		runCore(t, rig{drv: drv, lib: lib, mode: modes[i], url: d.sockets[i], namespace: d.namespace.name, api: d.api(t, 0)}, lib)
	}
	f := newFleet(t, d, 20, 2)
	f.start()
	f.waitReady(time.Minute)
	stop := f.pushing(20)
	time.Sleep(2 * time.Second)
	stop()
	f.settle(eventTimeout)
}

// redisServer starts a server with the given configuration and returns its address.
func redisServer(t testing.TB, name string, args ...string) (string, *process) {
	t.Helper()
	addr := freeAddress(t)
	_, port, _ := net.SplitHostPort(addr)
	base := []string{"--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--daemonize", "no"}
	p := startProcess(t, name, nil, need(t, "redis-server"), append(base, args...)...)
	ready := regexp.MustCompile(`Ready to accept connections`)
	p.waitOutput("that it is ready", func(lines []string) bool { return find(lines, ready) != nil })
	return addr, p
}

// TestSentinelFailover: the master dies under traffic, a replica takes over, and what was answered 200 is not lost: the
// sender repeats what was not answered, and the nodes find their streams, their clients and their index again.
func TestSentinelFailover(t *testing.T) {
	const passwd = "redis-e2e-passwd"
	auth := []string{"--requirepass", passwd, "--masterauth", passwd, "--repl-diskless-sync-delay", "0"}
	master, first := redisServer(t, "redis master", auth...)
	host, port, _ := net.SplitHostPort(master)
	var replicas []string
	for i := range 2 {
		addr, _ := redisServer(t, fmt.Sprintf("redis replica %d", i), append(auth, "--replicaof", host+" "+port)...)
		replicas = append(replicas, addr)
	}
	for _, addr := range replicas {
		eventually(t, eventTimeout, "the replica follows", func() error {
			if info := redisAsk(t, addr, passwd, "INFO", "replication"); !strings.Contains(info, "master_link_status:up") {
				return errors.New(info)
			}
			return nil
		})
	}
	var sentinels []string
	for i := range 3 {
		sentinels = append(sentinels, startSentinel(t, i, host, port, passwd))
	}
	for _, s := range sentinels { // they find each other and the replicas
		eventually(t, eventTimeout, "the Sentinel knows the others", func() error {
			answer := redisAsk(t, s, "", "SENTINEL", "master", "main")
			fields := strings.Fields(answer)
			for i := 0; i+1 < len(fields); i++ {
				if fields[i] == "num-other-sentinels" && fields[i+1] != "2" || fields[i] == "num-slaves" && fields[i+1] != "2" {
					return fmt.Errorf("%s is %s", fields[i], fields[i+1])
				}
			}
			return nil
		})
	}
	env := []string{
		"LIGHTPUSH_SENTINELS=" + strings.Join(sentinels, ","), "LIGHTPUSH_SENTINELS_NAME=main", "LIGHTPUSH_REDIS_PASSWORD=" + passwd,
	}
	d := startOn(t, "", 2, 2, env...)
	f := newFleet(t, d, 100, 10)
	f.start()
	f.waitReady(time.Minute)
	stop := f.pushing(50)
	time.Sleep(2 * time.Second)
	first.kill()
	start := time.Now()
	eventually(t, time.Minute, "there is another master", func() error {
		answer := redisAsk(t, sentinels[0], "", "SENTINEL", "get-master-addr-by-name", "main")
		if fields := strings.Fields(answer); len(fields) != 2 || fields[1] == port {
			return errors.New(answer)
		}
		return nil
	})
	t.Logf("another master after %s", time.Since(start).Round(time.Millisecond))
	eventually(t, time.Minute, "pushes are accepted again", func() error {
		status, body, err := d.api(t, 0).do("POST", "/api/auth/push", []byte(`{"room":"nobody","pushData":{}}`))
		if err != nil || status != 200 {
			return fmt.Errorf("%d %s %w", status, body, err)
		}
		return nil
	})
	t.Logf("pushes again after %s", time.Since(start).Round(time.Millisecond))
	time.Sleep(3 * time.Second)
	stop()
	f.settle(time.Minute)
	for room := range f.rooms {
		d.api(t, 0).waitOnline(fmt.Sprintf("g%d", room), len(f.clients)/f.rooms, eventTimeout)
	}
	if n := f.failed.Load(); n > 0 {
		t.Errorf("%d clients had to connect again", n)
	}
}

func startSentinel(t testing.TB, i int, host, port, passwd string) string {
	t.Helper()
	addr := freeAddress(t)
	_, own, _ := net.SplitHostPort(addr)
	dir := t.TempDir()
	file := filepath.Join(dir, "sentinel.conf")
	conf := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor main %s %s 2\nsentinel auth-pass main %s\n"+
		"sentinel down-after-milliseconds main 1500\nsentinel failover-timeout main 10000\nsentinel parallel-syncs main 1\n", own, dir, host, port, passwd)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, fmt.Sprintf("sentinel %d", i), nil, need(t, "redis-server"), file, "--sentinel")
	watches := regexp.MustCompile(`\+monitor master main`)
	p.waitOutput("that it watches", func(lines []string) bool { return find(lines, watches) != nil })
	return addr
}

// redisAsk sends one command and returns the words of the answer, one per line.
func redisAsk(t testing.TB, addr, passwd string, words ...string) string {
	t.Helper()
	answer, err := tryRedisAsk(addr, passwd, words...)
	if err != nil {
		return err.Error()
	}
	return answer
}

func tryRedisAsk(addr, passwd string, words ...string) (string, error) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(c)
	ask := func(words ...string) (string, error) {
		request := fmt.Sprintf("*%d\r\n", len(words))
		for _, w := range words {
			request += fmt.Sprintf("$%d\r\n%s\r\n", len(w), w)
		}
		if _, err := c.Write([]byte(request)); err != nil {
			return "", err
		}
		return readReply(r)
	}
	if passwd != "" {
		if _, err := ask("AUTH", passwd); err != nil {
			return "", err
		}
	}
	return ask(words...)
}

func readReply(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	switch line[0] {
	case '-':
		return "", errors.New(line[1:])
	case '$':
		n, err := strconv.Atoi(line[1:])
		if err != nil || n < 0 {
			return "", err
		}
		text := make([]byte, n+2)
		for at := 0; at < len(text); {
			m, err := r.Read(text[at:])
			if err != nil {
				return "", err
			}
			at += m
		}
		return string(text[:n]), nil
	case '*':
		n, err := strconv.Atoi(line[1:])
		if err != nil {
			return "", err
		}
		var all []string
		for range n {
			item, err := readReply(r)
			if err != nil {
				return "", err
			}
			all = append(all, item)
		}
		return strings.Join(all, "\n"), nil
	}
	return line[1:], nil
}
