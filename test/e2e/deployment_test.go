//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// deployment is a running lightpush, however many processes it has.
type deployment struct {
	sockets   []string // base URLs of the connectors
	apis      []string // base URLs of the logic processes
	admin     credential
	namespace credential
	procs     []*process // the lightpush processes
}

type credential struct{ name, passwd string }

// api returns the REST client of the deployment's namespace on its i-th logic process.
func (d *deployment) api(t testing.TB, i int) *api {
	return &api{t: t, base: d.apis[i], as: d.namespace}
}

func (d *deployment) adminAPI(t testing.TB, i int) *api {
	return &api{t: t, base: d.apis[i], as: d.admin}
}

// host returns host:port of the i-th connector.
func (d *deployment) host(i int) string { return strings.TrimPrefix(d.sockets[i], "http://") }

// connectorProcess returns the process of the i-th connector of startRoles.
func (d *deployment) connectorProcess(i int) *process { return d.procs[len(d.apis)+i] }

// forEachDeployment runs a test against both forms a user can start.
func forEachDeployment(t *testing.T, test func(t *testing.T, d *deployment)) {
	t.Run("all-in-one", func(t *testing.T) { test(t, startAllInOne(t, t.TempDir()).deployment) })
	t.Run("connector+logic", func(t *testing.T) { test(t, startRoles(t, 1, 1)) })
}

// allInOne is the single process with what it printed.
type allInOne struct {
	*deployment
	proc *process
	curl string // the printed command, "" unless it was the first start
}

// Lines the all-in-one process prints when it is ready. Admin, namespace and curl appear at the first start only.
var (
	readyLine   = regexp.MustCompile(`^lightpush \S+.* is ready`)
	socketLine  = regexp.MustCompile(`^\s+Socket\.IO\s+(http://\S+)/socket\.io/\s*$`)
	apiLine     = regexp.MustCompile(`^\s+REST API\s+(http://\S+)/api/\s*$`)
	consoleLine = regexp.MustCompile(`^\s+Console\s+(http://\S+/push-admin/)\s*$`)
	adminLine   = regexp.MustCompile(`^\s+Admin\s+(\S+) / (\S+)\s*$`)
	nsLine      = regexp.MustCompile(`^\s+Namespace\s+(/\S+) / (\S+)\s*$`)
	curlLine    = regexp.MustCompile(`^\s+(curl .+)$`)
	addressText = regexp.MustCompile(`(?:http://)?(127\.0\.0\.1:\d+)`)
)

// find returns the groups of the first line that matches.
func find(lines []string, re *regexp.Regexp) []string {
	for _, line := range lines {
		if m := re.FindStringSubmatch(line); m != nil {
			return m
		}
	}
	return nil
}

// startAllInOne starts `lightpush` on a free port and an empty data directory, with the credentials it prints.
func startAllInOne(t testing.TB, dataDir string) *allInOne {
	t.Helper()
	return launchAllInOne(t, dataDir, curlLine, nil)
}

// restartAllInOne starts `lightpush` on the data directory of an earlier one, whose credentials still hold.
func restartAllInOne(t testing.TB, dataDir string, before *deployment) *allInOne {
	t.Helper()
	return launchAllInOne(t, dataDir, consoleLine, before)
}

func launchAllInOne(t testing.TB, dataDir string, last *regexp.Regexp, before *deployment, env ...string) *allInOne {
	t.Helper()
	p := startProcess(t, "lightpush", append([]string{"LIGHTPUSH_LOG_FORMAT=json"}, env...), binary,
		"--listen", "127.0.0.1:0", "--data-dir", dataDir)
	p.waitOutput("its ready lines", func(lines []string) bool {
		return find(lines, readyLine) != nil && find(lines, last) != nil
	})
	lines, _ := p.output()
	must := func(what string, re *regexp.Regexp) []string {
		t.Helper()
		m := find(lines, re)
		if m == nil {
			t.Fatalf("no %s line in:\n%s", what, strings.Join(lines, "\n"))
		}
		return m
	}
	must("Console", consoleLine)
	a := &allInOne{proc: p, deployment: &deployment{
		sockets: []string{must("Socket.IO", socketLine)[1]},
		apis:    []string{must("REST API", apiLine)[1]},
		procs:   []*process{p},
	}}
	if before != nil {
		a.admin, a.namespace = before.admin, before.namespace
		return a
	}
	admin, ns := must("Admin", adminLine), must("Namespace", nsLine)
	a.admin = credential{admin[1], admin[2]}
	a.namespace = credential{ns[1], ns[2]}
	a.curl = must("curl", curlLine)[1]
	return a
}

// startRoles starts Redis and the given numbers of connector and logic processes, with env added to the environment of
// each, and creates /demo over REST.
func startRoles(t testing.TB, connectors, logics int, env ...string) *deployment {
	t.Helper()
	redis := startRedis(t)
	d := &deployment{admin: credential{"admin", "e2e-admin-passwd"}, namespace: credential{"/demo", "e2e-demo-passwd"}}
	for i := range logics {
		d.apis = append(d.apis, d.startRole(t, "logic", i, redis, env...))
	}
	for i := range connectors {
		d.sockets = append(d.sockets, d.startRole(t, "connector", i, redis, env...))
	}
	d.adminAPI(t, 0).post("/api/admin/namespace/save", map[string]any{
		"key": d.namespace.name, "name": "Demo", "auth_passwd": d.namespace.passwd,
	}, 200)
	for i := range d.sockets {
		d.waitNamespace(t, i)
	}
	return d
}

// startRole starts one process, with more environment, and returns its base URL.
func (d *deployment) startRole(t testing.TB, role string, i int, redis string, env ...string) string {
	t.Helper()
	args := []string{role, "--listen", "127.0.0.1:0"}
	if redis != "" { // else env says where
		args = append(args, "--redis", redis)
	}
	p := startProcess(t, fmt.Sprintf("%s %d", role, i),
		append([]string{"LIGHTPUSH_ADMIN_PASSWD=" + d.admin.passwd, "LIGHTPUSH_LOG_FORMAT=json"}, env...),
		binary, args...)
	p.waitOutput("its ready line and address", func(lines []string) bool {
		return find(lines, readyLine) != nil && find(lines, addressText) != nil
	})
	d.procs = append(d.procs, p)
	lines, _ := p.output()
	return "http://" + find(lines, addressText)[1]
}

// terminate ends all processes, connectors first.
func (d *deployment) terminate() {
	var all sync.WaitGroup
	for i := len(d.procs) - 1; i >= 0; i-- {
		if i == len(d.apis)-1 {
			all.Wait()
		}
		all.Go(d.procs[i].terminate)
	}
	all.Wait()
}

// waitNamespace waits until a connector has heard of the namespace. The probe has no legal uuid: it is refused either
// way and leaves no trace in the figures.
func (d *deployment) waitNamespace(t testing.TB, i int) {
	t.Helper()
	eventually(t, 10*time.Second, "namespace known to connector", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		conn, err := wsclient.Dial(ctx, wsclient.Config{
			Addr: d.host(i), EIO: 4, Namespace: d.namespace.name, Query: url.Values{"uuid": {"not legal!"}},
		})
		var refused *wsclient.Refused
		switch {
		case err == nil:
			_ = conn.Close()
			return errors.New("an illegal uuid was accepted")
		case errors.As(err, &refused) && refused.Text == "uuid invalid":
			return nil
		default:
			return err
		}
	})
}

// startRedis starts redis-server on a free port with an append-only file in a temporary directory.
func startRedis(t testing.TB) (addr string) {
	t.Helper()
	addr = freeAddress(t)
	_, port, _ := net.SplitHostPort(addr)
	p := startProcess(t, "redis-server", nil, need(t, "redis-server"), "--bind", "127.0.0.1", "--port", port,
		"--dir", t.TempDir(), "--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--daemonize", "no")
	ready := regexp.MustCompile(`Ready to accept connections`)
	p.waitOutput("that it is ready", func(lines []string) bool { return find(lines, ready) != nil })
	redisProcesses.Store(t, p)
	t.Cleanup(func() { redisProcesses.Delete(t) })
	return addr
}

// redisProcesses are the servers of startRedis, by their test.
var redisProcesses sync.Map

// redisProcess is the one that was started for the test last.
func redisProcess(t testing.TB) *process {
	t.Helper()
	p, ok := redisProcesses.Load(t)
	if !ok {
		t.Fatal("no Redis was started for this test")
	}
	return p.(*process)
}

// freeAddress returns a loopback address nobody listens on at the moment.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// need finds a program or fails with the way to get it; a missing one must not look like a passed test.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is not installed; `make deps` installs what the end-to-end tests need", program)
	}
	return path
}
