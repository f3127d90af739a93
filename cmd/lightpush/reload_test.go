package main

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/internal/config"
)

func TestReload(t *testing.T) {
	before := zerolog.GlobalLevel()
	defer zerolog.SetGlobalLevel(before)
	var log bytes.Buffer
	p := &process{cfg: config.Default(), log: zerolog.New(&log)}
	live := p.cfg
	next := p.cfg
	next.LogLevel, next.ConnectionsPerUser, next.SocketPort, next.AdminPasswd = "error", 7, 1, "topsecret"
	p.reload(&live, func() (config.Config, error) { return next, nil })
	if zerolog.GlobalLevel() != zerolog.ErrorLevel || live.ConnectionsPerUser != 7 || live.SocketPort == 1 {
		t.Errorf("level %s, limit %d, port %d", zerolog.GlobalLevel(), live.ConnectionsPerUser, live.SocketPort)
	}
	text := log.String()
	if !strings.Contains(text, `"changed":["ConnectionsPerUser","LogLevel"]`) || !strings.Contains(text, `"need_restart":["SocketPort","AdminPasswd"]`) ||
		strings.Contains(text, "topsecret") {
		t.Errorf("log %s", text)
	}
	next.LogLevel = "debug"
	p.reload(&live, func() (config.Config, error) { return next, errors.New("bad") })
	if zerolog.GlobalLevel() != zerolog.ErrorLevel || live.LogLevel != "error" {
		t.Error("a bad configuration was taken")
	}
	for _, name := range reloadable {
		if _, ok := reflect.TypeFor[config.Config]().FieldByName(name); !ok {
			t.Errorf("%s is no field", name)
		}
	}
	if !slices.Contains(reloadable, "AllowedOrigins") {
		t.Error("origins cannot be changed")
	}
}

func TestOrigins(t *testing.T) {
	var o origins
	for _, c := range []struct {
		allowed []string
		want    bool
	}{{nil, false}, {[]string{"*"}, true}, {[]string{"https://a"}, true}, {[]string{"https://b"}, false}} {
		o.set(c.allowed)
		if o.allows("https://a") != c.want {
			t.Errorf("%v: not %v", c.allowed, c.want)
		}
	}
}
