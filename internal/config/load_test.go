package config

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// fileCases are files with what is wrong with them; they also seed the fuzz target.
var fileCases = []struct {
	name, yaml string
	want       []string // exact problems without the indentation; nil: accepted
}{
	{"empty", "", nil},
	{"comments only", "# nothing\n", nil},
	{"null document", "---\n~\n", nil},
	{"text without a value", "admin_passwd:\nlisten: ~\nsentinels:\nredis_address:\n", nil},
	{"alias of a scalar", "push_message_expire: &h 2\npush_message_max_expire: *h\n", nil},

	{"text for a number", "redis_db: \"1\"\n",
		[]string{`redis_db (f.yaml:1): got "1"; want a whole number from 0 to 65535`}},
	{"unit behind a number", "\npingInterval: 20s\n",
		[]string{`pingInterval (f.yaml:2): got "20s"; want a whole number of milliseconds from 50 to 3600000`}},
	{"nothing for a number", "socket_port:\n",
		[]string{`socket_port (f.yaml:1): got nothing; want a whole number from 1 to 65535`}},
	{"fraction for a whole number", "redis_db: 1.0\n",
		[]string{`redis_db (f.yaml:1): got 1.0; want a whole number from 0 to 65535`}},
	{"fraction of a millisecond", "pingInterval: 100.5\n",
		[]string{`pingInterval (f.yaml:1): got 100.5; want a whole number of milliseconds from 50 to 3600000`}},
	{"fraction of a second", "push_message_expire: 0.0101\n",
		[]string{`push_message_expire (f.yaml:1): got 0.0101; want a number of hours from 0.01 to 87600, in whole seconds`}},
	{"octal", "socket_port: 010\n",
		[]string{`socket_port (f.yaml:1): got 010; want a whole number from 1 to 65535`}},
	{"hexadecimal", "socket_port: 0x10\n",
		[]string{`socket_port (f.yaml:1): got 0x10; want a whole number from 1 to 65535`}},
	{"exponent", "max_payload: 1e6\n",
		[]string{`max_payload (f.yaml:1): got 1e6; want a whole number of bytes from 1000 to 100000000`}},
	{"infinity", "client_push_interval: .inf\n",
		[]string{`client_push_interval (f.yaml:1): got .inf; want a number of seconds from 0 to 3600, in whole milliseconds`}},
	{"number too large for arithmetic", "client_legacy_expire: 999999999999999999\n",
		[]string{`client_legacy_expire (f.yaml:1): got 999999999999999999; want a number of hours from 1 to 87600, in whole seconds`}},
	{"number too long", "redis_db: 99999999999999999999999999\n",
		[]string{`redis_db (f.yaml:1): got 99999999999999999999999999; want a whole number from 0 to 65535`}},
	{"negative", "redis_db: -1\n",
		[]string{`redis_db (f.yaml:1): got -1; want a whole number from 0 to 65535`}},
	{"out of range", "logic_port: 65536\n",
		[]string{`logic_port (f.yaml:1): got 65536; want a whole number from 1 to 65535`}},
	{"zero timeout", "pingTimeout: 0\n",
		[]string{`pingTimeout (f.yaml:1): got 0; want a whole number of milliseconds from 50 to 3600000`}},

	{"yes", "redis_tls: yes\n", []string{`redis_tls (f.yaml:1): got "yes"; want true or false`}},
	{"quoted true", "redis_tls: \"true\"\n", []string{`redis_tls (f.yaml:1): got "true"; want true or false`}},
	{"one for true", "redis_tls: 1\n", []string{`redis_tls (f.yaml:1): got 1; want true or false`}},

	{"number for a text", "node_id: 12\n",
		[]string{`node_id (f.yaml:1): got 12: text needs quotes here; want at most 64 characters of A-Z a-z 0-9 _ . -, or nothing`}},
	{"list for a text", "data_dir: [a]\n", []string{`data_dir (f.yaml:1): got a list; want a directory`}},
	{"mapping for a text", "data_dir: {a: 1}\n", []string{`data_dir (f.yaml:1): got a value of another kind; want a directory`}},
	{"empty where something is needed", "data_dir: \"\"\n", []string{`data_dir (f.yaml:1): got ""; want a directory`}},
	{"control character", "data_dir: \"a\\u0007\"\n",
		[]string{`data_dir (f.yaml:1): got "a\a": contains a control character; want a directory`}},
	{"word that is none of the choices", "log_level: verbose\n",
		[]string{`log_level (f.yaml:1): got "verbose"; want trace, debug, info, warn or error`}},
	{"long value is clipped", "log_format: " + strings.Repeat("ü", 50) + "\n",
		[]string{`log_format (f.yaml:1): got "` + strings.Repeat("ü", 30) + `…"; want auto, console or json`}},
	{"admin name with a colon", "admin_name: a:b\n",
		[]string{`admin_name (f.yaml:1): got "a:b"; want 1 to 100 characters without a colon`}},
	{"host", "socket_ip: 1.2.3.4.5\n", []string{`socket_ip (f.yaml:1): got "1.2.3.4.5"; want an IP address or a host name`}},
	{"listen without port", "listen: localhost\n",
		[]string{`listen (f.yaml:1): got "localhost"; want host:port with a port from 0 to 65535, or nothing`}},
	{"listen with a port out of range", "listen: localhost:70000\n",
		[]string{`listen (f.yaml:1): got "localhost:70000": port out of range; want host:port with a port from 0 to 65535, or nothing`}},
	{"listen on every address, any port", "listen: ':0'\n", nil},

	{"text for a list", "transports: websocket\n",
		[]string{`transports (f.yaml:1): got "websocket"; want a list, not empty, of: polling or websocket`}},
	{"empty list", "transports: []\n",
		[]string{`transports (f.yaml:1): got an empty list; want a list, not empty, of: polling or websocket`}},
	{"item on its own line", "transports:\n  - polling\n  - flash\n",
		[]string{`transports[1] (f.yaml:1): got "flash"; want polling or websocket`}},
	{"item of a wrong type", "transports:\n  - polling\n  - 7\n",
		[]string{`transports[1] (f.yaml:3): got 7: text needs quotes here; want polling or websocket`}},
	{"item twice", "transports: [polling, polling]\n",
		[]string{`transports[1] (f.yaml:1): got "polling": given twice; want each once`}},
	{"nested list", "sentinels: [[a]]\n",
		[]string{`sentinels[0] (f.yaml:1): got a value of another kind; want ` + wantHostPort}},
	{"list too long", "sentinels: [" + strings.Repeat("a:1,", 1200) + "]\n",
		[]string{`sentinels (f.yaml:1): got a longer list; want at most 1000 items`}},

	{"origin with a path", "allowed_origins: [\"https://a.example/x\"]\n",
		[]string{`allowed_origins[0] (f.yaml:1): got "https://a.example/x"; want ` + wantOrigin}},
	{"origin with a slash", "allowed_origins: [\"https://A.example/\"]\n",
		[]string{`allowed_origins[0] (f.yaml:1): got "https://A.example/": browsers send it in lower case and without a slash at the end; want ` + wantOrigin}},
	{"origin with the default port", "allowed_origins: [\"https://a.example:443\"]\n",
		[]string{`allowed_origins[0] (f.yaml:1): got "https://a.example:443": browsers leave out the default port :443; want ` + wantOrigin}},
	{"origin without a host", "allowed_origins: [\"https://\"]\n",
		[]string{`allowed_origins[0] (f.yaml:1): got "https://": the host is missing; want ` + wantOrigin}},
	{"origins", "allowed_origins: [\"https://a.example:8443\", \"http://[::1]:3000\", \"capacitor://localhost\", \"file://\", \"null\"]\n", nil},

	{"address as network", "trusted_proxies: [10.0.0.1]\n",
		[]string{`trusted_proxies[0] (f.yaml:1): got "10.0.0.1": for this address alone write 10.0.0.1/32; want ` + wantPrefix}},
	{"network with host bits", "trusted_proxies: [10.0.0.1/8]\n",
		[]string{`trusted_proxies[0] (f.yaml:1): got "10.0.0.1/8": bits beyond the prefix are set, the network is 10.0.0.0/8; want ` + wantPrefix}},
	{"no network", "trusted_proxies: [lan]\n",
		[]string{`trusted_proxies[0] (f.yaml:1): got "lan"; want ` + wantPrefix}},
	{"mapped network", "trusted_proxies: [\"::ffff:10.0.0.0/104\"]\n",
		[]string{`trusted_proxies[0] (f.yaml:1): got "::ffff:10.0.0.0/104": an IPv4 network is written as such; want ` + wantPrefix}},

	{"redis address", "redis_address: redis\n",
		[]string{`redis_address (f.yaml:1): got "redis"; want host:port, a list of them (a cluster), or nothing`}},
	{"redis port", "redis_address: [\"a:1\", \"b:0\"]\n",
		[]string{`redis_address[1] (f.yaml:1): got "b:0": port out of range; want ` + wantHostPort}},
	{"redis URL", "redis_address: redis://u:hunter2@h:1\n",
		[]string{`redis_address (f.yaml:1): got text (not shown, it may hold a password); want host:port, a list of them (a cluster), or nothing`}},
	{"redis address as mapping", "redis_address: {host: a}\n",
		[]string{`redis_address (f.yaml:1): got a value of another kind; want host:port, a list of them (a cluster), or nothing`}},

	{"secret as number", "admin_passwd: 123456\n",
		[]string{`admin_passwd (f.yaml:1): got a number (not shown): text needs quotes here; want text of at most 4096 bytes, or nothing`}},
	{"secret as list", "redis_password: [hunter2]\n",
		[]string{`redis_password (f.yaml:1): got a list (not shown); want text of at most 4096 bytes, or nothing`}},
	{"secret with a line break", "redis_password: \"hunter2\\n\"\n",
		[]string{`redis_password (f.yaml:1): got text (not shown): contains a control character; want text of at most 4096 bytes, or nothing`}},
	{"secret that looks like an alias", "\nredis_password: *hunter2\n",
		[]string{`f.yaml:2: not YAML: a text that begins with * needs quotes`}},

	{"typing error", "pingIntervall: 1\n", []string{`pingIntervall (f.yaml:1): unknown key, did you mean pingInterval?`}},
	{"other spelling", "ping_timeout: 1\n", []string{`ping_timeout (f.yaml:1): unknown key, did you mean pingTimeout?`}},
	{"secret under a wrong name", "redis_pasword: hunter2\n",
		[]string{`redis_pasword (f.yaml:1): unknown key, did you mean redis_password?`}},
	{"nothing alike", "colour: blue\n", []string{`colour (f.yaml:1): unknown key`}},
	{"key with an escape", "\"a\\e[31m\": 1\n", []string{`"a\x1b[31m" (f.yaml:1): unknown key`}},
	{"twice", "redis_db: 1\nnode_id: a\nredis_db: 2\n", []string{`redis_db (f.yaml:3): given twice, first on line 1`}},
	{"key is a list", "? [a]\n: 1\n", []string{`f.yaml:1: a key must be a name`}},
	{"profile of the predecessor", "default: &default\n  redis_db: 1\nprod:\n  <<: *default\n", []string{
		`default (f.yaml:1): profiles are not used here: remove this level, keys stand at the top level of the file`,
		`prod (f.yaml:3): profiles are not used here: remove this level, keys stand at the top level of the file`}},
	{"profile under its own name", "berlin: {redis_db: 1}\n",
		[]string{`berlin (f.yaml:1): profiles are not used here: remove this level, keys stand at the top level of the file`}},
	{"profile name that is no profile", "dev: 1\n", []string{`dev (f.yaml:1): unknown key`}},
	{"not a mapping", "redis_password=hunter2\n",
		[]string{"f.yaml:1: the top level must be a mapping of keys to values, as `redis_db: 0`"}},
	{"two documents", "redis_db: 1\n---\nredis_db: 2\n", []string{`f.yaml:2: a second document; the file must be one`}},
	{"not YAML", "a: b: c\n", []string{`f.yaml: not YAML: mapping values are not allowed in this context`}},
	{"tab", "redis_db: 1\n\tnode_id: a\n", []string{`f.yaml:2: not YAML: found a tab character that violates indentation`}},

	{"expression does not compile", "key_reg: \"^[a\"\n",
		[]string{"key_reg (f.yaml:1): got \"^[a\": error parsing regexp: missing closing ]: `[a`; want " + wantKeyReg}},
	{"expression accepts a separator", "key_reg: \"^[a-z:]+$\"\n",
		[]string{`key_reg (f.yaml:1): got "^[a-z:]+$": it accepts the character ':'; want ` + wantKeyReg}},
	{"expression is open", "key_reg: \"[a-z]+\"\n",
		[]string{`key_reg (f.yaml:1): got "[a-z]+": it matches a part of any text, begin it with ^ and end it with $; want ` + wantKeyReg}},

	{"default above maximum", "push_message_expire: 11\n",
		[]string{`push_message_expire (f.yaml:1): got 11; want at most push_message_max_expire, which is 10 hours`}},
	{"maximum below default", "push_message_max_expire: 0.5\n",
		[]string{`push_message_expire (default): got 1; want at most push_message_max_expire, which is 0.5 hours`}},
	{"canaries too close together", "canary_interval: 499\n", []string{`canary_interval (f.yaml:1): too short; want 0, or at least 500`}},
	{"lease shorter than Redis may take", "redis_timeout: 5000\nnode_lease: 4000\n",
		[]string{`redis_timeout (f.yaml:1): got 5000; want at most node_lease, which is 4000 milliseconds`}},
	{"send buffer below payload", "max_payload: 5000000\n",
		[]string{`send_buffer (default): got 4194304; want at least max_payload, which is 5000000 bytes`}},
	{"send buffer below body", "rest_body_limit: 5000000\n",
		[]string{`send_buffer (default): got 4194304; want at least rest_body_limit, which is 5000000 bytes`}},
	{"sentinels and a cluster", "sentinels: [\"a:1\"]\nsentinels_name: m\nredis_address: [\"a:1\"]\n",
		[]string{`sentinels (f.yaml:1): set together with a list in redis_address; want sentinels or a cluster, not both`}},
	{"sentinels and one address", "sentinels: [\"a:1\"]\nsentinels_name: m\nredis_address: \"127.0.0.1:6379\"\n", nil},
	{"sentinels without a name", "sentinels: [\"a:1\"]\n",
		[]string{`sentinels_name (default): got nothing; want the name of the master, because sentinels are set`}},
	{"cluster with a database", "redis_address: [\"a:1\"]\nredis_db: 3\n",
		[]string{`redis_db (f.yaml:2): got 3; want 0, because redis_address is a cluster`}},
	{"insecure without TLS", "redis_tls_insecure: true\n",
		[]string{`redis_tls_insecure (f.yaml:1): got true; want redis_tls: true as well, or the connection is not encrypted at all`}},
	{"combination of a refused key is not looked at", "push_message_expire: 11\npush_message_max_expire: x\n",
		[]string{`push_message_max_expire (f.yaml:2): got "x"; want a number of hours from 0.01 to 87600, in whole seconds`}},

	{"everything at once", "redis_db: x\nprod: {redis_db: 1}\nnode_idd: a\npush_message_expire: 99\n", []string{
		`redis_db (f.yaml:1): got "x"; want a whole number from 0 to 65535`,
		`prod (f.yaml:2): profiles are not used here: remove this level, keys stand at the top level of the file`,
		`node_idd (f.yaml:3): unknown key, did you mean node_id?`,
		`push_message_expire (f.yaml:4): got 99; want at most push_message_max_expire, which is 10 hours`}},
}

const wantKeyReg = "a regular expression (RE2) from ^ to $ that accepts no space, no control character and none of {},:|*"

func TestParse(t *testing.T) {
	for _, tc := range fileCases {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := Parse("f.yaml", []byte(tc.yaml))
			wantProblems(t, err, tc.want)
		})
	}
}

// wantProblems compares the problems of err, and their text, with want.
func wantProblems(t *testing.T, err error, want []string) {
	t.Helper()
	if len(want) == 0 {
		if err != nil {
			t.Errorf("unexpected: %v", err)
		}
		return
	}
	wantText := "invalid configuration:\n  " + strings.Join(want, "\n  ")
	if err == nil || err.Error() != wantText {
		t.Fatalf("got\n%v\nwant\n%s", err, wantText)
	}
	var e *Error
	if !errors.Is(err, ErrInvalid) || !errors.As(err, &e) || len(e.Problems) != len(want) {
		t.Errorf("not an *Error of %d problems: %#v", len(want), err)
	}
}

func TestFileValues(t *testing.T) {
	cfg, sources, err := Parse("f.yaml", []byte(`
listen: 127.0.0.1:0
redis_address: [ "a:1", "[::1]:2" ]
pingInterval: 300
client_push_interval: 0.25
push_message_expire: 0.5
redis_tls: true
trusted_proxies:
  - 10.0.0.0/8
  - fd00::/8
admin_passwd: "123456"
key_reg: '^[a-z/_\-]+$'
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Listen = "127.0.0.1:0"
	want.RedisAddress = Address{Nodes: []string{"a:1", "[::1]:2"}, Cluster: true}
	want.PingInterval = 300 * time.Millisecond
	want.ClientPushInterval = 250 * time.Millisecond
	want.PushMessageExpire = 30 * time.Minute
	want.RedisTLS = true
	want.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	want.AdminPasswd = "123456"
	want.KeyReg = `^[a-z/_\-]+$`
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got\n%+v\nwant\n%+v", cfg, want)
	}
	if got := sources["pingInterval"].String(); got != "f.yaml:4" {
		t.Errorf("pingInterval comes from %s", got)
	}
	if got := sources["pingTimeout"].String(); got != "default" {
		t.Errorf("pingTimeout comes from %s", got)
	}
}

func TestRedisAddress(t *testing.T) {
	one := Address{Nodes: []string{"a:1"}}
	oneSeed := Address{Nodes: []string{"a:1"}, Cluster: true}
	two := Address{Nodes: []string{"a:1", "b:2"}, Cluster: true}
	for text, want := range map[string]Address{"a:1": one, "[a:1]": oneSeed, "[a:1, b:2]": two, "[]": {}, `""`: {}} {
		cfg, _, err := Parse("f.yaml", []byte("redis_address: "+text+"\n"))
		if err != nil || !reflect.DeepEqual(cfg.RedisAddress, want) {
			t.Errorf("file %s: %+v, %v", text, cfg.RedisAddress, err)
		}
	}
	for text, want := range map[string]Address{"a:1": one, "[a:1]": oneSeed, " a:1 , b:2 ": two, "[a:1,b:2]": two, "": {}, "[]": {}} {
		cfg, _, err := Load(LoadOptions{Environ: []string{"LIGHTPUSH_REDIS_ADDRESS=" + text}})
		if err != nil || !reflect.DeepEqual(cfg.RedisAddress, want) {
			t.Errorf("variable %q: %+v, %v", text, cfg.RedisAddress, err)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	writeFile(t, file, "redis_db: 1\nnode_id: file\nlogic_port: 1000\n")
	cfg, sources, err := Load(LoadOptions{
		File:    file,
		Environ: []string{"LIGHTPUSH_REDIS_DB=2", "LIGHTPUSH_NODE_ID=env"},
		Flags:   map[string]string{"redis_db": "3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.RedisDB != 3 || cfg.NodeID != "env" || cfg.LogicPort != 1000 || cfg.SocketPort != Default().SocketPort {
		t.Errorf("wrong order: %s", cfg.Redacted())
	}
	want := Sources{
		"redis_db":   {Kind: FromFlag, Name: "redis_db"},
		"node_id":    {Kind: FromEnv, Name: "LIGHTPUSH_NODE_ID"},
		"logic_port": {Kind: FromFile, Name: file, Line: 3},
	}
	if !reflect.DeepEqual(sources, want) {
		t.Errorf("sources %v, want %v", sources, want)
	}
}

func TestFlags(t *testing.T) {
	_, _, err := Load(LoadOptions{Flags: map[string]string{"redis_dbb": "1", "socket_port": "99999", "emit_msg_pick_key": "no"}})
	wantProblems(t, err, []string{
		`emit_msg_pick_key (--emit_msg_pick_key): got "no"; want true or false`,
		`--redis_dbb: unknown flag, did you mean --redis_db?`,
		`socket_port (--socket_port): got 99999; want a whole number from 1 to 65535`,
	})
}

func TestMissingFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "missing.yaml")
	_, _, err := Load(LoadOptions{File: file, Environ: []string{"LIGHTPUSH_REDIS_DB=x"}})
	wantProblems(t, err, []string{
		file + ": open " + file + ": no such file or directory",
		`redis_db (LIGHTPUSH_REDIS_DB): got "x"; want a whole number from 0 to 65535`,
	})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not ErrNotExist", err)
	}
}

func TestFileTooLarge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large.yaml")
	writeFile(t, file, strings.Repeat("#", MaxFileSize+1))
	_, _, err := Load(LoadOptions{File: file})
	wantProblems(t, err, []string{file + ": file too large: more than 1048576 bytes"})
}

// TestProblemsAreBounded: a file of nothing but mistakes is refused quickly and with a short error.
func TestProblemsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := 0; b.Len() < MaxFileSize-40; i++ {
		b.WriteString("k" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + ": 1\n")
	}
	_, _, err := Parse("f.yaml", []byte(b.String()))
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) != maxProblems || e.More == 0 {
		t.Fatalf("got %.200v", err)
	}
	if n := len(err.Error()); n > 20_000 {
		t.Errorf("the error has %d bytes", n)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
