//go:build e2e

package examples

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// inBrowser runs one of the scripts of tools with env and wants it to pass.
func inBrowser(t *testing.T, script string, env ...string) {
	t.Helper()
	chromium := tool(t, "chromium", "chromium-browser", "google-chrome")
	p := start(t, tools(t), append(env, "CHROMIUM="+chromium), "node", script)
	if code := p.exit(); code != 0 {
		t.Errorf("%s ended with %d:\n%s", script, code, p.output())
	}
}

func TestWeb(t *testing.T) {
	tool(t, "chromium", "chromium-browser", "google-chrome")
	s := startServer(t)
	page := start(t, copied(t, "web"), []string{"PORT=0"}, tool(t, "node"), "serve.js")
	at := page.wait(`^open (http://\S+)$`)[1]
	inBrowser(t, "web.js", "PAGE="+at, "PUSH_API="+s.url, "PUSH_PASSWORD="+s.password)
}

// TestChat runs the demo with its one command and visits it with three browsers.
func TestChat(t *testing.T) {
	tool(t, "chromium", "chromium-browser", "google-chrome")
	chat := start(t, copied(t, "chat"), []string{"PORT=0", "PUSH_PORT=0", "LIGHTPUSH_WORKER_MESSAGE_TIMEOUT=200"}, tool(t, "node"), "start.js", binary)
	page := chat.wait(`^the chat is open at (\S+)$`)[1]
	inBrowser(t, "chat.js", "PAGE="+page)
}

// TestChatServerIsSmall holds what its README says.
func TestChatServerIsSmall(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(examples, "chat", "chat.js"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n > 200 {
		t.Errorf("chat.js has %d lines", n)
	}
}
