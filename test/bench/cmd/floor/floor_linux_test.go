package main

import (
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/simulator/wire"
)

func TestTextFrame(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 1000} {
		text := strings.Repeat("x", size)
		op, payload, n, err := wire.NextFrame(textFrame(text))
		if op != wire.OpText || string(payload) != text || n != len(textFrame(text)) || err != nil {
			t.Errorf("%d bytes: opcode %d, %d bytes, %v", size, op, len(payload), err)
		}
	}
}

// The example of RFC 6455, section 1.3.
func TestAccept(t *testing.T) {
	const request = "GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if got := accept(header([]byte(request), "Sec-WebSocket-Key: ")); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Error(got)
	}
	if got := header([]byte(request), "Origin: "); got != "" {
		t.Error(got)
	}
}

func TestJoined(t *testing.T) {
	for packet, want := range map[string]string{
		`42/bench,0["joinRoom",["everybody"]]`: "everybody", `42/bench,0["joinRoom",[]]`: "", `42/bench,0["joinRoom"]`: "", `42/bench,0["joinRoom",["cut`: "",
	} {
		if got := joined([]byte(packet)); got != want {
			t.Errorf("%s: %q", packet, got)
		}
	}
}
