package push

import (
	"encoding/json"
	"strings"
	"testing"
)

func full() *Message {
	return &Message{
		ID: 7, Namespace: "/demo", Room: `r"1`, PushData: json.RawMessage(`{"a":1,"apsData":{"aps":{}},"b":"<&>"}`),
		SendDate: 1795165823086, Expire: "0.5", ExpireAt: 1795167623086,
		LeaveMessage: ptr(true), APNsName: ptr("x"), Except: ptr("/demo#a#web-a"), From: ptr("sys"), Extra: ptr("lost"),
	}
}

func TestEvent(t *testing.T) {
	m := full()
	const short = `{"id":7,"namespace":"/demo","room":"r\"1","pushData":{"a":1,"b":"<&>"},"sendDate":1795165823086`
	if got := string(m.Event(false)); got != short+"}" {
		t.Errorf("got %s", got)
	}
	const rest = `,"expire":0.5,"leaveMessage":true,"apnsName":"x","except":"/demo#a#web-a","from":"sys","extra":"lost","onlineClientCount":0,"ackCount":0,"ackIOSCount":0,"ackAndroidCount":0}`
	if got := string(m.Event(true)); got != short+rest {
		t.Errorf("got %s", got)
	}
	bare := &Message{ID: 1, Namespace: "/d", Room: "r", PushData: json.RawMessage(`[]`), SendDate: 2, Expire: "1"}
	if got, want := string(bare.Event(true)), `{"id":1,"namespace":"/d","room":"r","pushData":[],"sendDate":2,"expire":1,"onlineClientCount":0,"ackCount":0,"ackIOSCount":0,"ackAndroidCount":0}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFields(t *testing.T) {
	const always = "id|7|namespace|/demo|room|r\"1|pushData|" + `{"a":1,"apsData":{"aps":{}},"b":"<&>"}` +
		"|sendDate|1795165823086|expire|0.5|expireAt|1795167623086|onlineClientCount|0|ackCount|0|ackIOSCount|0|ackAndroidCount|0"
	m := full()
	if got, want := strings.Join(m.Fields(), "|"), always+"|leaveMessage|true|apnsName|x|except|/demo#a#web-a|from|sys|extra|lost"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	m.LeaveMessage, m.APNsName, m.Except, m.From, m.Extra = ptr(false), nil, nil, nil, nil
	if got, want := strings.Join(m.Fields(), "|"), always+"|leaveMessage|false"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	m.LeaveMessage = nil
	if got := strings.Join(m.Fields(), "|"); got != always {
		t.Errorf("got  %s\nwant %s", got, always)
	}
}

func TestLostAndExcept(t *testing.T) {
	m := full()
	if !m.Lost() || m.ExceptID() != "/demo#a#web-a" {
		t.Errorf("lost %v, except %q", m.Lost(), m.ExceptID())
	}
	m.Extra, m.Except = ptr("Lost"), nil
	if m.Lost() || m.ExceptID() != "" {
		t.Errorf("lost %v, except %q", m.Lost(), m.ExceptID())
	}
	m.Extra = nil
	if m.Lost() {
		t.Error("lost without extra")
	}
}
