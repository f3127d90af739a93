package simulator

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config is one run. Default says what nothing asks for; keys.go says what each key means.
type Config struct {
	// As in light-push's simulator.yaml.
	Server          string
	Path            string
	Namespace       string
	Total           int
	Platform        Mix
	UUIDPrefix      string
	UUIDInit        int
	ConnectInterval time.Duration
	PublicRoom      string
	Rules           []Rule

	// Devices.
	Protocol  Mix // "3", "4"
	Transport Mix // "websocket", "polling", "upgrade"
	AckRatio  float64
	AckDelay  Span
	SlowRatio float64
	SlowPause time.Duration

	// Course.
	ConnectRate    float64 // per second; 0: from Ramp or ConnectInterval
	Ramp           time.Duration
	ConnectWindow  int
	ConnectTimeout time.Duration
	Hold           time.Duration
	Duration       time.Duration
	Drain          time.Duration
	Churn          float64 // share of the clients per second
	StormInterval  time.Duration
	StormShare     float64
	ReconnectDelay time.Duration
	Seed           uint64

	// Pushes.
	PushServer   string // "": Server
	PushPassword string
	PushRate     float64 // per second; 0: none, negative: flat out, with EverySender
	PushMax      int     // 0: as many as fit in Duration
	PushSize     Mix
	PushTarget   Mix // "room", "user"
	PushSenders  int
	// EverySender has each sender push to every room as a stream of its own, as a benchmark of concurrent callers
	// does; else each room has one sender, and its messages an order.
	EverySender bool

	// Verdict and output.
	SLO           string
	Report        string
	ServerPID     int
	ServerMetrics string
	SourceAddress int // loopback addresses to come from; 0: as many as needed
}

// Default is a small, gentle run against a server on this machine.
func Default() Config {
	return Config{
		Server: "http://127.0.0.1:21314", Path: "/socket.io/", Namespace: "/demo1", Total: 10,
		Platform: Mix{{"web", 1}}, UUIDPrefix: "wid", ConnectInterval: time.Second, PublicRoom: "w-room",
		Rules:    []Rule{{"r1", 100, 10}, {"r2", 50, 20}, {"r3", 200, 10}},
		Protocol: Mix{{"4", 1}}, Transport: Mix{{"websocket", 1}},
		AckRatio: 1, SlowPause: 100 * time.Millisecond,
		ConnectWindow: 256, ConnectTimeout: 20 * time.Second, Duration: 30 * time.Second, Drain: 10 * time.Second,
		ReconnectDelay: time.Second, Seed: 1,
		PushSize: Mix{{"128", 1}}, PushTarget: Mix{{"room", 1}}, PushSenders: 8,
	}
}

// Bounds.
const (
	maxClients = 1_000_000
	maxPushes  = 20_000_000 // of one run: the journal keeps 24 bytes for each
	maxSenders = 1024
)

// Check reports everything that is impossible, all at once.
func (c *Config) Check() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf(key+": "+format, args...))
	}
	if err := checkURL(c.Server); err != nil {
		bad("server", "%v", err)
	} else if u, _ := url.Parse(c.Server); u.Path != "" && u.Path != "/" {
		bad("server", "%q has a path; what Socket.IO is reached under belongs into push_option_path, such as %s/socket.io/", c.Server, strings.TrimRight(u.Path, "/"))
	}
	if c.PushServer != "" {
		if err := checkURL(c.PushServer); err != nil {
			bad("push_server", "%v", err)
		}
	}
	if !strings.HasPrefix(c.Path, "/") || strings.ContainsAny(c.Path, " ?#\r\n") {
		bad("push_option_path", "%q; want a path such as /socket.io/ or /push/socket.io/", c.Path)
	}
	if !strings.HasPrefix(c.Namespace, "/") || len(c.Namespace) < 2 || strings.ContainsAny(c.Namespace, ",? \"\\\r\n") {
		bad("client_namespace", "%q; want a name with a leading slash, such as /demo1", c.Namespace)
	}
	for _, n := range []struct {
		key      string
		v        int
		min, max int
	}{
		{"client_total", c.Total, 0, maxClients}, {"client_uuid_init", c.UUIDInit, 0, 1 << 40},
		{"connect_window", c.ConnectWindow, 1, 100_000}, {"push_senders", c.PushSenders, 1, maxSenders},
		{"source_addresses", c.SourceAddress, 0, 200}, {"server_pid", c.ServerPID, 0, 1 << 30},
	} {
		if n.v < n.min || n.v > n.max {
			bad(n.key, "%d; want %d to %d", n.v, n.min, n.max)
		}
	}
	if len(c.UUIDPrefix) > 80 || strings.ContainsAny(c.UUIDPrefix, "\"\\\r\n") {
		bad("client_uuid_prefix", "%q; want at most 80 plain characters", c.UUIDPrefix)
	}
	if len(c.PublicRoom) > 100 || strings.ContainsAny(c.PublicRoom, "\"\\\r\n") {
		bad("public_room", "%q; want at most 100 plain characters", c.PublicRoom)
	}
	seen := map[string]bool{}
	for _, r := range c.Rules {
		if err := r.Check(); err != nil {
			bad("join_room_rule", "%v", err)
		}
		if seen[r.Prefix] {
			bad("join_room_rule", "%s: prefix given twice", r.Prefix)
		}
		seen[r.Prefix] = true
	}
	if c.StormShare > 0 && c.StormInterval < time.Second {
		bad("storm_interval", "%v; a storm_share needs an interval of at least 1s", c.StormInterval)
	}
	if c.ConnectTimeout < 100*time.Millisecond {
		bad("connect_timeout", "%v; want at least 100ms", c.ConnectTimeout)
	}
	c.checkPushes(bad)
	if _, err := ParseSLO(c.SLO); err != nil {
		bad("slo", "%v", err)
	}
	return errors.Join(errs...)
}

func (c *Config) checkPushes(bad func(key, format string, args ...any)) {
	if c.PushRate == 0 {
		return
	}
	if c.PushPassword == "" {
		bad("push_password", "missing; pushing needs the password of namespace %s", c.Namespace)
	}
	if c.PushRate > 0 && c.PushRate*c.Duration.Seconds() > maxPushes {
		bad("push_rate", "%g/s for %v are more than %d pushes", c.PushRate, c.Duration, maxPushes)
	}
	if c.PushTarget.Of("room") > 0 && c.PublicRoom == "" && len(c.Rules) == 0 {
		bad("push_target", "room, but there is neither a public_room nor a join_room_rule")
	}
	if c.PushTarget.Of("user") > 0 && c.Total == 0 {
		bad("push_target", "user, but client_total is 0")
	}
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" {
		return fmt.Errorf("%q; want http://host:port or https://host", text)
	}
	return nil
}
