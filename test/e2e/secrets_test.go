//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/lightpush/lightpush/test/apnsgateway"
)

// secretCase is where secrets are used, and all the places they are looked for afterwards.
type secretCase struct {
	t       *testing.T
	d       *deployment
	secrets map[string]string // by what they are
}

// wants fails when a secret stands in a text.
func (s *secretCase) wants(where string, text []byte, but ...string) {
	s.t.Helper()
	for what, secret := range s.secrets {
		if at := bytes.Index(text, []byte(secret)); at >= 0 && !strings.Contains(strings.Join(but, " "), what) {
			s.t.Errorf("%s: %s: …%q…", where, what, text[max(0, at-60):min(len(text), at+10)])
		}
	}
}

// traffic uses every secret there is, and some wrong ones.
func (s *secretCase) traffic() {
	t, d := s.t, s.d
	t.Helper()
	apns, _, err := apnsgateway.NewTokenKey()
	if err != nil {
		t.Fatal(err)
	}
	s.secrets["the APNs key"] = strings.Split(apns, "\n")[2]
	business := receiver(t)
	admin, api := d.adminAPI(t, 0), d.api(t, 0)
	admin.post("/api/admin/namespace/save", map[string]any{
		"key": d.namespace.name, "callback_auth": s.secrets["the authorization of callbacks"], "callback_secret": s.secrets["the callback secret"],
		"viewer_passwd": s.secrets["the reader's password"], "auth_key": s.secrets["the JWT key"], "connect_callback": business + "/connect",
		"apns_list": []any{map[string]any{"name": "default", "apns_host": "https://127.0.0.1:1", "apns_topic": "x", "token_key": apns, "token_keyId": "K", "token_teamId": "T"}},
	}, 200)
	var key struct{ Key string }
	if err := json.Unmarshal(api.post("/api/auth/apikeys", map[string]any{"name": "ci", "scope": "admin"}, 200), &key); err != nil {
		t.Fatal(err)
	}
	s.secrets["the API key"] = key.Key
	login := func(name, passwd string) {
		t.Helper()
		text, _ := json.Marshal(map[string]string{"name": name, "password": passwd})
		resp, err := httpClient.Post(d.apis[0]+"/api/console/login", "application/json", bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		for _, cookie := range resp.Cookies() {
			s.secrets["the cookie of "+name] = cookie.Value
		}
	}
	login(d.admin.name, d.admin.passwd)
	login(d.namespace.name, s.secrets["the reader's password"])
	login(d.namespace.name, "guess"+s.secrets["the reader's password"]) // a typing error is nearly the password
	for _, header := range []string{"Bearer " + key.Key, "Bearer " + key.Key + "x", "Basic " + s.secrets["the namespace password"]} {
		req, err := http.NewRequest(http.MethodPost, d.apis[0]+"/api/auth/push", strings.NewReader(`{"room":"user_joe","pushData":{"a":1},"leaveMessage":true}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", header)
		req.Header.Set("Content-Type", "application/json")
		resp, err := httpClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		s.wants("the answer to a push", text)
	}
	drv := startNode(t)
	token := s.secrets["the token of a client"]
	for _, lib := range []string{"v2", "v4"} {
		drv.open(t, openCommand{C: lib, Lib: lib, URL: d.sockets[0], Namespace: d.namespace.name, Opts: map[string]any{
			"transports": []string{"websocket"}, "auth": map[string]any{"token": token}, "query": map[string]any{"uuid": lib, "userid": "joe", "token": token},
		}})
		drv.connected(t, lib, d.namespace.name+"#joe#web-"+lib)
	}
	api.post("/api/auth/push", map[string]any{"room": "user_joe", "pushData": map[string]any{"through": 1}}, 200)
	drv.takeEvent(t, "v4", "push")
}

// receiver is a business system that allows everything.
func receiver(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })}
	go func() { _ = server.Serve(listener) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String()
}

// answers asks every GET route of the document, as namespace and as administrator.
func (s *secretCase) answers() {
	t := s.t
	t.Helper()
	text, err := os.ReadFile("../../doc/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]any
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for path, methods := range document.Paths {
		if methods["get"] == nil || strings.HasSuffix(path, "{key}") { // these remove things
			continue
		}
		as := s.d.api(t, 0)
		if strings.HasPrefix(path, "/api/admin/") {
			as = s.d.adminAPI(t, 0)
		}
		query := url.Values{"id": {s.d.namespace.name + "#joe#web-v4"}, "name": {"user_joe"}, "queue": {"offline"}, "detail": {"1"}}
		_, body, err := as.do(http.MethodGet, strings.ReplaceAll(path, "{id}", "1")+"?"+query.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		s.wants(path, body)
		asked++
	}
	if asked < 20 {
		t.Errorf("only %d routes were asked", asked)
	}
}

// dumps looks at the logs of the processes, their metrics and profiles, and the command lines everybody can see.
func (s *secretCase) dumps() {
	t := s.t
	t.Helper()
	for _, p := range s.d.procs {
		log := p.log()
		if len(log) == 0 {
			t.Error("there is no log")
		}
		s.wants("log of "+p.name, []byte(log))
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.cmd.Process.Pid)); err == nil {
			s.wants("command line of "+p.name, line)
		}
		m := metricsLine.FindStringSubmatch(log)
		if m == nil {
			t.Fatalf("%s serves no metrics", p.name)
		}
		for _, path := range []string{"/metrics", "/readyz", "/debug/pprof/", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/debug/pprof/cmdline", "/debug/vars"} {
			resp, err := httpClient.Get("http://" + m[1] + path)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			s.wants(path+" of "+p.name, body)
		}
	}
}

func newSecrets() map[string]string {
	s := map[string]string{}
	for i, what := range []string{"the callback secret", "the authorization of callbacks", "the reader's password", "the JWT key", "the token of a client", "the secret key"} {
		s[what] = fmt.Sprintf("Hidden%dSwordfish%032d", i, i)
	}
	s["the secret key"] = strings.Repeat("5eC2e7", 10) + "5eC2"
	return s
}

// TestSecretsStaySecret uses every secret and then looks for them in logs at trace level, answers, metrics, profiles, and
// in everything Redis or the embedded store has.
func TestSecretsStaySecret(t *testing.T) {
	env := func(s map[string]string) []string {
		return []string{withMetrics, "LIGHTPUSH_LOG_LEVEL=trace", "LIGHTPUSH_SECRET_KEY=" + s["the secret key"], "LIGHTPUSH_VIEWER_NAME=looker", "LIGHTPUSH_VIEWER_PASSWD=" + s["the reader's password"]}
	}
	t.Run("Redis", func(t *testing.T) {
		s := &secretCase{t: t, secrets: newSecrets()}
		s.d = startRoles(t, 1, 1, env(s.secrets)...)
		s.secrets["the admin password"], s.secrets["the namespace password"] = s.d.admin.passwd, s.d.namespace.passwd
		s.traffic()
		s.answers()
		s.dumps()
		s.wants("Redis", redisDump(t))
	})
	t.Run("embedded", func(t *testing.T) {
		s := &secretCase{t: t, secrets: newSecrets()}
		dir := t.TempDir()
		a := launchAllInOne(t, dir, curlLine, nil, env(s.secrets)...)
		s.d = a.deployment
		s.secrets["the admin password"], s.secrets["the namespace password"] = s.d.admin.passwd, s.d.namespace.passwd
		s.traffic()
		s.answers()
		s.dumps()
		a.proc.terminate()
		files := 0
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			s.wants("file "+entry.Name(), text)
			files++
			return err
		})
		if err != nil || files == 0 {
			t.Errorf("%d files, %v", files, err)
		}
	})
}

// redisDump is all keys and values of the Redis of the test, as a snapshot and as commands.
func redisDump(t *testing.T) []byte {
	t.Helper()
	value, ok := redisProcesses.Load(t)
	if !ok {
		t.Fatal("no Redis")
	}
	args := strings.Join(value.(*process).cmd.Args, " ")
	m := regexp.MustCompile(`--port (\d+) --dir (\S+)`).FindStringSubmatch(args)
	if m == nil {
		t.Fatalf("no port and directory in %s", args)
	}
	if out, err := exec.Command(need(t, "redis-cli"), "-p", m[1], "CONFIG", "SET", "rdbcompression", "no").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := exec.Command(need(t, "redis-cli"), "-p", m[1], "SAVE").CombinedOutput(); err != nil || !strings.Contains(string(out), "OK") {
		t.Fatalf("%v %s", err, out)
	}
	var all []byte
	err := filepath.WalkDir(m[2], func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, text...)
		return err
	})
	if err != nil || !bytes.Contains(all, []byte("connect_callback")) || !bytes.Contains(all, []byte("through")) {
		t.Fatalf("the dump of %d bytes is not what it should be: %v", len(all), err)
	}
	return all
}
