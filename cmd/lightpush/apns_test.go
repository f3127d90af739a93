package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/test/apnsgateway"
)

// The whole process before a private gateway: a profile is saved, a test
// notification goes out, the key is nowhere on the disk but encrypted, and the
// next start still has it.
func TestPrivateGateway(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	gateway, err := apnsgateway.Start(apnsgateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer gateway.Close()
	dir := t.TempDir()
	ca, file, data := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "config.yaml"), filepath.Join(dir, "data")
	if err := os.WriteFile(ca, gateway.Authority().PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, fmt.Appendf(nil, "apns_host: %q\napns_ca_file: %q\n", gateway.URL(), ca), 0o600); err != nil {
		t.Fatal(err)
	}
	key, _, err := apnsgateway.NewTokenKey()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := json.Marshal(map[string]any{"key": "/", "apns_list": []any{map[string]string{
		"name": "default", "apns_env": "production", "apns_topic": "com.example.app", "token_key": key, "token_keyId": "K", "token_teamId": "T",
	}}})
	if err != nil {
		t.Fatal(err)
	}

	p := start(t, "--config", file, "--listen", "127.0.0.1:0", "--data-dir", data)
	tenant, admin := credential(t, p.stdout.String(), "Namespace"), credential(t, p.stdout.String(), "Admin")
	probe := func(want string) {
		t.Helper()
		const body = `{"deviceToken":"00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0"}`
		if status, text := p.request("POST", "/api/auth/apns/test", "/demo", tenant, body); !strings.HasPrefix(fmt.Sprint(status, " ", text), want) {
			t.Errorf("%d %s, want %s", status, text, want)
		}
	}
	probe(`400 {"code":9999,"msg":"no default apns"}`)
	if status, text := p.request("POST", "/api/admin/namespace/save", "admin", admin, string(profile)); status != 200 {
		t.Fatalf("save: %d %s", status, text)
	}
	probe(`200 {"status":200,"reason":"","apnsId":"`)
	p.end()
	logged := p.stderr.String()

	p = start(t, "--config", file, "--listen", "127.0.0.1:0", "--data-dir", data)
	probe(`200 {"status":200,"reason":"","apnsId":"`)
	p.end()
	logged += p.stderr.String()
	requests := gateway.Requests()
	if len(requests) != 2 || requests[1].Header.Get("apns-topic") != "com.example.app" || string(requests[1].Body) != `{"aps":{"alert":"通知"}}` {
		t.Errorf("the gateway got %+v", requests)
	}

	needle := strings.ReplaceAll(key, "\n", "")[40:70]
	if strings.Contains(logged, needle) {
		t.Error("the key is in the log")
	}
	sealed := false
	err = filepath.WalkDir(data, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if strings.Contains(strings.ReplaceAll(string(text), `\n`, ""), needle) {
			t.Errorf("the key is readable in %s", name)
		}
		sealed = sealed || strings.Contains(string(text), "sealed:1:")
		return err
	})
	if err != nil || !sealed {
		t.Errorf("nothing is sealed in the data directory, %v", err)
	}
}
