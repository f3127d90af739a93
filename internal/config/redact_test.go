package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestSecretsAreNeverShown puts a secret into every secret key and looks for it wherever a Config may be printed.
func TestSecretsAreNeverShown(t *testing.T) {
	const password = "hunter2"
	c := Default()
	count := 0
	for _, k := range Keys() {
		if v, ok := k.value.(secretValue); ok {
			*v.field(&c) = password
			count++
		}
	}
	if count != 7 {
		t.Fatalf("%d secrets, want 7", count)
	}
	shown := map[string]string{"Redacted": c.Redacted()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%t"} {
		shown[verb] = fmt.Sprintf(verb, c)
		shown[verb+" of a pointer"] = fmt.Sprintf(verb, &c)
		shown[verb+" of a secret"] = fmt.Sprintf(verb, c.AdminPasswd)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	shown["json"] = string(asJSON)
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	shown["yaml"] = string(asYAML)
	for how, text := range shown {
		if strings.Contains(text, password) || strings.Contains(text, fmt.Sprintf("%x", password)) {
			t.Errorf("%s shows a secret: %s", how, text)
		}
	}
	if n := strings.Count(c.Redacted(), `"***"`); n != count {
		t.Errorf("%d secrets are marked in\n%s", n, c.Redacted())
	}
	if strings.Contains(Default().Redacted(), hidden) {
		t.Error("an empty secret is marked as set")
	}
}

// TestErrorsShowNoSecret gives wrong and misplaced secrets from every source.
func TestErrorsShowNoSecret(t *testing.T) {
	yamls := []string{
		"redis_password: 'hunter2\x01'\n", "redis_password: \"hunter2\\n\"\n", "redis_password: [hunter2]\n",
		"redis_password: {a: hunter2}\n", "redis_password: *hunter2\n", "redis_password: !hunter2 x\n",
		"redis_password: &hunter2 1\n", "redis_passwort: hunter2\n", "redis_password=hunter2\n",
		"redis_password: @hunter2\n", "redis_password: `hunter2\n", "redis_password: %hunter2\n",
		"redis_password: hunter2: x\n", "redis_password: \"hunter2\n", "redis_password: [hunter2\n",
		"redis_password: {hunter2\n", "redis_password: ok\n hunter2: 1\n", "redis_address: redis://:hunter2@h:1\n",
		"redis_address: ['redis://:hunter2@h:1']\n", "sentinels: ['x:hunter2@h:1']\n",
		"prod: {redis_password: hunter2}\n", "redis_password: 'a'\nredis_password: 'hunter2'\n",
	}
	for _, text := range yamls {
		_, _, err := Parse("f.yaml", []byte(text))
		if !errors.Is(err, ErrInvalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, _, err := Load(LoadOptions{
		Environ: []string{"LIGHTPUSH_REDIS_PASSWORD=hunter2\x01", "LIGHTPUSH_ADMIN_PASWD=hunter2"},
		Flags:   map[string]string{"sentinels_password": "hunter2\x01", "redis_pasword": "hunter2"},
	})
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) != 4 || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("environment and flags: %v", err)
	}
}

// TestRedactedLoads: what is dumped is a configuration again, but for the secrets.
func TestRedactedLoads(t *testing.T) {
	c, _, err := Parse("f.yaml", []byte(`{apns_aps_alert: "no", node_id: "1", redis_address: [a:1], data_dir: 'a"b\c'}`))
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := Parse("dump", []byte(c.Redacted()))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := again.Redacted(), c.Redacted(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
