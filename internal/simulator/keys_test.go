package simulator

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want func(*Config)
		errs []string
	}{
		"empty":    {text: ""},
		"comments": {text: "# nothing\n"},
		"old keys": {text: "server: http://h:1\npush_option_path: /p/\nclient_namespace: /n\nclient_total: 7\nclient_platform: ios\nclient_uuid_prefix: x\nclient_uuid_init: 70\nclient_connect_interval: 0.5\npublic_room: all\n", want: func(c *Config) {
			c.Server, c.Path, c.Namespace, c.Total, c.Platform, c.UUIDPrefix, c.UUIDInit, c.ConnectInterval, c.PublicRoom = "http://h:1", "/p/", "/n", 7, Mix{{"ios", 1}}, "x", 70, time.Second/2, "all"
		}},
		"rules":    {text: "join_room_rule:\n  - {prefix: a, total: 5, pick_count: 2}\n  - {b,6,3}\n  - c,7,4\n", want: func(c *Config) { c.Rules = []Rule{{"a", 5, 2}, {"b", 6, 3}, {"c", 7, 4}} }},
		"one rule": {text: "join_room_rule: {prefix: a, pick_count: 2, total: 5}\n", want: func(c *Config) { c.Rules = []Rule{{"a", 5, 2}} }},
		"no rules": {text: "join_room_rule: []\n", want: func(c *Config) { c.Rules = nil }},
		"mixes": {text: "client_protocol: {3: 20, 4: 80}\nclient_transport: websocket\npush_size: {100: 9, 4000: 1}\nack_delay: 0s..1s\n", want: func(c *Config) {
			c.Protocol, c.PushSize, c.AckDelay = Mix{{"3", 20}, {"4", 80}}, Mix{{"100", 9}, {"4000", 1}}, Span{0, time.Second}
		}},
		"unknown":   {text: "client_totl: 5\nhold: 1s\n\nserverr: x\nzzzzzzzzzzzzzzzzzzzz: 1\n", errs: []string{`line 1: unknown key "client_totl", did you mean client_total?`, `line 4: unknown key "serverr", did you mean server?`, `line 5: unknown key "zzzzzzzzzzzzzzzzzzzz"`}},
		"twice":     {text: "hold: 1\nhold: 2\n", errs: []string{"hold"}},
		"types":     {text: "client_total: many\nack_ratio: 2\nclient_platform: mac\nseed: -1\npush_rate: fast\n", errs: []string{"line 1: client_total: \"many\"", "line 2: ack_ratio", "line 3: client_platform: \"mac\" is none of web, ios, android", "line 4: seed", "line 5: push_rate"}},
		"shapes":    {text: "hold: [[1]]\nclient_protocol: {3: [1]}\njoin_room_rule: [{a: b, c: d, e: f}]\n", errs: []string{"line 1: hold", "line 2: client_protocol", "join_room_rule"}},
		"no map":    {text: "- a\n", errs: []string{"want keys and values"}},
		"no YAML":   {text: "a: [", errs: []string{"not YAML"}},
		"alias":     {text: "hold: &a 1\nramp: *a\n", errs: []string{"line 2: ramp"}},
		"bad rules": {text: "join_room_rule: [{prefix: a, total: x, pick_count: 1}]\n", errs: []string{"line 1: join_room_rule"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, want := Default(), Default()
			if tt.want != nil {
				tt.want(&want)
			}
			err := got.load([]byte(tt.text))
			if (err == nil) != (tt.errs == nil) {
				t.Fatal(err)
			}
			for _, part := range tt.errs {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("no %q in %v", part, err)
				}
			}
			if err == nil && !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
	var c Config
	if err := c.LoadFile(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Error(err)
	}
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, []byte(strings.Repeat("#\n", maxFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.LoadFile(big); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
}

// TestExample: the file of the repository names every key, and is the default but for what it says.
func TestExample(t *testing.T) {
	const name = "../../test/simulator.yaml"
	c := Default()
	if err := c.LoadFile(name); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(c, Default()) {
		t.Errorf("the example is %+v, the default %+v", c, Default())
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if !strings.Contains(string(text), "\n"+k.Name+":") && !strings.Contains(string(text), "\n# "+k.Name+":") {
			t.Errorf("%s is not in the example", k.Name)
		}
	}
}

// TestKeysRoundTrip: what Get writes Set reads, so that a coordinator can hand its settings on.
func TestKeysRoundTrip(t *testing.T) {
	c := Default()
	c.Protocol, c.AckDelay, c.AckRatio, c.Rules, c.Seed, c.PushPassword = Mix{{"3", 0.5}, {"4", 2}}, Span{time.Millisecond, time.Second}, 0.123456789, nil, 1<<64-1, ""
	got := Config{Path: "x"}
	for _, k := range Keys() {
		if k.Secret {
			if k.Get(&c) != "" {
				t.Errorf("%s is shown", k.Name)
			}
			continue
		}
		if err := k.Set(&got, k.Get(&c)); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
		if k.Doc == "" || strings.Contains(k.Flag(), "_") {
			t.Errorf("%s: doc %q, flag %s", k.Name, k.Doc, k.Flag())
		}
	}
	if !reflect.DeepEqual(got, c) {
		t.Errorf("got  %+v\nwant %+v", got, c)
	}
}

func FuzzLoad(f *testing.F) {
	for _, s := range []string{"", "server: x\n", "join_room_rule:\n - {r1,100,10}\n", "client_protocol: {3: 1, 4: 2}", "a: &a [*a]", "? [a]: b", "client_total: !!int 5"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		c := Default()
		if c.load(text) == nil {
			_ = c.Check() // must not panic, whatever was given
		}
	})
}
