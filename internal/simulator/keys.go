package simulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Key is one setting. In YAML it has its Name, as a flag the same with dashes.
type Key struct {
	Name   string
	Doc    string
	Secret bool // never shown
	set    func(c *Config, text string) error
	get    func(c *Config) string
}

// Flag is the name of the key's flag, without dashes before it.
func (k Key) Flag() string { return strings.ReplaceAll(k.Name, "_", "-") }

// Set reads a value as a flag gives it.
func (k Key) Set(c *Config, text string) error {
	if err := k.set(c, text); err != nil {
		return fmt.Errorf("%s: %w", k.Name, err)
	}
	return nil
}

// Get is the value as Set reads it; "" for secrets.
func (k Key) Get(c *Config) string {
	if k.Secret {
		return ""
	}
	return k.get(c)
}

func textKey(name, doc string, f func(*Config) *string) Key {
	return Key{Name: name, Doc: doc, set: func(c *Config, s string) error { *f(c) = s; return nil }, get: func(c *Config) string { return *f(c) }}
}

func intKey(name, doc string, f func(*Config) *int) Key {
	return Key{Name: name, Doc: doc, get: func(c *Config) string { return strconv.Itoa(*f(c)) }, set: func(c *Config, s string) error {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil {
			return fmt.Errorf("%q; want a whole number", s)
		}
		*f(c) = n
		return nil
	}}
}

// parsed is a key whose type has a parser.
func parsed[T any](name, doc string, f func(*Config) *T, parse func(string) (T, error), format func(T) string) Key {
	return Key{Name: name, Doc: doc, get: func(c *Config) string { return format(*f(c)) }, set: func(c *Config, s string) error {
		v, err := parse(s)
		if err == nil {
			*f(c) = v
		}
		return err
	}}
}

func durationKey(name, doc string, f func(*Config) *time.Duration) Key {
	return parsed(name, doc, f, ParseDuration, time.Duration.String)
}

func shareKey(name, doc string, f func(*Config) *float64) Key {
	return parsed(name, doc, f, ParseShare, formatFloat)
}

func mixKey(name, doc string, f func(*Config) *Mix, allowed ...string) Key {
	return parsed(name, doc, f, func(s string) (Mix, error) { return ParseMix(s, allowed...) }, Mix.String)
}

func formatFloat(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func parseRate(text string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(v >= 0 && v <= 1_000_000) {
		return 0, fmt.Errorf("%q; want a number per second from 0", text)
	}
	return v, nil
}

var keys = []Key{
	textKey("server", "base URL of the Socket.IO server", func(c *Config) *string { return &c.Server }),
	textKey("push_option_path", "path of Socket.IO; behind nginx /push/socket.io/", func(c *Config) *string { return &c.Path }),
	textKey("client_namespace", "namespace, which must exist", func(c *Config) *string { return &c.Namespace }),
	intKey("client_total", "number of clients", func(c *Config) *int { return &c.Total }),
	mixKey("client_platform", "ios, android, web, or a mix such as web=50,ios=30,android=20", func(c *Config) *Mix { return &c.Platform }, "web", "ios", "android"),
	textKey("client_uuid_prefix", "uuid = prefix + number", func(c *Config) *string { return &c.UUIDPrefix }),
	intKey("client_uuid_init", "first number; several processes on one run get theirs from the coordinator", func(c *Config) *int { return &c.UUIDInit }),
	durationKey("client_connect_interval", "one client after the other with this pause, unless ramp or connect_rate is given", func(c *Config) *time.Duration { return &c.ConnectInterval }),
	textKey("public_room", "room all clients join; empty: none", func(c *Config) *string { return &c.PublicRoom }),
	parsed("join_room_rule", "rules prefix,total,pick_count; a client joins pick_count of the rooms prefix_0 … prefix_<total-1>",
		func(c *Config) *[]Rule { return &c.Rules }, ParseRules, FormatRules),

	mixKey("client_protocol", "Engine.IO generation 3 or 4, or a mix such as 3=20,4=80", func(c *Config) *Mix { return &c.Protocol }, "3", "4"),
	mixKey("client_transport", "websocket, polling, upgrade (polling first), or a mix", func(c *Config) *Mix { return &c.Transport }, "websocket", "polling", "upgrade"),
	shareKey("ack_ratio", "share of the pushes a client acknowledges", func(c *Config) *float64 { return &c.AckRatio }),
	parsed("ack_delay", "how long a client takes to acknowledge: 20ms, or 0s..200ms", func(c *Config) *Span { return &c.AckDelay }, ParseSpan, Span.String),
	shareKey("slow_ratio", "share of the clients that read slowly (WebSocket)", func(c *Config) *float64 { return &c.SlowRatio }),
	durationKey("slow_pause", "pause of a slow reader after every 4 KB", func(c *Config) *time.Duration { return &c.SlowPause }),

	parsed("connect_rate", "clients that begin to connect per second; 0: see ramp", func(c *Config) *float64 { return &c.ConnectRate }, parseRate, formatFloat),
	durationKey("ramp", "time in which all clients connect; 0: see client_connect_interval", func(c *Config) *time.Duration { return &c.Ramp }),
	intKey("connect_window", "connects under way at once", func(c *Config) *int { return &c.ConnectWindow }),
	durationKey("connect_timeout", "how long one connect may take, up to the ack of joinRoom", func(c *Config) *time.Duration { return &c.ConnectTimeout }),
	durationKey("hold", "quiet time with all clients connected, before anything is pushed", func(c *Config) *time.Duration { return &c.Hold }),
	durationKey("duration", "time of pushes, churn and storms", func(c *Config) *time.Duration { return &c.Duration }),
	durationKey("drain", "how long to wait for what is under way at the end", func(c *Config) *time.Duration { return &c.Drain }),
	shareKey("churn", "share of the clients that leave politely per second, to come back", func(c *Config) *float64 { return &c.Churn }),
	durationKey("storm_interval", "a reconnect storm begins that often; 0: never", func(c *Config) *time.Duration { return &c.StormInterval }),
	shareKey("storm_share", "share of the clients a storm cuts off at once", func(c *Config) *float64 { return &c.StormShare }),
	durationKey("reconnect_delay", "how long a client waits before it comes back, ± 50 %", func(c *Config) *time.Duration { return &c.ReconnectDelay }),
	parsed("seed", "of all random choices", func(c *Config) *uint64 { return &c.Seed },
		func(s string) (uint64, error) { return strconv.ParseUint(strings.TrimSpace(s), 10, 64) }, func(v uint64) string { return strconv.FormatUint(v, 10) }),

	textKey("push_server", "base URL of the REST API, with a prefix such as /push-logic behind nginx; empty: the server", func(c *Config) *string { return &c.PushServer }),
	{Name: "push_password", Doc: "password of the namespace (or PUSH_PASSWORD)", Secret: true,
		set: func(c *Config, s string) error { c.PushPassword = s; return nil }},
	parsed("push_rate", "pushes per second, sent at their time whatever the answers take; 0: none", func(c *Config) *float64 { return &c.PushRate }, parseRate, formatFloat),
	parsed("push_size", "bytes of filling in pushData, or a mix such as 100=90,4000=10", func(c *Config) *Mix { return &c.PushSize }, parseSizes, Mix.String),
	mixKey("push_target", "room, user, or a mix", func(c *Config) *Mix { return &c.PushTarget }, "room", "user"),
	intKey("push_senders", "concurrent callers; each room belongs to one of them", func(c *Config) *int { return &c.PushSenders }),

	textKey("slo", "what must hold: p99=200ms,loss=0,dup=0,order=0,connect=99.9%", func(c *Config) *string { return &c.SLO }),
	textKey("report", "file the report is written to, as JSON", func(c *Config) *string { return &c.Report }),
	intKey("server_pid", "process of the server on this machine, whose memory and CPU are measured", func(c *Config) *int { return &c.ServerPID }),
	textKey("server_metrics", "the server's metrics, http://host:port/metrics, instead of server_pid", func(c *Config) *string { return &c.ServerMetrics }),
	intKey("source_addresses", "loopback addresses to come from, for more than some 28,000 clients; 0: as needed", func(c *Config) *int { return &c.SourceAddress }),
}

// Keys are all settings, in the order of the documentation.
func Keys() []Key { return slices.Clone(keys) }

const maxFile = 1 << 20

// LoadFile reads a YAML file over what c holds. All errors are reported at once, each with its line.
func (c *Config) LoadFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("more than %d bytes", maxFile)
	}
	if err == nil {
		err = c.load(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (c *Config) load(text []byte) error {
	var doc yaml.Node
	switch err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fmt.Errorf("not YAML: %w", err)
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return errors.New("want keys and values")
	}
	var errs []error
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		name, value := root.Content[i], root.Content[i+1]
		at := slices.IndexFunc(keys, func(k Key) bool { return k.Name == name.Value })
		switch {
		case at < 0:
			hint := ""
			if near := nearest(name.Value); near != "" {
				hint = ", did you mean " + near + "?"
			}
			errs = append(errs, fmt.Errorf("line %d: unknown key %q%s", name.Line, clip(name.Value), hint))
			continue
		case seen[name.Value]:
			errs = append(errs, fmt.Errorf("line %d: %s is given twice", name.Line, name.Value))
			continue
		}
		seen[name.Value] = true
		text, err := flatten(value)
		if err == nil {
			err = keys[at].set(c, text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %s: %w", value.Line, name.Value, err))
		}
	}
	return errors.Join(errs...)
}

var errShape = errors.New("this form is not understood")

// flatten writes a YAML value as a flag would be written: mappings as name=weight, rules as prefix,total,pick_count.
func flatten(n *yaml.Node) (string, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.ShortTag() == "!!null" {
			return "", nil
		}
		return n.Value, nil
	case yaml.MappingNode:
		if rule, ok := ruleText(n); ok {
			return rule, nil
		}
		var parts []string
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Kind != yaml.ScalarNode || n.Content[i+1].Kind != yaml.ScalarNode {
				return "", errShape
			}
			parts = append(parts, n.Content[i].Value+"="+n.Content[i+1].Value)
		}
		return strings.Join(parts, ","), nil
	case yaml.SequenceNode:
		var parts []string
		for _, item := range n.Content {
			if item.Kind == yaml.SequenceNode {
				return "", errShape
			}
			text, err := flatten(item)
			if err != nil {
				return "", err
			}
			parts = append(parts, text)
		}
		return strings.Join(parts, ";"), nil
	}
	return "", errShape
}

// ruleText reads {prefix: r1, total: 100, pick_count: 10}, and {r1,100,10}, which YAML takes for three keys.
func ruleText(n *yaml.Node) (string, bool) {
	if len(n.Content) != 6 {
		return "", false
	}
	var named [3]string
	var bare []string
	for i := 0; i < 6; i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		at := slices.Index([]string{"prefix", "total", "pick_count"}, name.Value)
		switch {
		case at >= 0 && value.Kind == yaml.ScalarNode:
			named[at] = value.Value
		case value.ShortTag() == "!!null":
			bare = append(bare, name.Value)
		default:
			return "", false
		}
	}
	if len(bare) == 3 {
		return strings.Join(bare, ","), true
	}
	return strings.Join(named[:], ","), named[0] != "" && named[1] != "" && named[2] != ""
}

// nearest is the key that name was probably meant to be, or "".
func nearest(name string) string {
	if len(name) > 64 {
		return ""
	}
	fold := strings.NewReplacer("_", "", "-", "", ".", "")
	text := strings.ToLower(fold.Replace(name))
	best, least := "", 1+max(2, len(text)/3)
	for _, k := range keys {
		if d := distance(text, fold.Replace(k.Name)); d < least {
			best, least = k.Name, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
