//go:build e2e

package examples

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
)

// business is one of the business servers; start returns it listening on port.
type business struct {
	name  string
	start func(t *testing.T, port string, env []string) *program
}

func businesses() []business {
	return []business{
		{"node", func(t *testing.T, _ string, env []string) *program {
			return start(t, copied(t, "business/node"), env, tool(t, "node"), "business.js")
		}},
		{"go", func(t *testing.T, _ string, env []string) *program {
			return start(t, t.TempDir(), env, goExample(t, "business/go"))
		}},
		{"python", func(t *testing.T, _ string, env []string) *program {
			return start(t, copied(t, "business/python"), env, tool(t, "python3"), "business.py")
		}},
		{"php", func(t *testing.T, port string, env []string) *program {
			return start(t, copied(t, "business/php"), env, tool(t, "php"), "-S", "127.0.0.1:"+port, "business.php")
		}},
		{"java", func(t *testing.T, _ string, env []string) *program {
			javac, out := tool(t, "javac"), t.TempDir()
			if text, err := exec.Command(javac, "-d", out, filepath.Join(examples, "business/java/Business.java")).CombinedOutput(); err != nil {
				t.Fatalf("javac: %v\n%s", err, text)
			}
			return start(t, out, env, tool(t, "java"), "-XX:TieredStopAtLevel=1", "-cp", out, "Business")
		}},
	}
}

// freePort is a port nobody listens on for now.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// ask sends a request without a credential and returns status and answer.
func ask(t testing.TB, method, url string, body any) (int, map[string]any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	status, answer := send(t, req)
	var fields map[string]any
	if err := json.Unmarshal(answer, &fields); err != nil {
		t.Fatalf("%s answered %d %s", url, status, answer)
	}
	return status, fields
}

// TestBusiness lets lightpush call every business server: who has its token gets in and joins the room the callback
// names, who has not stays out, forged calls are refused, a push arrives, a leave is heard.
func TestBusiness(t *testing.T) {
	for _, b := range businesses() {
		t.Run(b.name, func(t *testing.T) {
			s := startServer(t)
			port := freePort(t)
			base := "http://127.0.0.1:" + port
			system := b.start(t, port, []string{
				"PORT=" + port, "PUSH_API=" + s.url, "PUSH_PASSWORD=" + s.password, "CALLBACK_SECRET=s3cret", "TOKEN_SECRET=other",
			})
			eventually(t, "the business server listens", func() error {
				conn, err := net.Dial("tcp", "127.0.0.1:"+port)
				if err == nil {
					_ = conn.Close()
				}
				return err
			})
			s.request(http.MethodPost, "/api/auth/namespace/save", object{
				"connect_callback": base + "/in", "disconnect_callback": base + "/out", "callback_secret": "s3cret",
			}, nil)

			device := start(t, nodeExample(t), []string{
				"PUSH_URL=" + s.url, "PUSH_USER=ann", "PUSH_UUID=a1", "PUSH_ROOMS=", "PUSH_TOKEN_URL=" + base + "/token",
			}, "node", "receive.js")
			device.wait("^ready as /demo#ann#android-a1$")
			const text = `hello "world" \ ü`
			status, answer := ask(t, http.MethodPost, base+"/send", object{"room": "news", "text": text})
			if status != http.StatusOK || answer["id"] == nil {
				t.Fatalf("send answered %d %v", status, answer)
			}
			if got := device.wait(fmt.Sprintf(`^push #%v in news: (.*)$`, answer["id"]))[1]; got != `{"text":"hello \"world\" \\ ü"}` {
				t.Errorf("the device got %s", got)
			}
			device.stop()
			system.wait(`gone ann a1 /demo#ann#android-a1\|\d+$`)

			_, issued := ask(t, http.MethodGet, base+"/token?userid=ann", nil)
			token := fmt.Sprint(issued["token"])
			for name, env := range map[string]string{
				"of somebody else": token, "none": "", "forged": token[:len(token)-4] + "AAAA", "garbage": "a.b.c", "half": "abc",
			} {
				stranger := start(t, nodeExample(t), []string{"PUSH_URL=" + s.url, "PUSH_USER=eve", "PUSH_UUID=e1", "PUSH_TOKEN=" + env}, "node", "receive.js")
				stranger.wait("handshake fail statusCode: 403")
				if code := stranger.exit(); code != 1 {
					t.Errorf("token %s: exit code %d", name, code)
				}
			}

			for _, path := range []string{"/in?userid=ann&token=" + token, "/out"} {
				method := map[bool]string{true: http.MethodPost, false: http.MethodGet}[path == "/out"]
				if status, answer := ask(t, method, base+path, object{"query": object{"userid": "ann", "uuid": "a1"}}); status != http.StatusUnauthorized {
					t.Errorf("%s %s without a signature answered %d %v", method, path, status, answer)
				}
			}
			if status, _ := ask(t, http.MethodGet, base+"/nothing", nil); status != http.StatusNotFound {
				t.Errorf("an unknown path answered %d", status)
			}
		})
	}
}
