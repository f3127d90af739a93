//go:build e2e

package examples

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// server is lightpush in one process, with the credential of the namespace it made at its first start.
type server struct {
	t        testing.TB
	dir      string
	env      []string
	program  *program
	url      string
	password string
}

// settings make the offline worker quick enough for a test, and the inbox small enough to overflow.
var settings = []string{
	"LIGHTPUSH_WORKER_MESSAGE_TIMEOUT=200", "LIGHTPUSH_ANDROID_UNREAD_MESSAGE_LIST_MAX_LIMIT=2",
	"LIGHTPUSH_CLIENT_PUSH_INTERVAL=0", "LIGHTPUSH_LOG_FORMAT=json",
}

func startServer(t testing.TB, env ...string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), env: append(env, settings...)}
	s.program = start(t, s.dir, s.env, binary, "--listen", "127.0.0.1:0")
	s.url = s.program.wait(`Socket\.IO +(http://\S+)/socket\.io/`)[1]
	s.password = s.program.wait(`Namespace +/demo / (\S+)`)[1]
	return s
}

// restart kills the process and starts it again on the same address and data.
func (s *server) restart() {
	s.t.Helper()
	s.program.kill()
	at, err := url.Parse(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	s.program = start(s.t, s.dir, s.env, binary, "--listen", at.Host)
	eventually(s.t, "the server is back", func() error {
		res, err := client.Get(s.url + "/health")
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	})
}

var client = &http.Client{Timeout: 10 * time.Second}

// request sends a REST request with the namespace's credential and decodes the answer into out, unless it is nil.
func (s *server) request(method, path string, body, out any) {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequest(method, s.url+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth("/demo", s.password)
	req.Header.Set("Content-Type", "application/json")
	status, answer := send(s.t, req)
	if status != http.StatusOK {
		s.t.Fatalf("%s %s answered %d %s", method, path, status, answer)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			s.t.Fatalf("%s %s answered %s: %v", method, path, answer, err)
		}
	}
}

func send(t testing.TB, req *http.Request) (int, []byte) {
	t.Helper()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, answer
}

type object map[string]any

// push returns the id of the message.
func (s *server) push(room, text string, fields object) int64 {
	s.t.Helper()
	body := object{"room": room, "pushData": object{"text": text}}
	for name, value := range fields {
		body[name] = value
	}
	var answer struct{ ID int64 }
	s.request(http.MethodPost, "/api/auth/push", body, &answer)
	return answer.ID
}

// waitState waits until the receipts of a message say state about the device.
func (s *server) waitState(id int64, clientID, state string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("message %d of %s is %s", id, clientID, state), func() error {
		var answer struct {
			Receipts []struct{ ClientID, State string }
		}
		s.request(http.MethodGet, fmt.Sprintf("/api/auth/report/push/%d/receipts", id), nil, &answer)
		for _, r := range answer.Receipts {
			if r.ClientID == clientID && r.State == state {
				return nil
			}
		}
		return fmt.Errorf("%v", answer.Receipts)
	})
}

// waitAcks waits for the receipt of one message.
func (s *server) waitAcks(id int64, want string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("acks of message %d", id), func() error {
		var answer struct{ AckCount, AckAndroidCount string }
		s.request(http.MethodGet, fmt.Sprintf("/api/auth/report/push/%d", id), nil, &answer)
		if answer.AckCount != want && answer.AckAndroidCount != want {
			return fmt.Errorf("%+v", answer)
		}
		return nil
	})
}
