package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const wantHostPort = "host:port with a port from 1 to 65535 (IPv6 as [::1]:6379)"

// hostName is a DNS name in letters, digits, hyphens and underscores (container names have those).
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?$`)

// numericHost is a name of digits and dots only: an IPv4 address gone wrong.
var numericHost = regexp.MustCompile(`^[0-9.]+$`)

func isHost(s string) (bool, string) {
	if _, err := netip.ParseAddr(s); err == nil {
		return true, ""
	}
	return len(s) <= 253 && hostName.MatchString(s) && !numericHost.MatchString(s), ""
}

func isHostPort(s string) (bool, string) { return hostPort(s, 1) }

// isListenAddress also takes an empty host (every address) and port 0 (any free port).
func isListenAddress(s string) (bool, string) {
	if s == "" {
		return true, ""
	}
	if port, found := strings.CutPrefix(s, ":"); found {
		s = "localhost:" + port
	}
	return hostPort(s, 0)
}

func hostPort(s string, minPort int) (bool, string) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return false, ""
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || int(n) < minPort || strconv.FormatUint(n, 10) != port {
		return false, "port out of range"
	}
	return isHost(host)
}

// oneOf accepts the given words.
func oneOf(words ...string) judge {
	return func(s string) (bool, string) { return slices.Contains(words, s), "" }
}

// matching accepts what the expression matches.
func matching(expr string) judge {
	re := regexp.MustCompile(expr)
	return func(s string) (bool, string) { return re.MatchString(s), "" }
}

// ofLength accepts texts of lo to hi characters.
func ofLength(lo, hi int) judge {
	return func(s string) (bool, string) {
		n := utf8.RuneCountInString(s)
		return n >= lo && n <= hi, ""
	}
}

const wantOrigin = `"*" or an origin such as https://app.example.com`

// origin is scheme://host[:port] as browsers write it: lower case, no path. Also null, which sandboxed pages send.
var origin = regexp.MustCompile(`^([a-z][a-z0-9+.-]*)://([a-z0-9._-]*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)

func isOrigin(s string) (bool, string) {
	if s == "*" || s == "null" {
		return true, ""
	}
	m := origin.FindStringSubmatch(s)
	switch {
	case m == nil && origin.MatchString(strings.TrimRight(strings.ToLower(s), "/")):
		return false, "browsers send it in lower case and without a slash at the end"
	case m == nil:
		return false, ""
	case m[1] == "http" && m[3] == ":80", m[1] == "https" && m[3] == ":443":
		return false, fmt.Sprintf("browsers leave out the default port %s", m[3])
	case (m[1] == "http" || m[1] == "https") && m[2] == "":
		return false, "the host is missing"
	}
	return true, ""
}
