//go:build interop

package interop

import (
	"fmt"
	"net/url"
	"strings"
)

const (
	openBody = `0{"maxPayload":1000000,"pingInterval":25000,"pingTimeout":20000,"sid":"SID","upgrades":["websocket"]}`
	joined   = `40/app,{"sid":"SID"}`

	ok = "200 · ok"

	unknownTransport = `400 · {"code":0,"message":"Transport unknown"}`
	unknownSession   = `400 · {"code":1,"message":"Session ID unknown"}`
	badMethod        = `400 · {"code":2,"message":"Bad handshake method"}`
	badRequest       = `400 · {"code":3,"message":"Bad request"}`
	badProtocol      = `400 · {"code":5,"message":"Unsupported protocol version"}`

	// Protocol 3 tells no maxPayload here, and joins / in the same answer.
	polled3 = `200 · 97:0{"sid":"SID","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}2:40`
)

var originHeaders = []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"}

var pollingTranscripts = []transcript{
	{name: "polling handshake, protocol 4", steps: []step{
		{poll("EIO=4", "Content-Type", "Cache-Control"), "200 · Content-Type: text/plain; charset=UTF-8 · Cache-Control: no-store · " + openBody},
		{post("40"), ok},
		{get(), `200 · 40{"sid":"SID"}`},
	}},
	{name: "polling handshake, protocol 3", steps: []step{{poll("EIO=3"), polled3}}},
	{name: "polling handshake, EIO missing", steps: []step{{poll(""), polled3}}},
	{name: "polling handshake, EIO=5", steps: []step{{poll("EIO=5"), polled3}}},
	{name: "refusals without a session", steps: []step{
		{request("GET", "EIO=4"), unknownTransport},
		{request("GET", "EIO=4&transport=carrier-pigeon"), unknownTransport},
		{request("GET", "EIO=4&transport=constructor"), unknownTransport},
		{request("GET", "EIO=4&transport=polling&sid=unknown"), unknownSession},
		{request("POST", "EIO=4&transport=polling&sid=__proto__"), unknownSession},
		{request("POST", "EIO=4&transport=polling"), badMethod},
		{request("PUT", "EIO=4&transport=polling"), badMethod},
		{request("GET", "EIO=4&transport=websocket"), badRequest},
	}},
	{name: "webtransport over HTTP", steps: []step{{request("GET", "EIO=4&transport=webtransport"), unknownTransport}}},
	{name: "upgrade with an unknown session", steps: []step{{dial("EIO=4&sid=unknown"), "400 Session ID unknown"}}},
	{name: "protocol 3 refused on polling", profile: modern, steps: []step{{poll("EIO=3"), badProtocol}}},
	{name: "protocol 3 refused on WebSocket", profile: modern, steps: []step{{dial("EIO=3"), "400 Unsupported protocol version"}}},
	{name: "requests that do not fit their session", steps: []step{
		{poll4(""), opened},
		{within("GET", "EIO=3"), badRequest},
		{within("GET", "transport=websocket"), badRequest},
		{post("40"), ok},
		{get(), `200 · 40{"sid":"SID"}`},
	}},
	{name: "other methods within a session", steps: []step{
		{poll4(""), opened},
		{within("PUT", ""), "405"},
	}},

	{name: "record separators, protocol 4", steps: []step{
		{poll4(""), opened},
		{post("6␞40␞6"), ok},
		{get(), `200 · 40{"sid":"SID"}`},
		{post(`421["echo","€😀"]␞6`), ok},
		{get(), `200 · 431["€😀"]`},
	}},
	{name: "two events in one POST", steps: []step{
		{poll4(""), opened}, {post("40"), ok}, {get(), `200 · 40{"sid":"SID"}`},
		{post(`421["echo",1]␞42["echo",2]`), ok}, {get(), `200 · 431[1]␞42["echo",2]`},
	}},
	{name: "lengths, protocol 3", steps: []step{
		{poll3(""), opened},
		{post(`0:16:42["echo","€😀"]1:6`), ok},
		{get(), `200 · 16:42["echo","€😀"]`},
		{post(`17:420["echo","a,b"]`), ok},
		{get(), `200 · 10:430["a,b"]`},
	}},
	{name: "base64, protocol 4", steps: []step{
		{poll4(""), opened},
		{post(`40`), ok},
		{get(), `200 · 40{"sid":"SID"}`},
		{post(`451-0["echo",{"_placeholder":true,"num":0}]␞bAQIDBA==`), ok},
		{get(), `200 · 461-0[{"_placeholder":true,"num":0}]␞bAQIDBA==`},
		{post(`451-0["echo",{"_placeholder":true,"num":0}]␞b--__AQ`), ok}, // URL alphabet, no padding
		{get(), `200 · 461-0[{"_placeholder":true,"num":0}]␞b++//AQ==`},
		{post(`451-0["echo",{"_placeholder":true,"num":0}]␞b`), ok}, // empty
		{get(), `200 · 461-0[{"_placeholder":true,"num":0}]␞b`},
	}},
	{name: "binary, protocol 3", steps: []step{
		{poll3(""), opened},
		{postBytes("00 04 03 ff" + hexOf(`451-0["echo",{"_placeholder":true,"num":0}]`) + "01 05 ff 04 01 02 03 04"), ok},
		{show([]string{"Content-Type"}), `200 · Content-Type: application/octet-stream · <000306ff` +
			hexOf(`461-0[{"_placeholder":true,"num":0}]`) + `0105ff0401020304>`},
	}},
	{name: "strings as octet-stream, protocol 3", steps: []step{
		{poll3(""), opened},
		{postBytes("00 01 07 ff" + hexOf(`420["echo","€"]`)), ok},
		{get(), `200 · 8:430["€"]`},
	}},
	{name: "binary as base64, protocol 3", steps: []step{
		{poll3("&b64=1"), opened},
		{post(`43:451-0["echo",{"_placeholder":true,"num":0}]10:b4AQIDBA==`), ok},
		{get(), `200 · 36:461-0[{"_placeholder":true,"num":0}]10:b4AQIDBA==`},
	}},
	{name: "base64 from a session without b64, protocol 3", steps: []step{
		{poll3(""), opened},
		{post(`42:451-["echo",{"_placeholder":true,"num":0}]10:b4AQIDBA==17:420["echo","end"]`), ok},
	}},
	{name: "JSONP, protocol 3", steps: []step{
		{open(poll("EIO=3&j=7&b64=1"), `2:40");`, get()), opened},
		{form(`17:420["echo","a b"]`), ok},
		{show([]string{"Content-Type"}), `200 · Content-Type: text/plain; charset=UTF-8 · ___eio[7]("10:430[\"a b\"]");`},
	}},
	{name: "JSONP, protocol 4", steps: []step{
		{poll4("&j=0"), opened}, {form("40"), ok}, {get(), `200 · ___eio[0]("40{\"sid\":\"SID\"}");`},
		{form("420[\"echo\",\"\u2028\"]"), ok}, {get(), `200 · ___eio[0]("430[\"\u2028\"]");`},
		{form(`420["echo","a\\nb"]`), ok}, {get(), `200 · ___eio[0]("430[\"a\\nb\"]");`},
	}},
	{name: "JSONP, form without d", steps: []step{
		{poll4("&j=0"), opened}, {post("e=6", "Content-Type", "application/x-www-form-urlencoded"), ok}, {form("40"), ok}, {get(), `200 · ___eio[0]("40{\"sid\":\"SID\"}");`},
	}},

	{name: "no more than 16 packets in an answer", steps: []step{
		{poll4(""), opened},
		{post("40"), ok},
		{get(), `200 · 40{"sid":"SID"}`},
		{post(strings.Repeat(`42["echo",1]␞`, 17) + `6`), ok},
		{count(), "16 packets"},
		{count(), "1 packets"},
	}},
	{name: "noops from the client", steps: []step{
		{poll4(""), opened},
		{post("6␞0␞5␞6"), ok},
		{post("40"), ok},
		{get(), `200 · 40{"sid":"SID"}`},
	}},
	{name: "empty payload, protocol 4", steps: []step{{poll4(""), opened}, {post(""), ok}, {get(), unknownSession}}},
	{name: "separator at the end, protocol 4", steps: []step{{poll4(""), opened}, {post("6␞"), ok}, {get(), unknownSession}}},
	{name: "separator at the start, protocol 4", steps: []step{{poll4(""), opened}, {post("␞6"), ok}, {get(), unknownSession}}},
	{name: "two separators, protocol 4", steps: []step{{poll4(""), opened}, {post("6␞␞6"), ok}, {get(), unknownSession}}},
	{name: "unknown packet, protocol 4", steps: []step{{poll4(""), opened}, {post("9"), ok}, {get(), unknownSession}}},
	{name: "octet-stream, protocol 4", steps: []step{{poll4(""), opened}, {postBytes("34"), "400"}, {get(), unknownSession}}},
	{name: "length beyond the end, protocol 3", steps: []step{{poll3(""), opened}, {post("5:6"), ok}, {get(), unknownSession}}},
	{name: "no length, protocol 3", steps: []step{{poll3(""), opened}, {post(":6"), ok}, {get(), unknownSession}}},
	{name: "letters as length, protocol 3", steps: []step{{poll3(""), opened}, {post("x:6"), ok}, {get(), unknownSession}}},
	{name: "negative length, protocol 3", steps: []step{{poll3(""), opened}, {post("-1:6"), ok}, {get(), unknownSession}}},
	{name: "rest behind the last packet, protocol 3", steps: []step{{poll3(""), opened}, {post("1:6x"), ok}, {get(), unknownSession}}},
	{name: "empty payload, protocol 3", steps: []step{{poll3(""), opened}, {post(""), ok}, {get(), unknownSession}}},
	{name: "ping from a client, polling, protocol 4", steps: []step{{poll4(""), opened}, {post("2"), ok}, {get(), unknownSession}}},
	{name: "ping from a client, polling, protocol 3", steps: []step{{poll3(""), opened}, {post("1:2"), ok}, {get(), "200 · 1:3"}}},

	{name: "second GET", steps: []step{
		{poll4(""), opened}, {hold(), ""}, {get(), "400"}, {released(), "200 · 1"}, {get(), unknownSession},
	}},
	{name: "second GET, protocol 3", steps: []step{
		{poll3(""), opened}, {hold(), ""}, {get(), "400"}, {released(), "200 · 1:1"}, {get(), unknownSession},
	}},
	{name: "second POST", steps: []step{
		{poll4(""), opened}, {half(), ""}, {post("6"), "400"}, {halfEnd(), "connection reset"}, {get(), unknownSession},
	}},
	{name: "GET aborted", steps: []step{{poll4(""), opened}, {hold(), ""}, {abort(), ""}, {get(), unknownSession}}},
	{name: "POST aborted", steps: []step{{poll4(""), opened}, {half(), ""}, {halfDrop(), ""}, {get(), unknownSession}}},
	{name: "POST while a GET is held", steps: []step{
		{poll4(""), opened}, {hold(), ""}, {post("40"), ok}, {released(), `200 · 40{"sid":"SID"}`},
	}},
	{name: "body of exactly maxPayload", profile: tight, steps: []step{
		{poll4(""), opened},
		{post("40"), ok}, {get(), `200 · 40{"sid":"SID"}`},
		{post(`420["echo","` + strings.Repeat("x", tightPayload-14) + `"]`), ok},
		{get(), `200 · 430["` + strings.Repeat("x", tightPayload-14) + `"]`},
	}},
	{name: "body beyond maxPayload", profile: tight, steps: []step{
		{poll4(""), opened}, {post(strings.Repeat("4", tightPayload+1)), "413"},
		{post("40"), ok}, {get(), `200 · 40{"sid":"SID"}`},
	}},
	{name: "body beyond maxPayload while a GET is held", profile: tight, steps: []step{
		{poll4(""), opened}, {hold(), ""}, {post(strings.Repeat("4", tightPayload+1)), "413"},
		{post("40"), ok}, {released(), `200 · 40{"sid":"SID"}`},
	}},

	{name: "close packet, no GET held", steps: []step{{poll4(""), opened}, {post("1"), ok}, {get(), unknownSession}}},
	{name: "close packet, GET held", steps: []step{{poll4(""), opened}, {hold(), ""}, {post("1"), ok}, {released(), "200 · 6"}, {get(), unknownSession}}},
	{name: "close packet, GET held, protocol 3", steps: []step{
		{poll3(""), opened}, {hold(), ""}, {post("1:1"), ok}, {released(), "200 · 1:6"}, {get(), unknownSession},
	}},
	{name: "lost heartbeat on polling", profile: tight, steps: []step{
		{poll4(""), opened}, {post("40"), ok}, {get(), `200 · 40{"sid":"SID"}`},
		{get(), "200 · 2"}, {get(), "200 · 1"}, {get(), unknownSession},
	}},
	{name: "pong on polling", profile: tight, steps: []step{
		{poll4(""), opened}, {post("40"), ok}, {get(), `200 · 40{"sid":"SID"}`},
		{get(), "200 · 2"}, {post("3"), ok}, {get(), "200 · 2"},
	}},

	{name: "CORS on answers", steps: []step{
		{poll4(""), opened}, {post("40"), ok},
		{show(originHeaders, "Origin", "http://there"),
			`200 · Access-Control-Allow-Origin: http://there · Access-Control-Allow-Credentials: true · 40{"sid":"SID"}`},
	}},
	{name: "CORS on errors", steps: []step{
		{act{"GET without transport, Origin: http://there", func(c *client) string {
			return c.request(none, "GET", "EIO=4", "", []string{"Origin", "http://there"}, originHeaders)
		}}, `400 · Access-Control-Allow-Origin: http://there · Access-Control-Allow-Credentials: true · {"code":0,"message":"Transport unknown"}`},
	}},
	{name: "CORS preflight", steps: []step{{preflight(originHeaders...), "204 · Access-Control-Allow-Origin: http://there · Access-Control-Allow-Credentials: true"}}},
	{name: "CORS preflight, methods", steps: []step{{preflight("Access-Control-Allow-Methods"), "204 · Access-Control-Allow-Methods: GET, POST"}}},
	{name: "CORS preflight, headers", steps: []step{{preflight("Access-Control-Allow-Headers"), "204 · Access-Control-Allow-Headers: content-type"}}},
	{name: "CORS off", profile: tight, steps: []step{
		{preflight("Access-Control-Allow-Origin"), `400 · Access-Control-Allow-Origin:  · {"code":2,"message":"Bad handshake method"}`},
	}},
}

func preflight(shown ...string) act {
	return act{"preflight", func(c *client) string {
		return c.request(none, "OPTIONS", "EIO=4&transport=polling", "", []string{
			"Origin", "http://there", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type",
		}, shown)
	}}
}

// form sends a payload the way of JSONP.
func form(payload string) act {
	a := post("d="+url.QueryEscape(payload), "Content-Type", "application/x-www-form-urlencoded")
	a.text = "POST form d=" + space.Replace(payload)
	return a
}

// count is a GET of which only the number of packets is looked at.
func count() act {
	return act{get().text, func(c *client) string {
		return fmt.Sprint(1+strings.Count(get().run(c), "␞"), " packets")
	}}
}
