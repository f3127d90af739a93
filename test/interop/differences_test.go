//go:build interop

package interop

import "slices"

// difference is what other peers answer instead, and why this project does not. Transcripts that differ in the same
// way share one.
type difference struct {
	transcripts []string
	ours        string // where they differ
	node        string // "" when it answers like lightpush
	golang      string
	reason      string
}

const (
	stays  = "no answer"    // the session lives on, and its next GET is held
	chance = "in any order" // not the same every time: not compared
)

// differences is complete: TestTranscripts fails for what is missing here, and for what is here and does not show.
var differences = []difference{
	// The handshake.
	{[]string{"polling handshake, protocol 3", "polling handshake, EIO missing", "polling handshake, EIO=5"}, polled3,
		`200 · 118:0{"maxPayload":1000000,"pingInterval":25000,"pingTimeout":20000,"sid":"SID","upgrades":["websocket"]}`,
		`200 · 122:0{"maxPayload":1000000,"pingInterval":25000,"pingTimeout":20000,"sid":"SID","upgrades":["websocket"]}`,
		"the servers these clients were made for tell no maxPayload, and join / in the same answer, which saves a round trip"},
	{[]string{"WebSocket handshake, protocol 3"}, wsOpen3,
		`0{"maxPayload":1000000,"pingInterval":25000,"pingTimeout":20000,"sid":"SID","upgrades":[]}`,
		`0{"maxPayload":1000000,"pingInterval":25000,"pingTimeout":20000,"sid":"SID","upgrades":[]}`,
		"maxPayload is no part of protocol 3"},
	{[]string{"protocol 3 refused on WebSocket"}, "400 Unsupported protocol version", "close frame 21584", "close frame 1000",
		"a refusal is an HTTP answer; Node.js writes one behind the 101, where it is read as a broken frame"},
	{[]string{"protocol 3 refused on polling"}, badProtocol, "", `400 · {"code":4,"message":"Unsupported protocol version"}`,
		"the code of this refusal is 5"},
	{[]string{"upgrade with an unknown session"}, "400 Session ID unknown", "", `400 {"code":1,"message":"Session ID unknown"}`,
		"a refused upgrade has the bare message as its body"},
	{[]string{"requests that do not fit their session"}, badRequest, "", stays,
		"EIO must be the same on every request of a session"},
	{[]string{"other methods within a session"}, "405", "500", "500", "a method nobody serves is no error of the server"},

	// Polling.
	{[]string{"empty payload, protocol 3", "empty payload, protocol 4", "length beyond the end, protocol 3",
		"letters as length, protocol 3", "negative length, protocol 3", "no length, protocol 3",
		"rest behind the last packet, protocol 3", "separator at the end, protocol 4", "separator at the start, protocol 4",
		"two separators, protocol 4", "unknown packet, protocol 4"}, unknownSession, "", stays,
		"a payload that cannot be decoded ends its session"},
	{[]string{"octet-stream, protocol 4"}, "400", "", stays, "protocol 4 knows no octet-stream: 400, and the session ends"},
	{[]string{"base64, protocol 4"}, `200 · 461-0[{"_placeholder":true,"num":0}]␞b++//AQ==`, "", stays, "base64 without padding and of the URL alphabet is understood"},
	{[]string{"strings as octet-stream, protocol 3"}, `200 · 8:430["€"]`, "", "200 · 8:430[\"\ufffd\"]", "strings in an octet-stream are UTF-8"},
	{[]string{"no more than 16 packets in an answer"}, "16 packets", "17 packets", "17 packets",
		"python clients drop the connection when an answer has more"},
	{[]string{"ping from a client, polling, protocol 4"}, ok, "", "429", "answered as any other POST; the session ends"},
	{[]string{"second POST"}, "connection reset", "", stays, "the first POST of two ends with its session"},
	{[]string{"CORS preflight, methods"}, "204 · Access-Control-Allow-Methods: GET, POST", "204 · Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE",
		"204 · Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE", "there are no other methods than GET and POST"},
	{[]string{"JSONP, protocol 4"}, `200 · ___eio[0]("430[\"\u2028\"]");`, "", `200 · ___eio[0]("430[\"\\u2028\"]");`,
		"the same text: the JSON has the escape, not the script"},

	// WebSocket.
	{[]string{"how a connection is refused"}, "close frame", "", "connection closed", "a WebSocket ends with a close frame"},
	{[]string{"how a connection is refused", "server ends all"}, "connection closed", "nothing", "",
		"java never answers a close frame: the TCP connection is closed without it, Node.js waits for half a minute"},
	{[]string{"close frame from the client"}, "connection closed", "", "nothing", "the server closes the TCP connection"},
	{[]string{"length with its highest bit set"}, "close frame 1002", "close frame 1009", "connection closed", "RFC 6455 section 5.2: a protocol error, 1002"},
	{[]string{"invalid UTF-8"}, "close frame 1007", "", "connection closed", "RFC 6455 section 8.1: 1007"},
	{[]string{"pong from a client, protocol 3"}, "3", "close frame", "connection closed", "no client means harm with it"},
	{[]string{"any packet is life, protocol 3"}, "430[]", "close frame", "connection closed",
		"as in 2.x, every packet shows that a client is there, not only its pings"},
	{[]string{"silence after the upgrade, protocol 3"}, closed, "nothing", "nothing", "an upgrade does not end the heartbeat"},

	// Namespaces.
	{[]string{"unknown namespace, protocol 3"}, `44/nope,"Invalid namespace"`, `44/nope,{"message":"Invalid namespace"}`, `44/nope,{"message":"Invalid namespace"}`,
		"clients of protocol 3 expect text, java drops the object"},
	{[]string{"connect_error, protocol 4", "refused twice on one connection"}, `44/refuse,{"message":"no way"}`, "",
		`44/refuse,{"data":null,"message":"no way"}`, "data is there when the application gave some"},
	{[]string{"query of a namespace, protocol 3"}, `42/auth,["auth","b c","é"]`, "", `42/auth,["auth","",""]`, "the query of a namespace reaches the application"},
	{[]string{"duplicate CONNECT in one segment"}, closed, `40{"sid":"SID"}`, `40{"sid":"SID"}`,
		"no client is in a namespace twice, however fast it asks"},
	{[]string{"duplicate CONNECT, protocol 3"}, "40/app,", "close frame", "connection closed", "2.x tolerates it, and confirms it again"},
	{[]string{"CONNECT / by the client, protocol 3"}, "430[]", "close frame", "connection closed",
		"swift sends it, although / is joined unasked"},
	{[]string{"event for a namespace not joined, protocol 3", "unknown packet type, protocol 3"}, "430[]", "close frame", "connection closed",
		"2.x ignores it"},
	{[]string{"leave and join again in one segment"}, `40{"sid":"SID"}`, "close frame", "connection closed", "packets are handled in the order they were sent"},
	{[]string{"server ends all"}, "41", "", "connection closed", "the client hears of it before the connection ends"},
	{[]string{"server ends all, polling, GET held", "server ends all, polling, no GET held"}, "200 · 41", "", "200 · 41␞1",
		"like Node.js, the close packet comes in an answer of its own"},

	// Packets.
	{[]string{"two events in one POST"}, `200 · 431[1]␞42["echo",2]`, "", chance, "packets are handled in the order they were sent"},
	{[]string{"packets behind the handshake in one segment"}, "430[1]", "", chance, "packets are handled in the order they were sent"},
	{[]string{"0 attachments"}, closed, "", `42["echo",1]`, "a binary event has at least one attachment"},
	{[]string{"11 attachments"}, closed, "", "nothing", "at most 10 attachments, the limit of the official parser"},
	{[]string{"binary event with an attachment used twice"}, "<aa>", "", "<>", "an attachment may be used more than once"},
	{[]string{"text behind the JSON"}, closed, "", `42["echo"]`, "there is nothing behind the JSON of a packet"},
	{[]string{"reserved event name of emitters"}, closed, "", "nothing", "newListener is reserved too"},
	{[]string{"event without JSON"}, "439[]", "", crashed, "one packet of one client must not end the server"},
	{[]string{"number as event name"}, "439[]", "", "connection closed", "an event may be named by a number"},
	{[]string{"text that survives"}, `430["<U+2028>é😀","",null,9007199254740991,-0.5]`, "", `430["\u2028é😀","",null,9007199254740991,-0.5]`, "the same text; it needs no escape"},
	{[]string{"markup survives"}, `430["<a href='x'>&</a>"]`, "", `430["\u003ca href='x'\u003e\u0026\u003c/a\u003e"]`, "the same text; it needs no escape"},
}

// theirs is what is listed for a peer and a transcript.
func theirs(peer, transcript string) (d difference, got string) {
	for _, d := range differences {
		if !slices.Contains(d.transcripts, transcript) {
			continue
		}
		switch {
		case peer == node && d.node != "":
			return d, d.node
		case peer == golang && d.golang != "":
			return d, d.golang
		}
	}
	return difference{}, ""
}
