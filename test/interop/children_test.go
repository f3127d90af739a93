//go:build interop

package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/engine.io/v2/utils"
	reference "github.com/zishang520/socket.io/v2/socket"
)

// child is a peer in a process of its own. It prints one line of JSON when it is ready, and ends with its standard
// input.
type child struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

func startChild(t *testing.T, cmd *exec.Cmd, ready any) *child {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd, in, bufio.NewReader(out)}
	line, err := c.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, ready)
	}
	if err != nil {
		c.end()
		t.Fatalf("%s: %v", cmd, err)
	}
	return c
}

// end reports whether the process ended well.
func (c *child) end() bool {
	_ = c.in.Close()
	return c.cmd.Wait() == nil
}

// nodeURLs starts node/server.js.
func nodeURLs(t *testing.T) map[string]string {
	t.Helper()
	program, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed; `make deps` says what these tests need")
	}
	if _, err := os.Stat(filepath.Join("node", "node_modules", "socket.io")); err != nil {
		t.Fatalf("%v; `make deps` installs it", err)
	}
	cmd := exec.Command(program, "server.js")
	cmd.Dir, cmd.Stderr = "node", os.Stderr
	var ready struct {
		Version string
		Ports   map[string]int
	}
	c := startChild(t, cmd, &ready)
	t.Cleanup(func() { c.end() })
	if !strings.Contains(node, " "+ready.Version+" ") {
		t.Fatalf("socket.io %s is installed, the differences are those of %s", ready.Version, node)
	}
	urls := map[string]string{}
	for profile, port := range ready.Ports {
		urls[profile] = fmt.Sprintf("http://127.0.0.1:%d", port)
	}
	return urls
}

// golangRole is the environment variable that makes this test binary the reference peer in Go.
const golangRole = "INTEROP_REFERENCE"

func TestMain(m *testing.M) {
	if os.Getenv(golangRole) == "" {
		os.Exit(m.Run())
	}
	urls := serveGolang()
	_ = json.NewEncoder(os.Stdout).Encode(urls)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func golangURLs(t *testing.T) (urls map[string]string, end func() bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), golangRole+"=1")
	c := startChild(t, cmd, &urls)
	return urls, c.end
}

// serveGolang starts the application on the reference peer in Go.
func serveGolang() map[string]string {
	utils.Log().SetPrefix("")
	urls := map[string]string{}
	for _, profile := range []string{plain, tight, modern} {
		options := reference.DefaultServerOptions()
		options.SetPingInterval(25 * time.Second)
		options.SetPingTimeout(20 * time.Second)
		options.SetAllowEIO3(profile != modern)
		switch profile {
		case plain:
			options.SetCors(&types.Cors{Origin: true, Credentials: true})
		case tight:
			options.SetPingInterval(tightPing)
			options.SetPingTimeout(tightTimeout)
			options.SetUpgradeTimeout(tightTimeout)
			options.SetConnectTimeout(tightTimeout)
			options.SetMaxHttpBufferSize(tightPayload)
		}
		server := reference.NewServer(nil, options)
		for _, name := range []string{"/", "/app"} {
			_ = server.Of(name, nil).On("connection", func(clients ...any) { golangApplication(clients[0].(*reference.Socket)) })
		}
		_ = server.Of("/auth", nil).On("connection", func(clients ...any) {
			client := clients[0].(*reference.Socket)
			auth, _ := client.Handshake().Auth.(map[string]any)
			query := url.Values(client.Handshake().Query)
			get := func(key string) string {
				text, _ := auth[key].(string)
				return query.Get(key) + text
			}
			_ = client.Emit("auth", get("a"), get("z"))
		})
		server.Of("/refuse", nil).Use(func(_ *reference.Socket, next func(*reference.ExtendedError)) {
			next(reference.NewExtendedError("no way", nil))
		})
		server.Of("/refuse-data", nil).Use(func(_ *reference.Socket, next func(*reference.ExtendedError)) {
			next(reference.NewExtendedError("no way", map[string]int{"k": 1}))
		})
		urls[profile] = httptest.NewServer(server.ServeHandler(options)).URL
	}
	return urls
}

func golangApplication(client *reference.Socket) {
	_ = client.On("echo", func(args ...any) {
		if n := len(args); n > 0 {
			if ack, ok := args[n-1].(reference.Ack); ok {
				ack(args[:n-1], nil)
				return
			}
		}
		_ = client.Emit("echo", args...)
	})
	_ = client.On("ask", func(args ...any) {
		client.EmitWithAck("question", args...)(func(answers []any, err error) {
			if err == nil {
				_ = client.Emit("answered", answers...)
			}
		})
	})
	_ = client.On("leave", func(...any) { client.Disconnect(false) })
	_ = client.On("leave all", func(...any) { client.Disconnect(true) })
}
