//go:build e2e

package examples

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// receiver starts one of the examples that print what they receive, with its settings as environment.
type receiver struct {
	name  string
	start func(t *testing.T, env []string) *program
	mixed bool // its library handles events on several threads, in no order
}

// copied puts the files of an example into a directory of their own, as somebody who tries it would have them.
func copied(t testing.TB, example string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(examples, example))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// nodeExample is a copy of the Node example with the client library the end-to-end tests have installed.
func nodeExample(t testing.TB) string {
	t.Helper()
	tool(t, "node")
	source, err := filepath.Abs("../clients/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(source, "socket.io-client-v4")); err != nil {
		t.Fatalf("%v: run test/scripts/deps.sh", err)
	}
	dir := t.TempDir()
	for _, file := range []string{"package.json", "receive.js", "seen.js"} {
		text, err := os.ReadFile(filepath.Join(examples, "node", file))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	modules := filepath.Join(dir, "node_modules")
	if err := os.Mkdir(modules, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(source, "socket.io-client-v4"), filepath.Join(modules, "socket.io-client")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// goExample builds the program of a module below sdk-examples.
func goExample(t testing.TB, example string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "example")
	cmd := exec.Command("go", "build", "-o", out, ".")
	cmd.Dir = filepath.Join(examples, example)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	return out
}

func receivers(t *testing.T) []receiver {
	return []receiver{
		{name: "node", start: func(t *testing.T, env []string) *program {
			return start(t, nodeExample(t), env, "node", "receive.js")
		}},
		{name: "python", mixed: true, start: func(t *testing.T, env []string) *program {
			python := "/usr/bin/python3" // the one python3-socketio is installed for
			if err := exec.Command(python, "-c", "import socketio").Run(); err != nil {
				t.Skip("python3-socketio is not at hand")
			}
			return start(t, copied(t, "python"), env, python, "receive.py")
		}},
		{name: "go", start: func(t *testing.T, env []string) *program {
			return start(t, t.TempDir(), env, goExample(t, "go"))
		}},
	}
}

// TestReceivers puts every receiver through the life of a device: receive, confirm, meet people, be moved between rooms,
// miss messages, come back for them, drop repeats, survive a restart of the server, and be replaced.
func TestReceivers(t *testing.T) {
	for _, r := range receivers(t) {
		t.Run(r.name, func(t *testing.T) {
			s := startServer(t)
			const clientID = "/demo#ann#android-a1"
			env := []string{
				"PUSH_URL=" + s.url, "PUSH_USER=ann", "PUSH_UUID=a1", "PUSH_RETRY_MAX=500",
				"PUSH_STATE=" + filepath.Join(t.TempDir(), "seen.json"),
			}
			device := r.start(t, env)
			device.wait("^ready as " + clientID + "$")
			device.wait("^joined news$")

			id := s.push("news", "hello", nil)
			device.wait(fmt.Sprintf(`^push #%d in news: {"text":"hello"}$`, id))
			s.waitAcks(id, "1")

			bob := start(t, nodeExample(t), []string{"PUSH_URL=" + s.url, "PUSH_USER=bob", "PUSH_UUID=b1", "PUSH_ANNOUNCE=1"}, "node", "receive.js")
			device.wait(`^bob came to news$`)
			bob.stop()
			device.wait(`^bob went offline in news$`)

			for _, move := range []struct{ kind, line string }{{"join", "^put into vip$"}, {"leave", "^taken out of vip$"}} {
				s.request(http.MethodPost, "/api/auth/transfer", object{"targetRoom": "vip", "sourceRooms": []string{"news"}, "type": move.kind}, nil)
				device.wait(move.line)
			}

			device.kill()
			away := []int64{}
			for i := range 3 { // one more than the inbox of this server holds
				away = append(away, s.push("user_ann", fmt.Sprint("away ", i), object{"leaveMessage": true}))
				s.waitState(away[i], clientID, "inbox")
			}
			device = r.start(t, env)
			device.mixed = r.mixed
			device.wait(`^lost 1 of a full inbox$`)
			for i, id := range away[1:] {
				device.wait(fmt.Sprintf(`^inbox #%d in user_ann: {"text":"away %d"}$`, id, i+1))
				s.waitState(id, clientID, "delivered")
			}
			device.wait("^joined news$")

			s.restart()
			device.wait("^ready as")
			eventually(t, "the device is in its room again", func() error {
				var rooms []struct{ ClientCount int }
				s.request(http.MethodGet, "/api/auth/report/online?room=news", nil, &rooms)
				if len(rooms) != 1 || rooms[0].ClientCount != 1 {
					return fmt.Errorf("%v", rooms)
				}
				return nil
			})
			id = s.push("news", "again", nil)
			device.wait(fmt.Sprintf(`^push #%d in news: {"text":"again"}$`, id))
			s.waitAcks(id, "1")

			newer := r.start(t, env)
			newer.wait("^ready as")
			device.wait("^disconnected:")
			if code := device.exit(); code != 0 {
				t.Errorf("the device that was replaced ended with %d", code)
			}
			newer.stop()
		})
	}
}

// TestReceiversDropRepeats starts the receivers with the id of a message already remembered: they must not show it, and
// must confirm it.
func TestReceiversDropRepeats(t *testing.T) {
	s := startServer(t)
	for _, r := range receivers(t) {
		t.Run(r.name, func(t *testing.T) {
			state := filepath.Join(t.TempDir(), "seen.json")
			next := s.push("nowhere", "for the number", nil) + 1
			if err := os.WriteFile(state, fmt.Appendf(nil, "[%d]", next), 0o600); err != nil {
				t.Fatal(err)
			}
			device := r.start(t, []string{"PUSH_URL=" + s.url, "PUSH_USER=" + r.name, "PUSH_UUID=r1", "PUSH_ROOMS=" + r.name, "PUSH_STATE=" + state})
			device.wait("^joined")
			if id := s.push(r.name, "a repeat", nil); id != next {
				t.Fatalf("id %d, expected %d", id, next)
			}
			device.wait(fmt.Sprintf("^repeat #%d$", next))
			s.waitAcks(next, "1")
			device.stop()
		})
	}
}

// TestReceiversFinalRefusal: what the server refuses for good ends the program with a failure and is not tried again.
func TestReceiversFinalRefusal(t *testing.T) {
	s := startServer(t)
	for _, r := range receivers(t) {
		t.Run(r.name, func(t *testing.T) {
			device := r.start(t, []string{"PUSH_URL=" + s.url, "PUSH_NAMESPACE=/nobody"})
			device.wait("refused.*this namespace not found")
			if code := device.exit(); code != 1 {
				t.Errorf("exit code %d", code)
			}
			if n := device.count("^refused"); n != 1 {
				t.Errorf("refused %d times", n)
			}
		})
	}
}
