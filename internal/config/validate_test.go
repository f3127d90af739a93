package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestDefaultIsValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

// TestValidate changes one thing in the default at a time.
func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name   string
		mutate func(c *Config)
		want   []string
	}{
		{"ping timeout", func(c *Config) { c.PingTimeout = 0 },
			[]string{`pingTimeout (default): got 0; want a whole number of milliseconds from 50 to 3600000`}},
		{"finer than the unit", func(c *Config) { c.PingTimeout = time.Second + time.Microsecond },
			[]string{`pingTimeout (default): got 1000.001; want a whole number of milliseconds from 50 to 3600000`}},
		{"lease", func(c *Config) { c.NodeLease = 2999 * time.Millisecond },
			[]string{
				`node_lease (default): got 2999; want a whole number of milliseconds from 3000 to 600000`}},
		{"expire", func(c *Config) { c.PushMessageExpire = 11 * time.Hour },
			[]string{`push_message_expire (default): got 11; want at most push_message_max_expire, which is 10 hours`}},
		{"viewer without a password", func(c *Config) { c.ViewerName = "watcher" },
			[]string{`viewer_passwd (default): want a password for viewer_name`}},
		{"viewer is the administrator", func(c *Config) { c.ViewerName, c.ViewerPasswd = "admin", "x" },
			[]string{`viewer_name (default): it is the name of the administrator`}},
		{"viewer like a namespace", func(c *Config) { c.ViewerName, c.ViewerPasswd = "/a", "x" },
			[]string{`viewer_name (default): got "/a"; want up to 100 characters without a colon, the first no slash`}},
		{"transports", func(c *Config) { c.Transports = nil },
			[]string{`transports (default): got an empty list; want a list, not empty, of: polling or websocket`}},
		{"several nodes without cluster", func(c *Config) { c.RedisAddress.Nodes = []string{"a:1", "b:1"} },
			[]string{`redis_address (default): got several nodes: not marked as a cluster; want host:port, a list of them (a cluster), or nothing`}},
		{"zero network", func(c *Config) { c.TrustedProxies = []netip.Prefix{{}} },
			[]string{`trusted_proxies[0] (default): got "invalid Prefix": not a network; want ` + wantPrefix}},
		{"invalid UTF-8", func(c *Config) { c.ApnsApsAlert = "\xff" },
			[]string{`apns_aps_alert (default): got "\xff": not UTF-8; want 1 to 500 characters`}},
		{"long secret", func(c *Config) { c.AdminPasswd = Secret(strings.Repeat("hunter2", 1000)) },
			[]string{`admin_passwd (default): got text (not shown): longer than 4096 bytes; want text of at most 4096 bytes, or nothing`}},
		{"long list", func(c *Config) { c.Sentinels = make([]string, 1001) },
			[]string{`sentinels (default): got a longer list; want at most 1000 items`}},
		{"two at once", func(c *Config) { c.SocketPort, c.LogLevel = 0, "loud" }, []string{
			`socket_port (default): got 0; want a whole number from 1 to 65535`,
			`log_level (default): got "loud"; want trace, debug, info, warn or error`}},
		{"free port", func(c *Config) { c.Listen = "127.0.0.1:0" }, nil},
		{"other prefix", func(c *Config) { c.RedisPrefix = "p_" }, nil},
		{"prefix with a hash tag", func(c *Config) { c.RedisPrefix = "{a}" },
			[]string{`redis_prefix (default): got "{a}"; want at most 32 characters of A-Z a-z 0-9 _ . : - /`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Default()
			tc.mutate(&c)
			wantProblems(t, c.Validate(), tc.want)
		})
	}
}

// TestBounds tries both bounds of every number and what lies beyond.
func TestBounds(t *testing.T) {
	for _, k := range Keys() {
		var set func(c *Config, n int64)
		var low, high, step int64
		switch v := k.value.(type) {
		case intValue:
			set = func(c *Config, n int64) { *v.field(c) = int(n) }
			low, high, step = int64(v.min), int64(v.max), 1
		case durationValue:
			set = func(c *Config, n int64) { *v.field(c) = time.Duration(n) }
			low, high, step = int64(v.min), int64(v.max), int64(v.unit.grain)
		default:
			continue
		}
		for n, accepted := range map[int64]bool{low - step: false, low: true, high: true, high + step: false} {
			c := Default()
			set(&c, n)
			if faults := k.value.check(&c); (faults == nil) != accepted {
				t.Errorf("%s = %s: %v", k.Name, k.value.write(&c), faults)
			}
		}
	}
}

func TestKeyReg(t *testing.T) {
	for expr, why := range map[string]string{
		Default().KeyReg:           "",
		`^[a-z]+$`:                 "",
		`^(?:[a-z]+|/[0-9]{1,9})$`: "",
		`^\w+$`:                    "",
		`(?i)^\p{Han}+$`:           "",
		`\A[a-z]\z`:                "",
		`^[a-z]+(^:)?$`:            "", // behind a letter the second ^ cannot hold
		`^[a-z]*(^:)?$`:            "it accepts the character ':'",
		`^[a-z](\b:)?$`:            "it accepts the character ':'",
		`^.+$`:                     `it accepts the character '{'`,
		`(?s)^.$`:                  `it accepts the character '{'`,
		`^[^:]+$`:                  `it accepts the character '{'`,
		`^[A-Z]+:[A-Z]+$`:          `it accepts the character ':'`,
		`^\S+$`:                    `it accepts the character '{'`,
		`^[a-z\s]+$`:               `it accepts the character ' '`,
		`^[a-z\x00]+$`:             `it accepts the character '\x00'`,
		`^[a\x{85}]+$`:             `it accepts the character '\u0085'`,
		`(?m)^a$`:                  "it matches a part of any text, begin it with ^ and end it with $",
		`^a`:                       "it matches a part of any text, begin it with ^ and end it with $",
		`a$`:                       "it matches a part of any text, begin it with ^ and end it with $",
		`^a$|b`:                    "it matches a part of any text, begin it with ^ and end it with $",
		``:                         "empty or longer than 512 bytes",
		`^a(?=b)$`:                 "error parsing regexp: invalid or unsupported Perl syntax: `(?=`",
		`^(a{100}b{100}){4}$`:      "",
		`^([a-z]{900}){900}$`:      "error parsing regexp: invalid repeat count: `{900}`",
		`^(a|b|c|d|e|f){1000}(g|h|i|j|k|l|m|n|o|p|qr|st|uv|wx|yz|ab|bc){1000}$`: "too large once its repetitions are written out",
	} {
		ok, got := isKeyReg(expr)
		if ok != (why == "") || got != why {
			t.Errorf("%q: %q, want %q", expr, got, why)
		}
	}
}
