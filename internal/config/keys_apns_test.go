package config

import (
	"strings"
	"testing"
)

func TestSecretKeyForm(t *testing.T) {
	const base64Key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	for _, tc := range []struct {
		key, old string
		want     string // in the error, "" for none
	}{
		{"", "", ""},
		{base64Key, "", ""},
		{strings.TrimSuffix(base64Key, "="), base64Key, ""},
		{strings.Repeat("0f", 32), "", ""},
		{NoSecretKey, base64Key, ""},
		{"hunter2", "", "secret_key (default): not a key"},
		{base64Key + base64Key, "", "secret_key (default): not a key"},
		{base64Key, "hunter2", "secret_key_old (default): not a key"},
		{base64Key, NoSecretKey, "secret_key_old (default): not a key"},
	} {
		c := Default()
		c.SecretKey, c.SecretKeyOld = Secret(tc.key), Secret(tc.old)
		err := c.Validate()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v", tc, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

func TestGatewayForm(t *testing.T) {
	for host, ok := range map[string]bool{
		"": true, "https://api.push.apple.com": true, "https://127.0.0.1:2197": true, "https://[::1]:2197/": true,
		"http://a": false, "a:443": false, "https://": false, "https://a/3/device": false, "https://u:p@a": false, "https://a?x": false,
	} {
		c := Default()
		c.ApnsHost = host
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", host, err)
		}
	}
}
