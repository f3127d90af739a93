package doctor

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Needs of the kernel, whatever the number of clients.
const (
	somaxconnNeeded = 4096
	backlogNeeded   = 2048
	portsNeeded     = 28_000
	filesReserve    = 1000 // besides clients: Redis, logs, REST
)

// System checks the limits of this machine for so many clients. proc is /proc.
func System(proc fs.FS, files uint64, clients int) []Line {
	lines := []Line{checkFiles(files, clients), checkPorts(proc, clients)}
	lines = append(lines,
		checkSysctl(proc, "accept queue", "net.core.somaxconn", somaxconnNeeded),
		checkSysctl(proc, "SYN backlog", "net.ipv4.tcp_max_syn_backlog", backlogNeeded))
	return append(lines, checkSysctl(proc, "open files, machine", "fs.file-max", clients+filesReserve))
}

func checkFiles(files uint64, clients int) Line {
	need := uint64(clients + filesReserve)
	level := OK
	switch {
	case files == 0:
		return judged("open files, process", Skip, "unknown on this system", "", "")
	case files < need:
		level = Fail
	}
	return judged("open files, process", level, strconv.FormatUint(files, 10), fmt.Sprintf("%d for %d clients", need, clients),
		fmt.Sprintf("LimitNOFILE=%d in the systemd unit (or in the shell: ulimit -n %d)", need, need))
}

// checkPorts matters where connections begin: on the proxy, and on the machine of a simulator.
func checkPorts(proc fs.FS, clients int) Line {
	const name = "local ports"
	var low, high int
	text, err := fs.ReadFile(proc, "sys/net/ipv4/ip_local_port_range")
	if err == nil {
		_, err = fmt.Sscan(string(text), &low, &high)
	}
	if err != nil || high < low {
		return judged(name, Skip, "unknown on this system", "", "")
	}
	n, level := high-low+1, OK
	need := max(portsNeeded, min(clients, 60_000))
	if n < need {
		level = Warn
	}
	return judged(name, level, fmt.Sprintf("%d to %d, %d ports", low, high, n),
		fmt.Sprintf("%d where a proxy of these clients runs, for each upstream address", need),
		`sysctl -w net.ipv4.ip_local_port_range="1024 65535"`)
}

func checkSysctl(proc fs.FS, check, name string, need int) Line {
	text, err := fs.ReadFile(proc, "sys/"+strings.ReplaceAll(name, ".", "/"))
	n, numErr := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || numErr != nil {
		return judged(check, Skip, name+" is unknown on this system", "", "")
	}
	level := OK
	if n < uint64(need) {
		level = Fail
	}
	return judged(check, level, fmt.Sprintf("%s = %d", name, n), strconv.Itoa(need), fmt.Sprintf("sysctl -w %s=%d", name, need))
}
