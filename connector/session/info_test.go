package session

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/namespace"
)

// ask sends an event with the ack id 9 and returns what the ack holds.
func (c *wsClient) ask(event string) string {
	c.t.Helper()
	c.send(`42/demo,9[` + event + `]`)
	got := c.read()
	body, ok := strings.CutPrefix(got, "43/demo,9[")
	if !ok {
		c.t.Fatalf("%.200s answered by %q", event, got)
	}
	return strings.TrimSuffix(body, "]")
}

const (
	ackOK        = `{"status":200,"msg":"ok"}`
	ackForbidden = `{"status":403,"msg":"Forbidden"}`
)

func refusal(msg string) string { return fmt.Sprintf(`{"status":400,"msg":%q}`, msg) }

func TestInfo(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	c := n.join(3, "uuid=u1&userid=joe")
	other := n.join(4, "uuid=u2&userid=joe&platform=ios")
	read := func(event string) map[string]any {
		t.Helper()
		var record map[string]any
		must(t, json.Unmarshal([]byte(c.ask(event)), &record))
		if record["status"] != 200.0 || record["msg"] != "ok" || record["userid"] != "joe" || record["last_connect_time"] == "" {
			t.Errorf("%s: %v", event, record)
		}
		for field := range record {
			if strings.HasPrefix(field, "~") {
				t.Errorf("%s: %v", event, record)
			}
		}
		return record
	}
	// Nothing, null, "" and {} read, wherever the callback stood.
	for _, event := range []string{`"info"`, `"info",null`, `"info",""`, `"info",{}`, `"info",{},"x",1`, `"info",null,null`,
		`"info",{"unknown":1,"device_Token":"x"}`, `"info",{"mobile":null}`, `"info",{"clientId":""}`} {
		if record := read(event); record["update_date"] != nil {
			t.Errorf("%s wrote: %v", event, record)
		}
	}
	for _, event := range []string{
		`"info",{"mobile":139,"system":"部屋","device_token":"T","leaveMessage":false,"userId":"eve","nspName":"/other","userid":"eve","~gen":"1"}`,
		`"info",{"longitude":13.4,"latitude":"52.5"},{"mobile":"0"}`,
	} {
		if got := c.ask(event); got != ackOK {
			t.Errorf("%s: %s", event, got)
		}
	}
	record := read(`"info"`)
	for field, want := range map[string]string{"mobile": "139", "system": "部屋", "device_token": "T", "leaveMessage": "false",
		"userId": "joe", "nspName": "/demo", "userid": "joe", "longitude": "13.4", "latitude": "52.5"} {
		if record[field] != want {
			t.Errorf("%s = %v, want %s", field, record[field], want)
		}
	}
	// Another device of the same user.
	if got := c.ask(`"info",{"clientId":"/demo#joe#ios-u2","mobile":"7"}`); got != ackOK {
		t.Error(got)
	}
	var second map[string]any
	must(t, json.Unmarshal([]byte(other.ask(`"info"`)), &second))
	if second["mobile"] != "7" || second["nspName"] != "/demo" {
		t.Errorf("the other device: %v", second)
	}
	if record := read(`"info",{"clientId":"/demo#joe#ios-u2"}`); record["mobile"] != "7" {
		t.Errorf("read: %v", record)
	}
}

// TestOddArguments holds that nothing a client sends as arguments costs more
// than a clear answer.
func TestOddArguments(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	neighbour := n.join(4, "uuid=neighbour&userid=joe")
	c := n.join(4, "uuid=u1&platform=ios")
	deep := strings.Repeat(`[`, 1000) + strings.Repeat(`]`, 1000)
	long := strings.Repeat("x", 5000)
	const object = "data must be an object"
	for _, tc := range []struct{ event, want string }{
		{`"info","text"`, refusal(object)},
		{`"info",[]`, refusal(object)},
		{`"info",1`, refusal(object)},
		{`"info",true`, refusal(object)},
		{`"info",` + deep, refusal(object)},
		{`"info",{"mobile":` + deep + `}`, refusal("mobile must be a string")},
		{`"info",{"mobile":{}}`, refusal("mobile must be a string")},
		{`"info",{"mobile":["1"]}`, refusal("mobile must be a string")},
		{`"info",{"mobile":"` + long + `"}`, refusal("mobile must be at most 100 bytes")},
		{`"info",{"system":"` + long + `"}`, refusal("system must be at most 500 bytes")},
		{`"info",{"device_token":"` + long + `"}`, refusal("device_token must be at most 4096 bytes")},
		{`"info",{"leaveMessage":"maybe"}`, refusal("leaveMessage must be true or false")},
		{`"info",{"longitude":"NaN","latitude":1}`, refusal("longitude must be a number")},
		{`"info",{"longitude":1,"latitude":1e999}`, refusal("latitude must be a number")},
		{`"info",{"longitude":-181,"latitude":1}`, refusal("longitude must be between -180 and 180")},
		{`"info",{"longitude":1,"latitude":91}`, refusal("latitude must be between -90 and 90")},
		{`"info",{"clientId":{}}`, refusal("clientId must be a string")},
		{`"info",{"clientId":["a"]}`, refusal("clientId must be a string")},
		{`"info",{"clientId":"` + long + `"}`, refusal("clientId must be at most 4096 bytes")},

		{`"apns"`, `[]`},
		{`"apns",null`, `[]`},
		{`"apns",{}`, `[]`},
		{`"apns",{},"x"`, `[]`}, // crashed light-push (B49)
		{`"apns","x"`, refusal(object)},
		{`"apns",[]`, refusal(object)},
		{`"apns",{"add":"r1"}`, refusal("add must be an array")},
		{`"apns",{"add":{}}`, refusal("add must be an array")},
		{`"apns",{"add":[{}]}`, refusal("add must hold only strings")},
		{`"apns",{"add":[null]}`, refusal("add must hold only strings")},
		{`"apns",{"add":` + deep + `}`, refusal("add must hold only strings")},
		{`"apns",{"add":["a,b"]}`, refusal("add must hold only names of rooms")},
		{`"apns",{"add":["部屋"]}`, refusal("add must hold only names of rooms")},
		{`"apns",{"add":["` + long + `"]}`, refusal("add must hold strings of at most 400 bytes")},
		{`"apns",{"add":[1,2,3,4,5,6,7,8,9,10,11]}`, refusal("add must have at most 10 elements")},
		{`"apns",{"remove":1}`, refusal("remove must be an array")},
		{`"apns"`, `[]`}, // nothing was half written

		{`"discover"`, `{"list":[],"status":200,"msg":"ok"}`},
		{`"discover",null,7`, `{"list":[],"status":200,"msg":"ok"}`},
		{`"discover","x"`, refusal(object)},
		{`"discover",{"radius":"far"}`, refusal("radius must be a number")},
		{`"discover",{"radius":-1}`, refusal("radius must be above 0")},
		{`"discover",{"radius":0}`, refusal("radius must be above 0")},
		{`"discover",{"radius":"NaN"}`, refusal("radius must be a number")},
		{`"discover",{"radius":[1]}`, refusal("radius must be a number")},
		{`"discover",{"count":1.5}`, refusal("count must be a whole number")},
		{`"discover",{"count":-3}`, refusal("count must be above 0")},
		{`"discover",{"count":{}}`, refusal("count must be a number")},
		{`"discover",{"longitude":200,"latitude":1}`, refusal("longitude must be between -180 and 180")},
		{`"discover",{"longitude":1}`, `{"list":[],"status":200,"msg":"ok"}`},
		{`"discover",{"longitude":1,"latitude":1,"radius":1e9,"count":1000000}`, `{"list":[],"status":200,"msg":"ok"}`}, // bounded
		{`"nonsense",{},"x"`, `{"status":404,"msg":"unknown event"}`},
	} {
		if got := c.ask(tc.event); got != tc.want {
			t.Errorf("%.100s:\n got %.300s\nwant %s", tc.event, got, tc.want)
		}
	}
	// Without an ack id nothing is answered, and nothing breaks.
	for _, event := range []string{"info", "apns", "discover", "joinRoom", "leaveRoom", "push", "ackPush"} {
		c.send(`42/demo,["`+event+`"]`, `42/demo,["`+event+`",{},"x",null]`)
	}
	if got := c.ask(`"apns"`); got != `[]` {
		t.Errorf("then: %s", got)
	}
	n.push("user_joe", `{"n":1}`)
	payload(t, neighbour.read(), "push")
}

// TestAPNsEvent holds the bare array, and that mutes are whole names (B8).
func TestAPNsEvent(t *testing.T) {
	n := newCluster(t).node("a", nil)
	n.namespace("/demo", nil)
	c := n.join(3, "uuid=u1&platform=ios")
	for _, step := range []struct{ event, want string }{
		{`"apns",{"add":["r12","r1"]}`, ackOK},
		{`"apns"`, `["r1","r12"]`},
		{`"apns",{"remove":["r1"]}`, ackOK},
		{`"apns",null`, `["r12"]`},
		{`"apns",{"add":["x"],"remove":["x","r12"]}`, ackOK}, // add first
		{`"apns",{}`, `[]`},
		{`"apns",{"add":[]}`, ackOK},
	} {
		if got := c.ask(step.event); got != step.want {
			t.Errorf("%s: %s, want %s", step.event, got, step.want)
		}
	}
	for i, platform := range []string{"web", "android"} {
		other := n.join(4, fmt.Sprintf("uuid=o%d&platform=%s", i, platform))
		for _, event := range []string{`"apns"`, `"apns",{"add":["r"]}`, `"apns","x"`} {
			if got := other.ask(event); got != ackForbidden {
				t.Errorf("%s on %s: %s", event, platform, got)
			}
		}
	}
}

func TestDiscover(t *testing.T) {
	nodes := newCluster(t)
	a, b := nodes.node("a", nil), nodes.node("b", nil)
	a.namespace("/demo", nil)
	a.namespace("/other", nil)
	must(t, b.namespaces.Reload(context.Background()))
	me := a.join(4, "uuid=me&userid=me")
	at := func(n *testNode, values string, lon float64) *wsClient {
		c := n.join(3, values)
		if got := c.ask(fmt.Sprintf(`"info",{"longitude":%g,"latitude":52.5,"device_token":"secret","mobile":"139","system":"s"}`, lon)); got != ackOK {
			t.Fatal(got)
		}
		return c
	}
	near := at(b, "uuid=near&userid=near", 13.45)
	at(b, "uuid=near2&userid=near&platform=ios", 13.43)
	at(a, "uuid=mine&userid=me&platform=ios", 13.41)
	at(a, "uuid=far&userid=far", 14)
	list := func(event string) (ids []string) {
		t.Helper()
		var reply discovered
		text := me.ask(event)
		must(t, json.Unmarshal([]byte(text), &reply))
		if reply.Status != 200 || reply.Msg != "ok" || reply.List == nil || strings.Contains(text, "secret") || strings.Contains(text, "139") {
			t.Errorf("%s: %s", event, text)
		}
		for _, entry := range reply.List {
			ids = append(ids, entry["id"])
			if entry["userId"] == "" || !strings.Contains(entry["distance"], ".") || entry["system"] != "s" || entry["longitude"] != "" {
				t.Errorf("%s: %v", event, entry)
			}
		}
		return ids
	}
	expect := func(event string, want ...string) {
		t.Helper()
		if got := list(event); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", event, got, want)
		}
	}
	expect(`"discover"`) // my position is unknown
	expect(`"discover",{"longitude":13.4,"latitude":52.5}`, "/demo#me#ios-mine", "/demo#near#ios-near2")
	expect(`"discover",{"longitude":14,"latitude":52.5,"radius":1}`, "/demo#far#web-far")
	if got := me.ask(`"info",{"longitude":13.4,"latitude":52.5}`); got != ackOK {
		t.Fatal(got)
	}
	expect(`"discover"`, "/demo#me#ios-mine", "/demo#near#ios-near2")
	expect(`"discover",{"radius":100,"clientId":"/demo#far#web-far"}`, "/demo#me#ios-mine", "/demo#near#ios-near2", "/demo#far#web-far")
	expect(`"discover",{"radius":100,"count":2}`, "/demo#me#ios-mine", "/demo#near#ios-near2") // counted after the filters
	_ = near.conn.Close()
	b.eventually("the position goes with its device", func() bool { return b.hub.Devices() == 1 })
	expect(`"discover",{"radius":100}`, "/demo#me#ios-mine", "/demo#near#ios-near2", "/demo#far#web-far")
	// Another namespace sees nobody.
	c := a.dial(4, "uuid=s")
	c.send("40/other,")
	c.read()
	c.read()
	c.send(`42/other,0["discover",{"longitude":13.4,"latitude":52.5,"radius":1000}]`)
	c.expect(`43/other,0[{"list":[],"status":200,"msg":"ok"}]`)
}

// TestClientPushOff holds the switch of a namespace.
func TestClientPushOff(t *testing.T) {
	n := newCluster(t).node("a", nil)
	off := true
	n.namespace("/demo", func(p *namespace.Patch) { p.ClientPushOff = &off })
	c := n.join(4, "uuid=u1")
	if got := c.ask(`"push",{"room":"r","pushData":{}}`); got != ackForbidden {
		t.Errorf("switched off: %s", got)
	}
	off = false
	n.namespace("/demo", func(p *namespace.Patch) { p.ClientPushOff = &off })
	if got := c.ask(`"push",{"room":"r","pushData":{}}`); !strings.HasPrefix(got, `{"status":200`) {
		t.Errorf("switched on: %s", got)
	}
}

// TestInfoStoreAway holds that a store that does not answer is told as such.
func TestInfoStoreAway(t *testing.T) {
	nodes := newCluster(t)
	n := nodes.node("a", nil)
	n.namespace("/demo", nil)
	c := n.join(4, "uuid=u1&platform=ios")
	nodes.redis.SetError("LOADING Redis is loading the dataset in memory")
	const away = `{"status":503,"msg":"service unavailable"}`
	for _, event := range []string{`"info"`, `"info",{"mobile":"1"}`, `"apns"`, `"apns",{"add":["r"]}`, `"discover"`, `"discover",{"longitude":1,"latitude":1}`} {
		if got := c.ask(event); got != away {
			t.Errorf("%s: %s", event, got)
		}
	}
	nodes.redis.SetError("")
	if got := c.ask(`"info",{"mobile":"1"}`); got != ackOK {
		t.Errorf("again: %s", got)
	}
	if record, err := n.store.Client(context.Background(), "/demo", "/demo#u1#ios-u1"); err != nil || record["mobile"] != "1" {
		t.Errorf("%v, %v", record, err)
	}
}
