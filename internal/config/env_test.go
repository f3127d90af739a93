package config

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func TestEnv(t *testing.T) {
	cfg, _, err := Load(LoadOptions{Environ: []string{
		"PATH=/bin", "lightpush_redis_db=9", "broken",
		"LIGHTPUSH_ADMIN_PASSWD=123456",
		"LIGHTPUSH_PINGINTERVAL= 300 ",
		"LIGHTPUSH_CLIENT_PUSH_INTERVAL=1.5",
		"LIGHTPUSH_REDIS_TLS=true",
		"LIGHTPUSH_TRANSPORTS=websocket",
		"LIGHTPUSH_ALLOWED_ORIGINS=https://a.example, https://b.example",
		"LIGHTPUSH_SENTINELS=",
		"LIGHTPUSH_REDIS_DB=1", "LIGHTPUSH_REDIS_DB=2",
		// What Kubernetes and Docker add for services called lightpush and lightpush-logic.
		"LIGHTPUSH_SERVICE_HOST=10.0.0.1", "LIGHTPUSH_SERVICE_PORT=80", "LIGHTPUSH_SERVICE_PORT_HTTP=80",
		"LIGHTPUSH_PORT=tcp://10.0.0.1:80", "LIGHTPUSH_PORT_80_TCP=tcp://10.0.0.1:80", "LIGHTPUSH_PORT_80_TCP_ADDR=10.0.0.1",
		"LIGHTPUSH_LOGIC_PORT=tcp://10.0.0.2:80", "LIGHTPUSH_LOGIC_SERVICE_PORT=80",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.AdminPasswd = "123456"
	want.PingInterval = 300 * time.Millisecond
	want.ClientPushInterval = 1500 * time.Millisecond
	want.RedisTLS = true
	want.Transports = []string{"websocket"}
	want.AllowedOrigins = []string{"https://a.example", "https://b.example"}
	want.RedisDB = 1
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got\n%+v\nwant\n%+v", cfg, want)
	}
}

func TestEnvProblems(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	writeFile(t, secret, "hunter2\n")
	for _, tc := range []struct {
		name string
		env  []string
		want []string
	}{
		{"unknown", []string{"LIGHTPUSH_PINGINTERVALL=1"},
			[]string{`LIGHTPUSH_PINGINTERVALL: unknown variable, did you mean LIGHTPUSH_PINGINTERVAL?`}},
		{"unknown, nothing alike", []string{"LIGHTPUSH_COLOUR=1"}, []string{`LIGHTPUSH_COLOUR: unknown variable`}},
		{"prefix alone", []string{"LIGHTPUSH_=1"}, []string{`LIGHTPUSH_: unknown variable`}},
		{"empty number", []string{"LIGHTPUSH_REDIS_DB="},
			[]string{`redis_db (LIGHTPUSH_REDIS_DB): got ""; want a whole number from 0 to 65535`}},
		{"wrong boolean", []string{"LIGHTPUSH_REDIS_TLS=1"},
			[]string{`redis_tls (LIGHTPUSH_REDIS_TLS): got "1"; want true or false`}},
		{"wrong item", []string{"LIGHTPUSH_TRANSPORTS=polling,flash"},
			[]string{`transports[1] (LIGHTPUSH_TRANSPORTS): got "flash"; want polling or websocket`}},
		{"file and value", []string{"LIGHTPUSH_ADMIN_PASSWD=x", "LIGHTPUSH_ADMIN_PASSWD_FILE=" + secret},
			[]string{`admin_passwd (LIGHTPUSH_ADMIN_PASSWD_FILE): LIGHTPUSH_ADMIN_PASSWD is set too; set one of them`}},
		{"file for no secret", []string{"LIGHTPUSH_REDIS_DB_FILE=" + secret},
			[]string{`LIGHTPUSH_REDIS_DB_FILE: only secrets are read from files, set LIGHTPUSH_REDIS_DB`}},
		{"file is missing", []string{"LIGHTPUSH_ADMIN_PASSWD_FILE=" + dir + "/none"},
			[]string{`admin_passwd (LIGHTPUSH_ADMIN_PASSWD_FILE): open ` + dir + `/none: no such file or directory`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := Load(LoadOptions{Environ: tc.env})
			wantProblems(t, err, tc.want)
		})
	}
}

func TestSecretFile(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	for text, want := range map[string]Secret{"hunter2": "hunter2", "hunter2\n": "hunter2", "hunter2\r\n": "hunter2", " a ": " a ", "": ""} {
		writeFile(t, secret, text)
		cfg, sources, err := Load(LoadOptions{Environ: []string{"LIGHTPUSH_REDIS_PASSWORD_FILE=" + secret}})
		if err != nil || cfg.RedisPassword != want {
			t.Errorf("%q: got %q, %v", text, cfg.RedisPassword.Reveal(), err)
		}
		if got := sources["redis_password"].String(); got != "LIGHTPUSH_REDIS_PASSWORD_FILE" {
			t.Errorf("source %s", got)
		}
	}
}
