//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/test/apnsgateway"
)

func goldenRoom(t *testing.T, s surface) {
	ann, bob, dan := identity{"a1", "ann", "web"}, identity{"b1", "bob", "ios"}, identity{"d1", "dan", "android"}
	s.open("ann", 0, "v2", ann)
	s.open("bob", 1, "v4", bob)
	s.open("dan", 0, "v2", dan)
	for _, c := range []string{"ann", "bob", "dan"} {
		s.want(c, okAck, "joinRoom", []string{"plaza"})
	}
	api := s.api(t, 0)
	lost := api.post("/api/auth/push", map[string]any{"room": "plaza", "pushData": map[string]any{"marker": "lost"}, "extra": "lost"}, 200)
	api.post("/api/auth/push", map[string]any{"room": "plaza", "pushData": map[string]any{"marker": "not for ann"}, "except": ann.clientID("/demo")}, 200)
	id := api.push("plaza", map[string]any{"marker": "golden", "apsData": map[string]any{"aps": map[string]any{"alert": "x"}}})
	for _, c := range []string{"ann", "bob", "dan"} {
		got := s.drv.take(t, c, "push", func(r report) bool { return r.Name == "push" && markerOf(r) == "golden" })
		if want := regexp.MustCompile(fmt.Sprintf(`^\{"id":%d,"namespace":"/demo","room":"plaza","pushData":\{"marker":"golden"\},"sendDate":\d{13}\}$`, id)); !want.Match(got.Args[0]) {
			t.Errorf("%s got %s", c, got.Args[0])
		}
		for _, r := range s.drv.seen(c) { // sent before, so it would have come before
			if m := markerOf(r); m == "lost" || (m == "not for ann") != (c != "ann") && m != "" {
				t.Errorf("%s got push %q", c, m)
			}
		}
		s.drv.emit(t, c, emission{Event: "ackPush", Args: []any{map[string]any{"id": id}}})
		s.drv.emit(t, c, emission{Event: "ackPush", Args: []any{map[string]any{"id": fmt.Sprint(id)}}})
	}
	var summary map[string]any
	eventually(t, eventTimeout, "report", func() error {
		if err := api.tryGet(fmt.Sprintf("/api/auth/report/push/%d?ackDetail=1", id), &summary); err != nil {
			return err
		}
		for field, want := range map[string]any{
			"id": fmt.Sprint(id), "namespace": "/demo", "room": "plaza", "expire": "1", "onlineClientCount": "3", "ackCount": "3", "ackIOSCount": "1", "ackAndroidCount": "1",
			"pushData":     `{"marker":"golden","apsData":{"aps":{"alert":"x"}}}`,
			"ackWebDetail": []any{ann.clientID("/demo")}, "ackIOSDetail": []any{bob.clientID("/demo")}, "ackAndroidDetail": []any{dan.clientID("/demo")},
		} {
			got, _ := json.Marshal(summary[field])
			wanted, _ := json.Marshal(want)
			if field == "pushData" { // the predecessor and this one keep the text; the order of its members is the sender's
				continue
			}
			if string(got) != string(wanted) {
				return fmt.Errorf("%s is %s, want %s", field, got, wanted)
			}
		}
		return nil
	})
	var answer struct{ ID int64 }
	_ = json.Unmarshal(lost, &answer)
	if r, err := api.receipt(answer.ID); err != nil || r.OnlineClientCount != "0" {
		t.Errorf("lost message: %v, %v", r, err)
	}
	// A push of a client: not to itself, with its own id as sender, whatever it says.
	if got := s.ask("ann", "push", map[string]any{"room": "plaza", "pushData": map[string]any{"marker": "from ann"},
		"namespace": "/other", "from": "/demo#boss#web-1", "except": bob.clientID("/demo")}); !strings.HasPrefix(got, `{"status":200,"msg":"ok","id":`) {
		t.Errorf("client push answered %s", got)
	}
	for _, c := range []string{"bob", "dan"} {
		s.drv.take(t, c, "push", func(r report) bool { return r.Name == "push" && markerOf(r) == "from ann" })
	}
	var history []map[string]string
	api.get("/api/auth/report/push?size=1", &history)
	if len(history) != 1 || history[0]["from"] != ann.clientID("/demo") || history[0]["namespace"] != "/demo" {
		t.Errorf("history %v", history)
	}
	for _, c := range []string{"ann", "bob", "dan"} {
		s.drv.close(t, c)
	}
}

// goldenDelivery: who acked in time gets nothing more; iOS by APNs with the texts of the report; Android at its return,
// before ok.
func goldenDelivery(t *testing.T, s surface, g *apnsgateway.Gateway) {
	r := rig{drv: s.drv, lib: "v2", mode: modes[0], url: s.sockets[0], namespace: "/demo", api: s.api(t, 0)}
	phone, dead, droid := identity{"p1", "pia", "ios"}, identity{"p2", "pit", "ios"}, identity{"d9", "dora", "android"}
	r.visit(t, "pia", phone, "lounge")
	r.visit(t, "pit", dead, "lounge")
	r.visit(t, "dora", droid, "lounge")
	r.api.post("/api/auth/client", map[string]any{"id": phone.clientID("/demo"), "device_token": strings.Repeat("ab", 32)}, 204)
	r.api.post("/api/auth/client", map[string]any{"id": dead.clientID("/demo"), "device_token": "dead" + strings.Repeat("00", 30)}, 204)
	for c, id := range map[string]identity{"pia": phone, "pit": dead, "dora": droid} {
		r.away(t, c, id)
	}
	before := g.Received()
	id := r.api.leave("lounge", map[string]any{"marker": "later", "apsData": map[string]any{"k": 1}}, nil)
	var body map[string]string
	eventually(t, eventTimeout, "offline run", func() error {
		body = nil
		var raw map[string]any
		if err := r.api.tryGet(fmt.Sprintf("/api/auth/report/push/%d", id), &raw); err != nil {
			return err
		}
		body = map[string]string{}
		for k, v := range raw {
			body[k], _ = v.(string)
		}
		if body["apnsCount"] != "2" || body["apnsSuccessCount"] != "1" {
			return fmt.Errorf("%v", body)
		}
		return nil
	})
	if want := "apnsEnv:dev  "; !strings.HasPrefix(body["result"], want) ||
		!strings.Contains(body["result"], "  >>>>  first error: push msg to apns reason: Unregistered statusCode: 410") {
		t.Errorf("result %q", body["result"])
	}
	sent := g.Requests()[before:]
	if i := slices.IndexFunc(sent, func(q apnsgateway.Request) bool { return strings.HasPrefix(q.Token, "abab") }); i < 0 ||
		string(sent[i].Body) != `{"k":1,"aps":{"alert":"通知"}}` {
		t.Errorf("gateway got %+v", sent)
	}
	// The dead token is gone.
	var record map[string]string
	if err := json.Unmarshal(r.api.post("/api/auth/client", map[string]any{"id": dead.clientID("/demo")}, 200), &record); err != nil || record["device_token"] != "" {
		t.Errorf("record %v, %v", record, err)
	}
	// The old Android client, frame by frame: 40, offlineMessage, ok.
	eventually(t, eventTimeout, "message in the inbox", func() error {
		got, err := r.api.states(id)
		if err == nil && !strings.Contains(got, "inbox dora#android-d9") {
			err = fmt.Errorf("%s", got)
		}
		return err
	})
	for _, acks := range []bool{false, true} {
		conn := oldSocket(t, s, "uuid=d9&userid=dora&platform=android")
		sendFrames(t, conn, "40/demo?uuid=d9&userid=dora&platform=android,")
		wantFrame(t, conn, "40/demo,")
		frame := wantFrame(t, conn, `42/demo,\d*\["offlineMessage",\[\{.*\}\]\]`)
		for _, part := range []string{fmt.Sprintf(`"id":"%d"`, id), `"pushData":{"apsData":{"k":1},"marker":"later"}`, `"leaveMessage":"true"`, `"room":"lounge"`} {
			if !strings.Contains(frame, part) {
				t.Errorf("offlineMessage %s lacks %s", frame, part)
			}
		}
		wantFrame(t, conn, `42/demo,\["ok",.*\]`)
		if acks {
			sendFrames(t, conn, fmt.Sprintf(`42/demo,["ackPush",{"id":%d}]`, id))
			r.api.waitReceipt(id, 0, 1, 0)
		}
		_ = conn.Close()
	}
	conn := oldSocket(t, s, "uuid=d9&userid=dora&platform=android")
	sendFrames(t, conn, "40/demo?uuid=d9&userid=dora&platform=android,")
	wantFrame(t, conn, "40/demo,")
	wantFrame(t, conn, `42/demo,\["ok",.*\]`)
}

func goldenPeople(t *testing.T, s surface) {
	ann, bob, moe := identity{"a2", "anna", "web"}, identity{"b2", "bert", "web"}, identity{"m2", "mona", "web"}
	s.open("anna", 0, "v2", ann)
	s.want("anna", okAck, "joinRoom", []string{"hall"})
	s.open("bert", 1, "v4", bob, "activityBroadcast", "true")
	s.want("bert", okAck, "joinRoom", []string{"hall"})
	s.event("anna", "peopleJoin", `{"sid":"/demo#bert#web-b2","uuid":"b2","userid":"bert","room":"hall"}`)
	s.open("mona", 1, "v2", moe, "activityBroadcast", "false")
	s.want("mona", okAck, "joinRoom", []string{"hall"})
	s.want("bert", okAck, "leaveRoom", []string{"hall"})
	s.event("anna", "peopleLeave", `{"sid":"/demo#bert#web-b2","uuid":"b2","userid":"bert","room":"hall","clientOffline":false}`)
	s.want("bert", okAck, "joinRoom", []string{"hall"})
	s.event("anna", "peopleJoin", `{"sid":"/demo#bert#web-b2","uuid":"b2","userid":"bert","room":"hall"}`)
	s.drv.close(t, "bert")
	s.event("anna", "peopleLeave", `{"sid":"/demo#bert#web-b2","uuid":"b2","userid":"bert","room":"hall","clientOffline":true}`)
	s.none("anna", "peopleJoin", "peopleLeave") // mona did not ask for it

	request := map[string]any{"targetRoom": "annex", "sourceRooms": []string{"hall"}, "type": "join"}
	s.api(t, 0).post("/api/auth/transfer", request, 200)
	for _, c := range []string{"anna", "mona"} {
		got := s.drv.takeEvent(t, c, "joinRoom")
		var told map[string]any
		if json.Unmarshal(got.Args[0], &told) != nil || told["targetRoom"] != "annex" || told["type"] != "join" || told["namespace"] != "/demo" {
			t.Errorf("%s got %v", c, got)
		}
	}
	s.total("annex", 2, 3) // bert is away and still a member
	request["type"] = "leave"
	s.api(t, 0).post("/api/auth/transfer", request, 200)
	for _, c := range []string{"anna", "mona"} {
		s.drv.takeEvent(t, c, "leaveRoom")
	}
	s.total("annex", 0, 0)
	request["type"] = "remove"
	s.api(t, 0).post("/api/auth/transfer", request, 400)
	s.drv.close(t, "anna")
	s.drv.close(t, "mona")
}
