package push

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/name"
	"github.com/lightpush/lightpush/internal/namespace"
)

var (
	rules = Rules{Names: name.DefaultRules(), Expire: 1, ExpireMax: 10, APSDataSize: 4000}
	demo  = &namespace.Namespace{Key: "/demo"}
)

func fields(t *testing.T, body string) input.Fields {
	t.Helper()
	f, err := input.FromJSON([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParse(t *testing.T) {
	for body, want := range map[string]Request{
		`{"room":"r","pushData":{}}`:                     {Room: "r", PushData: json.RawMessage(`{}`), ExpireHours: 1},
		`{"room":"r","pushData":" [ 1 , { } ] "}`:        {Room: "r", PushData: json.RawMessage(`[1,{}]`), ExpireHours: 1},
		`{"room":"r","pushData":{"a" : 1e2},"expire":0}`: {Room: "r", PushData: json.RawMessage(`{"a":1e2}`), ExpireHours: 1},
		`{"room":"r","pushData":{},"expire":"2.5","leaveMessage":"on","unknown":1,"namespace":"/x"}`: {
			Room: "r", PushData: json.RawMessage(`{}`), ExpireHours: 2.5, LeaveMessage: ptr(true),
		},
		`{"room":"r","pushData":{},"leaveMessage":"","apnsName":"","except":"","from":"","extra":""}`: {
			Room: "r", PushData: json.RawMessage(`{}`), ExpireHours: 1,
		},
		`{"room":"r","pushData":{},"leaveMessage":false,"apnsName":"n","except":"e","from":5,"extra":[true]}`: {
			Room: "r", PushData: json.RawMessage(`{}`), ExpireHours: 1, LeaveMessage: ptr(false),
			APNsName: ptr("n"), Except: ptr("e"), From: ptr("5"), Extra: ptr("[true]"),
		},
	} {
		if got, err := rules.Parse(fields(t, body), demo); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v, %v\nwant %+v", body, got, err, want)
		}
	}
}

// TestParseOrder removes one fault after the other: each time the next rule
// of light-push-wire.md 1.4.2 must speak.
func TestParseOrder(t *testing.T) {
	closed := &namespace.Namespace{Key: "/demo", Offline: true}
	big := `{"apsData":"` + strings.Repeat("x", 4000) + `"}`
	for _, tc := range []struct {
		body string
		ns   *namespace.Namespace
		want string
	}{
		{`{"except":1,"expire":-1}`, nil, "room can not be empty"},
		{`{"room":"r 1","except":1,"expire":-1}`, nil, "room invalid"},
		{`{"room":"r","except":1,"expire":-1}`, nil, "pushData can not be empty and must be an Object"},
		{`{"room":"r","pushData":` + big + `,"except":1,"expire":-1,"leaveMessage":"x"}`, nil, "except must be string"},
		{`{"room":"r","pushData":` + big + `,"expire":-1,"leaveMessage":"x"}`, nil, "this namespace lose"},
		{`{"room":"r","pushData":` + big + `,"expire":-1,"leaveMessage":"x"}`, &namespace.Namespace{Key: "/"}, "this namespace lose"},
		{`{"room":"r","pushData":` + big + `,"expire":-1,"leaveMessage":"x"}`, closed, "this namespace offline"},
		{`{"room":"r","pushData":` + big + `,"expire":-1,"leaveMessage":"x"}`, demo, "expire invalid"},
		{`{"room":"r","pushData":` + big + `,"leaveMessage":"x"}`, demo, "leaveMessage must be true or false"},
		{`{"room":"r","pushData":` + big + `,"leaveMessage":true}`, demo, "pushData.apsData size must be less then 4000 bytes"},
		{`{"room":"r","pushData":` + big + `}`, demo, ""},
	} {
		_, err := rules.Parse(fields(t, tc.body), tc.ns)
		if got := message(err); got != tc.want {
			t.Errorf("%.60s: %q, want %q", tc.body, got, tc.want)
		}
	}
	var aps *APSDataError
	if _, err := rules.Parse(fields(t, `{"room":"r","pushData":`+big+`,"leaveMessage":1}`), demo); !errors.As(err, &aps) || aps.Limit != 4000 {
		t.Errorf("got %v", err)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestExpire(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_123)
	for text, want := range map[string]struct {
		hours string
		ms    int64 // of life
	}{
		"1":         {"1", 3_600_000},
		"0.5":       {"0.5", 1_800_000},
		"10":        {"10", 36_000_000},
		"0.0001":    {"0.0001", 1000}, // 0.36 s is rounded up (B40)
		"0.0004":    {"0.0004", 2000},
		"1e-300":    {"0." + strings.Repeat("0", 299) + "1", 1000},
		"2.5e0":     {"2.5", 9_000_000},
		"0":         {"1", 3_600_000},
		"-0":        {"1", 3_600_000},
		`"3"`:       {"3", 10_800_000},
		`""`:        {"1", 3_600_000},
		"null":      {"1", 3_600_000},
		"0.1":       {"0.1", 360_000},
		"1.1111111": {"1.1111111", 4_000_000},
	} {
		req, err := rules.Parse(fields(t, `{"room":"r","pushData":{},"expire":`+text+`}`), demo)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		m := req.Message("/demo", now)
		if m.Expire != want.hours || m.ExpireAt-m.SendDate != want.ms || m.SendDate != now.UnixMilli() {
			t.Errorf("%s: expire %.20s, lives %d ms from %d, want %.20s and %d", text, m.Expire, m.ExpireAt-m.SendDate, m.SendDate, want.hours, want.ms)
		}
	}
	for _, text := range []string{"-1", "-1e-300", "10.00001", "1e308", "1e999", `"abc"`, `"NaN"`, `"Inf"`, `" "`, "true", "[]", "{}"} {
		if _, err := rules.Parse(fields(t, `{"room":"r","pushData":{},"expire":`+text+`}`), demo); !errors.Is(err, ErrExpireInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"room":"r","pushData":{}}`, `{"room":"r","pushData":"{}","expire":"0.1"}`, `{"room":5,"pushData":[],"leaveMessage":1}`,
		`{"room":"r","pushData":{"apsData":{"a":1},"\u0061":2},"leaveMessage":true,"from":{},"extra":"lost","except":"x","apnsName":"n"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := input.FromJSON(body)
		if err != nil {
			return
		}
		req, err := rules.Parse(in, demo)
		if err != nil {
			return
		}
		if !rules.Names.Room(req.Room) || !json.Valid(req.PushData) || !(req.ExpireHours > 0 && req.ExpireHours <= 10) {
			t.Errorf("accepted %+v", req)
		}
		m := req.Message("/demo", time.UnixMilli(1))
		m.ID = math.MaxInt64
		for _, full := range []bool{false, true} {
			var event map[string]json.RawMessage
			if err := json.Unmarshal(m.Event(full), &event); err != nil || string(event["id"]) != strconv.FormatInt(m.ID, 10) {
				t.Errorf("event %s: %v", m.Event(full), err)
			}
			if _, ok := member(event["pushData"], "apsData"); ok {
				t.Errorf("event %s shows apsData", m.Event(full))
			}
		}
		if m.ExpireAt < m.SendDate+1000 || m.ExpireAt > m.SendDate+10*3600_000 || len(m.Fields())%2 != 0 {
			t.Errorf("message %+v", m)
		}
	})
}
