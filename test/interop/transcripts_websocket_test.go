//go:build interop

package interop

import (
	"encoding/hex"
	"strings"

	"github.com/gobwas/ws"
)

func hexOf(text string) string { return hex.EncodeToString([]byte(text)) }

const (
	wsOpen  = `0{"maxPayload":1000000,"pingInterval":25000,"pingTimeout":20000,"sid":"SID","upgrades":[]}`
	wsOpen3 = `0{"pingInterval":25000,"pingTimeout":20000,"sid":"SID","upgrades":[]}`

	header0 = `451-0["echo",{"_placeholder":true,"num":0}]` // asks for one attachment back
	answer0 = `461-0[{"_placeholder":true,"num":0}]`
)

// session is the beginning of a transcript: a WebSocket in the main namespace, of protocol 4.
func session(steps ...step) []step {
	return append([]step{{dial4(""), opened}, {send("40"), ""}, {read(), `40{"sid":"SID"}`}}, steps...)
}

// refused sends one frame and sees the connection closed without a status.
func refused(text string) []step {
	return session(step{send(text), ""}, step{ended(), closed})
}

// with adds steps.
func with(steps []step, more ...step) []step { return append(steps, more...) }

func unmasked(text string) []byte { return ws.MustCompileFrame(ws.NewTextFrame([]byte(text))) }

var webSocketTranscripts = []transcript{
	{name: "WebSocket handshake, protocol 4", steps: []step{{dial("EIO=4"), wsOpen}, {quiet(), "nothing"}}},
	{name: "WebSocket handshake, protocol 3", steps: []step{{dial("EIO=3"), wsOpen3}, {read(), "40"}}},
	{name: "WebSocket, protocol 4", steps: []step{
		{dial4(""), opened}, {quiet(), "nothing"}, {send("40"), ""}, {read(), `40{"sid":"SID"}`},
		{send(`427["echo",{"a":[1,"é😀",null]}]`), ""}, {read(), `437[{"a":[1,"é😀",null]}]`},
	}},
	{name: "WebSocket, protocol 3", steps: []step{
		{dial3(""), opened}, {send(`427["echo","x"]`), ""}, {read(), `437["x"]`},
	}},
	{name: "binary on WebSocket, protocol 4", steps: session(
		step{send(header0), ""}, step{sendBytes("010203"), ""}, step{read(), answer0}, step{read(), "<010203>"},
	)},
	{name: "binary on WebSocket, protocol 3", steps: []step{
		{dial3(""), opened},
		{send(header0), ""}, {sendBytes("04010203"), ""}, {read(), answer0}, {read(), "<04010203>"},
	}},
	{name: "base64 on WebSocket, protocol 4", steps: []step{
		{dial4("&b64=1"), opened}, {send("40"), ""}, {read(), `40{"sid":"SID"}`},
		{send(header0), ""}, {send("bAQI="), ""}, {read(), answer0}, {read(), "bAQI="},
	}},
	{name: "base64 on WebSocket, protocol 3", steps: []step{
		{dial3("&b64=1"), opened},
		{send(header0), ""}, {send("b4AQI="), ""}, {read(), answer0}, {read(), "b4AQI="},
	}},
	{name: "ping, protocol 3", steps: []step{
		{dial3(""), opened}, {send("2"), ""}, {read(), "3"}, {send("2xyz"), ""}, {read(), "3"},
	}},
	{name: "binary ping, protocol 3", steps: []step{
		{dial3(""), opened}, {sendBytes("02"), ""}, {read(), "3"},
	}},
	{name: "pong from a client, protocol 3", steps: []step{
		{dial3(""), opened}, {send("3"), ""}, {send("2"), ""}, {read(), "3"},
	}},
	{name: "how a connection is refused", steps: session(step{send("2"), ""}, step{read(), "close frame"}, step{read(), "connection closed"})},
	{name: "ping from a client, protocol 4", steps: refused("2")},
	{name: "2probe from a client, protocol 4", steps: refused("2probe")},
	{name: "pong nobody asked for, protocol 4", steps: session(step{send("3"), ""}, step{send(`420["echo"]`), ""}, step{read(), "430[]"})},
	{name: "packets a client need not send", steps: session(
		step{send("0"), ""}, step{send("1"), ""}, step{send("5"), ""}, step{send("6"), ""},
		step{send(`420["echo"]`), ""}, step{read(), "430[]"},
	)},
	{name: "empty text frame", steps: refused("")},
	{name: "unknown packet on WebSocket", steps: refused("9")},
	{name: "message without content", steps: refused("4")},
	{name: "packets behind the handshake in one segment", steps: session(
		step{burst(`420["echo",1]`, `421["echo",2]`, `422["echo",3]`), ""},
		step{read(), "430[1]"}, step{read(), "431[2]"}, step{read(), "432[3]"},
	)},

	{name: "heartbeat, protocol 4", profile: tight, steps: []step{
		{dial4(""), opened}, {send("40"), ""}, {read(), `40{"sid":"SID"}`},
		{read(), "2"}, {send("3"), ""}, {read(), "2"}, {send("3"), ""}, {read(), "2"},
	}},
	{name: "lost heartbeat, protocol 4", profile: tight, steps: []step{
		{dial4(""), opened}, {send("40"), ""}, {read(), `40{"sid":"SID"}`}, {read(), "2"}, {ended(), closed},
	}},
	{name: "lost heartbeat, protocol 3", profile: tight, steps: []step{
		{dial3(""), opened}, {ended(), closed},
	}},
	{name: "any packet is life, protocol 3", profile: tight, steps: []step{
		{dial3(""), opened}, {pause(tightPing), ""}, {send("6"), ""}, {pause(tightPing), ""},
		{send(`420["echo"]`), ""}, {read(), "430[]"},
	}},
	{name: "connect timeout", profile: tight, steps: []step{{dial4(""), opened}, {ended(), closed}}},
	{name: "connect timeout, refused in time", profile: tight, steps: []step{
		{dial4(""), opened}, {send("40/nope,"), ""}, {read(), `44/nope,{"message":"Invalid namespace"}`}, {ended(), closed},
	}},

	{name: "frame beyond maxPayload", profile: tight, steps: []step{
		{dial4(""), opened}, {send(strings.Repeat("4", tightPayload+1)), ""}, {read(), "close frame 1009"}, {read(), "connection closed"},
	}},
	{name: "fragments beyond maxPayload", profile: tight, steps: []step{
		{dial4(""), opened},
		{frame("send 600 bytes, no FIN", ws.NewFrame(ws.OpText, false, []byte(strings.Repeat("4", 600)))), ""},
		{frame("send 600 bytes more", ws.NewFrame(ws.OpContinuation, true, []byte(strings.Repeat("4", 600)))), ""},
		{read(), "close frame 1009"},
	}},
	{name: "length of 64 bits", steps: session(
		step{raw("send a header that announces 2^62 bytes", []byte{0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}), ""},
		step{read(), "close frame 1009"},
	)},
	{name: "length with its highest bit set", steps: session(
		step{raw("send a header that announces 2^63 bytes", []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}), ""},
		step{read(), "close frame 1002"},
	)},
	{name: "invalid UTF-8", steps: session(step{frame("send 4<ff>", ws.NewTextFrame([]byte("4\xff"))), ""}, step{read(), "close frame 1007"})},
	{name: "frame without mask", steps: session(step{raw("send unmasked", unmasked(`420["echo"]`)), ""}, step{read(), "close frame 1002"})},
	{name: "fragments with a ping between", steps: session(
		step{frame("send the first half, no FIN", ws.NewFrame(ws.OpText, false, []byte(`420["ec`))), ""},
		step{frame("ping frame", ws.NewPingFrame([]byte("hi"))), ""},
		step{read(), "pong frame hi"},
		step{frame("send the rest", ws.NewFrame(ws.OpContinuation, true, []byte(`ho",1]`))), ""},
		step{read(), "430[1]"},
	)},
	{name: "fragmented control frame", steps: session(
		step{frame("ping frame, no FIN", ws.NewFrame(ws.OpPing, false, []byte("hi"))), ""}, step{read(), "close frame 1002"},
	)},
	{name: "control frame of 126 bytes", steps: session(
		step{frame("ping frame of 126 bytes", ws.NewFrame(ws.OpPing, true, make([]byte, 126))), ""}, step{read(), "close frame 1002"},
	)},
	{name: "reserved op code", steps: session(
		step{frame("op code 3", ws.NewFrame(3, true, []byte("x"))), ""}, step{read(), "close frame 1002"},
	)},
	{name: "reserved bits", steps: session(
		step{raw("send with RSV1", []byte{0xc1, 0x81, 0, 0, 0, 0, '6'}), ""}, step{read(), "close frame 1002"},
	)},
	{name: "continuation of nothing", steps: session(
		step{frame("continuation", ws.NewFrame(ws.OpContinuation, true, []byte("6"))), ""}, step{read(), "close frame 1002"},
	)},
	{name: "new message inside of a fragmented one", steps: session(
		step{frame("send, no FIN", ws.NewFrame(ws.OpText, false, []byte("6"))), ""}, step{send("6"), ""}, step{read(), "close frame 1002"},
	)},
	{name: "close frame from the client", steps: session(
		step{frame("close frame 1001", ws.NewCloseFrame(ws.NewCloseFrameBody(1001, "bye"))), ""},
		step{read(), "close frame 1001"}, step{read(), "connection closed"},
	)},
	{name: "close frame without status", steps: session(
		step{frame("close frame", ws.NewCloseFrame(nil)), ""}, step{read(), "close frame"},
	)},
	{name: "close frame with a forbidden status", steps: session(
		step{frame("close frame 1005", ws.NewCloseFrame(ws.NewCloseFrameBody(1005, ""))), ""}, step{read(), "close frame 1002"},
	)},
}

// upgrading is a polling session in the main namespace with a probed WebSocket.
func upgrading(steps ...step) []step {
	return append([]step{
		{poll4(""), opened}, {post("40"), ok}, {get(), `200 · 40{"sid":"SID"}`},
		{upgrade(), "101"}, {send("2probe"), ""}, {read(), "3probe"},
	}, steps...)
}

var upgradeTranscripts = []transcript{
	{name: "upgrade", steps: upgrading(
		step{send("5"), ""}, step{send(`420["echo",1]`), ""}, step{read(), "430[1]"},
		step{get(), badRequest}, step{post("6"), badRequest},
	)},
	{name: "upgrade, protocol 3", steps: []step{
		{poll3(""), opened}, {upgrade(), "101"}, {send("2probe"), ""}, {read(), "3probe"}, {send("5"), ""},
		{send(`420["echo",1]`), ""}, {read(), "430[1]"}, {send("2"), ""}, {read(), "3"},
	}},
	{name: "upgrade with a GET held", steps: []step{
		{poll4(""), opened}, {post("40"), ok}, {get(), `200 · 40{"sid":"SID"}`}, {hold(), ""},
		{upgrade(), "101"}, {send("2probe"), ""}, {read(), "3probe"}, {released(), "200 · 6"},
		{get(), "200 · 6"}, {send("5"), ""}, {send(`420["echo",1]`), ""}, {read(), "430[1]"},
	}},
	{name: "event on polling during the probe", steps: upgrading(
		step{post(`420["echo",1]`), ok}, step{get(), "200 · 430[1]"},
		step{post(`421["echo",2]`), ok}, step{send("5"), ""}, step{read(), "431[2]"},
	)},
	{name: "header by POST, attachment by WebSocket", steps: upgrading(
		step{post(header0), ok}, step{send("5"), ""}, step{sendBytes("0102"), ""}, step{read(), answer0}, step{read(), "<0102>"},
	)},
	{name: "upgrade without probe", steps: []step{
		{poll4(""), opened}, {post("40"), ok}, {get(), `200 · 40{"sid":"SID"}`},
		{upgrade(), "101"}, {send("5"), ""}, {send(`420["echo",1]`), ""}, {read(), "430[1]"},
	}},
	{name: "probe twice", steps: upgrading(step{send("2probe"), ""}, step{read(), "3probe"}, step{send("5"), ""}, step{send(`420["echo"]`), ""}, step{read(), "430[]"})},
	{name: "other frame instead of the probe", steps: []step{
		{poll4(""), opened}, {post("40"), ok}, {upgrade(), "101"}, {send(`42["x"]`), ""}, {ended(), closed},
		{get(), `200 · 40{"sid":"SID"}`},
	}},
	{name: "client drops the probed WebSocket", steps: upgrading(
		step{dropSocket(), ""}, step{post(`420["echo",1]`), ok}, step{get(), "200 · 430[1]"},
		step{upgrade(), "101"}, step{send("2probe"), ""}, step{read(), "3probe"},
	)},
	{name: "upgrade timeout", profile: tight, steps: []step{
		{poll4(""), opened}, {post("40"), ok}, {get(), `200 · 40{"sid":"SID"}`},
		{upgrade(), "101"}, {send("2probe"), ""}, {read(), "3probe"}, {ended(), closed},
		{post(`420["echo",1]`), ok}, {get(), "200 · 430[1]"},
	}},
	{name: "second WebSocket during the upgrade", steps: upgrading(
		step{upgrade(), "101"}, step{ended(), closed}, step{swap(), ""},
		step{send("5"), ""}, step{send(`420["echo",1]`), ""}, step{read(), "430[1]"},
	)},
	{name: "second WebSocket after the upgrade", steps: upgrading(
		step{send("5"), ""}, step{send(`420["echo",1]`), ""}, step{read(), "430[1]"},
		step{upgrade(), "101"}, step{ended(), closed}, step{swap(), ""},
		step{send(`420["echo",2]`), ""}, step{read(), "430[2]"},
	)},
	{name: "session closed during the probe", steps: upgrading(
		step{post("1"), ok}, step{ended(), closed}, step{get(), unknownSession},
	)},
	{name: "heartbeat after the upgrade", profile: tight, steps: []step{
		{poll4(""), opened}, {post("40"), ok}, {get(), `200 · 40{"sid":"SID"}`},
		{upgrade(), "101"}, {send("2probe"), ""}, {read(), "3probe"}, {send("5"), ""},
		{read(), "2"}, {send("3"), ""}, {read(), "2"}, {ended(), closed},
	}},
	{name: "silence after the upgrade, protocol 3", profile: tight, steps: []step{
		{poll3(""), opened},
		{upgrade(), "101"}, {send("2probe"), ""}, {read(), "3probe"}, {send("5"), ""}, {ended(), closed},
	}},
}
