//go:build e2e

package e2e

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listening are the addresses a process listens at, TCP and UDP.
func listening(t testing.TB, p *process) (found []string) {
	t.Helper()
	own := map[string]bool{}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.cmd.Process.Pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && strings.HasPrefix(target, "socket:[") {
			own[strings.Trim(strings.TrimPrefix(target, "socket:"), "[]")] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", p.cmd.Process.Pid, table))
		if err != nil {
			continue // no IPv6
		}
		for _, line := range strings.Split(string(text), "\n")[1:] {
			fields := strings.Fields(line)
			// 0A is LISTEN; a UDP socket that may be sent to is 07.
			if len(fields) < 10 || !own[fields[9]] || (fields[3] != "0A" && !(strings.HasPrefix(table, "udp") && fields[3] == "07")) {
				continue
			}
			found = append(found, table+" "+kernelAddress(t, fields[1]))
		}
	}
	slices.Sort(found)
	return found
}

// kernelAddress reads an address as /proc/net has it: words of 32 bits in the order of the machine.
func kernelAddress(t testing.TB, text string) string {
	t.Helper()
	address, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(address)
	if err != nil || len(b)%4 != 0 {
		t.Fatalf("address %q", text)
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	var n int
	if _, err := fmt.Sscanf(port, "%x", &n); err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(net.IP(b).String(), fmt.Sprint(n))
}

// TestDefaultStartIsLoopbackOnly: `lightpush` without any option listens on one port of this machine itself, and on
// nothing else.
func TestDefaultStartIsLoopbackOnly(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:21314")
	if err != nil {
		t.Skipf("the default port is in use on this machine: %v", err)
	}
	_ = l.Close()
	p := startProcess(t, "lightpush", nil, binary, "--data-dir", t.TempDir())
	p.waitOutput("its ready lines", func(lines []string) bool { return find(lines, curlLine) != nil })
	found := listening(t, p)
	if !slices.Equal(found, []string{"tcp 127.0.0.1:21314"}) {
		t.Errorf("listens at %v", found)
	}
	// From outside, whatever address this machine has, nobody answers.
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		ip, _, err := net.ParseCIDR(a.String())
		if err != nil || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
			continue
		}
		if conn, err := net.Dial("tcp", net.JoinHostPort(ip.String(), "21314")); err == nil {
			_ = conn.Close()
			t.Errorf("%s answers", ip)
		}
	}
}
