package report_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/leaktest"
	"github.com/lightpush/lightpush/internal/room"
	"github.com/lightpush/lightpush/logic/report"
	"github.com/lightpush/lightpush/logic/report/reporttest"
)

// TestMain fails the run when a goroutine is left behind.
func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }

const ns = "/demo"

func record(id int64, more ...string) map[string]string {
	r := map[string]string{
		"id": strconv.FormatInt(id, 10), "namespace": ns, "room": "r1", "pushData": `{"a":1}`,
		"sendDate": "1795165670788", "expire": "1", "expireAt": "1795169270788",
		"onlineClientCount": "0", "ackCount": "0", "ackIOSCount": "0", "ackAndroidCount": "0",
	}
	for i := 0; i < len(more); i += 2 {
		r[more[i]] = more[i+1]
	}
	return r
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMessageMarshalsAsSpecified(t *testing.T) {
	store := reporttest.New()
	store.Messages[1] = record(1, "leaveMessage", "false", "apnsName", "x", "extra", "e", "from", "sys", "except", "/demo#a#web-a")
	store.Messages[2] = record(2, "apnsCount", "2", "apnsSuccessCount", "1", "result", "apnsEnv:dev  ", "surprise", "1")
	store.Acks[1] = map[string][]string{"ios": {"/demo#bob#ios-b1"}, "android": {"/demo#dan#android-d1"}, "web": {"c", "a", "b"}}
	r := report.New(store, report.Options{})
	for _, tc := range []struct {
		id     int64
		detail bool
		want   string
	}{
		{1, false, `{"room":"r1","pushData":"{\"a\":1}","leaveMessage":"false","apnsName":"x","except":"/demo#a#web-a","extra":"e","from":"sys","expire":"1","namespace":"/demo","id":"1","sendDate":"1795165670788","onlineClientCount":"0","ackAndroidCount":"0","ackIOSCount":"0","ackCount":"0","ackIOSDetail":[],"ackAndroidDetail":[],"ackWebDetail":[]}`},
		{1, true, `{"room":"r1","pushData":"{\"a\":1}","leaveMessage":"false","apnsName":"x","except":"/demo#a#web-a","extra":"e","from":"sys","expire":"1","namespace":"/demo","id":"1","sendDate":"1795165670788","onlineClientCount":"0","ackAndroidCount":"0","ackIOSCount":"0","ackCount":"0","ackIOSDetail":["/demo#bob#ios-b1"],"ackAndroidDetail":["/demo#dan#android-d1"],"ackWebDetail":["a","b","c"]}`},
		{2, true, `{"room":"r1","pushData":"{\"a\":1}","expire":"1","namespace":"/demo","id":"2","sendDate":"1795165670788","onlineClientCount":"0","ackAndroidCount":"0","ackIOSCount":"0","ackCount":"0","apnsCount":"2","apnsSuccessCount":"1","result":"apnsEnv:dev  ","ackIOSDetail":[],"ackAndroidDetail":[],"ackWebDetail":[]}`},
	} {
		got, err := r.Message(context.Background(), ns, tc.id, tc.detail)
		if err != nil || marshal(t, got) != tc.want {
			t.Errorf("message %d detail %v = %s, %v\nwant %s", tc.id, tc.detail, marshal(t, got), err, tc.want)
		}
	}
	if store.Calls["Acked"] != 6 {
		t.Errorf("ack lists were read %d times, want 3 for each of the 2 that asked", store.Calls["Acked"])
	}
}

func TestMessageOfOthersIsUnknown(t *testing.T) {
	store := reporttest.New()
	store.Messages[1] = record(1, "namespace", "/other")
	store.Messages[2] = record(2, "namespace", "/demo2")
	r := report.New(store, report.Options{})
	for _, id := range []int64{1, 2, 3, 0, -1} {
		if _, err := r.Message(context.Background(), ns, id, true); !errors.Is(err, report.ErrNoMessage) {
			t.Errorf("message %d: %v, want ErrNoMessage", id, err)
		}
	}
	if store.Calls["Acked"] != 0 {
		t.Error("the devices of a foreign message were read")
	}
}

func TestAckDetailLimit(t *testing.T) {
	for n, want := range map[int]string{2: `["c0","c1"]`, 3: `["$$"]`, 4: `["$$"]`} {
		store := reporttest.New()
		store.Messages[1] = record(1)
		var clients []string
		for i := range n {
			clients = append(clients, "c"+strconv.Itoa(i))
		}
		store.Acks[1] = map[string][]string{"web": clients}
		got, err := report.New(store, report.Options{AckDetailMax: 3}).Message(context.Background(), ns, 1, true)
		if err != nil || marshal(t, got.AckWebDetail) != want {
			t.Errorf("%d devices at a limit of 3: %s, %v, want %s", n, marshal(t, got.AckWebDetail), err, want)
		}
	}
}

// TestHistoryPages has the messages 30 … 1 of which every third has expired,
// the newest among them.
func TestHistoryPages(t *testing.T) {
	store := reporttest.New()
	for id := int64(30); id >= 1; id-- {
		store.History[ns] = append(store.History[ns], id)
		if id%3 != 0 {
			store.Messages[id] = record(id)
		}
	}
	r := report.New(store, report.Options{HistoryMax: 24, PageMax: 7})
	for _, tc := range []struct {
		page, size int
		want       string
	}{
		{1, 3, "29 28 26"},
		{2, 3, "25 23 22"},
		{1, 0, "29 28 26 25 23 22 20"}, // 20 by default, 7 at most
		{0, 3, "29 28 26"},
		{-5, 3, "29 28 26"},
		{1, -1, "29 28 26 25 23 22 20"},
		{3, 7, "8 7"}, // ids 30 … 7 are the last 24, 16 of them live
		{2, 1 << 40, "19 17 16 14 13 11 10"},
		{3, 1 << 40, "8 7"},
		{4, 7, ""},
		{1 << 62, 500, ""},
		{1 << 62, 1, ""},
	} {
		got, err := r.History(context.Background(), ns, tc.page, tc.size)
		var ids []string
		for _, m := range got {
			ids = append(ids, m.ID)
		}
		if err != nil || strings.Join(ids, " ") != tc.want {
			t.Errorf("page %d size %d = %q, %v, want %q", tc.page, tc.size, strings.Join(ids, " "), err, tc.want)
		}
		if got == nil {
			t.Errorf("page %d size %d marshals to null", tc.page, tc.size)
		}
	}
	if len(store.History[ns]) != 30 {
		t.Error("a read trimmed the history")
	}
}

func TestHistoryHidesWhatVanishesMeanwhile(t *testing.T) {
	store := &vanishing{Store: reporttest.New()}
	store.History[ns] = []int64{3, 2, 1}
	for id := int64(1); id <= 3; id++ {
		store.Messages[id] = record(id)
	}
	got, err := report.New(store, report.Options{}).History(context.Background(), ns, 1, 10)
	if err != nil || len(got) != 2 || got[0].ID != "3" || got[1].ID != "1" {
		t.Errorf("got %+v, %v, want 3 and 1", got, err)
	}
}

// vanishing loses message 2 between Alive and Records.
type vanishing struct{ *reporttest.Store }

func (v *vanishing) Records(ctx context.Context, ids []int64) ([]map[string]string, error) {
	records, err := v.Store.Records(ctx, ids)
	for i, id := range ids {
		if id == 2 {
			records[i] = nil
		}
	}
	return records, err
}

func TestMessageStat(t *testing.T) {
	store := reporttest.New()
	store.Counts[ns] = [3]int64{0, 16, 1 << 60}
	got, err := report.New(store, report.Options{}).MessageStat(context.Background(), ns, time.Now())
	const want = `{"currMinuteMessageCount":0,"currHourMessageCount":"16","currDateMessageCount":"1152921504606846976"}`
	if err != nil || marshal(t, got) != want {
		t.Errorf("got %s, %v, want %s", marshal(t, got), err, want)
	}
}

func TestNamespaceOnline(t *testing.T) {
	store := reporttest.New()
	store.Spaces[ns] = &reporttest.Space{
		Online: room.Online{Rooms: 2, Users: 3, Clients: 4, Total: 9},
		Rooms:  []string{"g2", "g1"}, Users: []string{"c", "a", "b"}, Clients: []string{"4", "3", "2", "1"},
	}
	r := report.New(store, report.Options{OnlineListMax: 3})
	for _, tc := range []struct {
		ns     string
		detail bool
		want   string
	}{
		{ns, false, `{"roomCount":2,"userCount":3,"clientCount":4,"totalClientCount":9}`},
		{ns, true, `{"roomCount":2,"userCount":3,"clientCount":4,"totalClientCount":9,"room":["g1","g2"],"user":["a","b","c"]}`},
		{"/none", true, `{"roomCount":0,"userCount":0,"clientCount":0,"totalClientCount":0,"room":[],"client":[],"user":[]}`},
	} {
		got, err := r.Namespace(context.Background(), tc.ns, tc.detail)
		if err != nil || marshal(t, got) != tc.want {
			t.Errorf("%s detail %v = %s, %v\nwant %s", tc.ns, tc.detail, marshal(t, got), err, tc.want)
		}
	}
	if store.Calls["OnlineClients"] != 0 {
		t.Error("a list longer than the limit was read")
	}
}

func TestListThatGrewMeanwhileIsLeftOut(t *testing.T) {
	store := reporttest.New()
	store.Spaces[ns] = &reporttest.Space{Online: room.Online{Rooms: 1}, Rooms: []string{"a", "b", "c", "d"}}
	got, err := report.New(store, report.Options{OnlineListMax: 3}).Namespace(context.Background(), ns, true)
	if err != nil || got.RoomList != nil {
		t.Errorf("got %s, %v", marshal(t, got), err)
	}
}

func TestRoomsOnline(t *testing.T) {
	store := reporttest.New()
	store.Spaces[ns] = &reporttest.Space{Room: map[string]reporttest.Room{
		"good1": {
			Count: room.Count{
				Users:  2,
				Online: room.PerPlatform{Web: 1, IOS: 2, Android: 3},
				Total:  room.PerPlatform{Web: 10, IOS: 20, Android: 30},
			},
			Clients: []string{"f", "e", "d", "c", "b", "a"}, Users: []string{"u2", "u1"},
		},
	}}
	r := report.New(store, report.Options{})
	const (
		good = `{"name":"good1","userCount":2,"clientCount":6,"totalClientCount":60,"iosClientCount":2,"totalIOSClientCount":20,"androidClientCount":3,"totalAndroidClientCount":30`
		none = `{"name":"zzz","userCount":0,"clientCount":0,"totalClientCount":0,"iosClientCount":0,"totalIOSClientCount":0,"androidClientCount":0,"totalAndroidClientCount":0`
	)
	for detail, want := range map[bool]string{
		false: "[" + good + "}," + none + "}," + good + "}]",
		true: "[" + good + `,"client":["a","b","c","d","e","f"],"user":["u1","u2"]},` +
			none + `,"client":[],"user":[]},` + good + `,"client":["a","b","c","d","e","f"],"user":["u1","u2"]}]`,
	} {
		got, err := r.Rooms(context.Background(), ns, []string{"good1", "zzz", "good1"}, detail)
		if err != nil || marshal(t, got) != want {
			t.Errorf("detail %v = %s, %v\nwant %s", detail, marshal(t, got), err, want)
		}
	}
}

func TestTotalsSumUp(t *testing.T) {
	store := reporttest.New()
	var namespaces []string
	for i := range 50 {
		key := "/n" + strconv.Itoa(i)
		namespaces = append(namespaces, key)
		store.Spaces[key] = &reporttest.Space{Online: room.Online{Rooms: 1, Users: 2, Clients: int64(i), Total: 100}}
	}
	got, err := report.New(store, report.Options{Concurrency: 3}).Totals(context.Background(), namespaces)
	if want := `{"userCount":100,"roomCount":50,"clientCount":1225}`; err != nil || marshal(t, got) != want {
		t.Errorf("got %s, %v, want %s", marshal(t, got), err, want)
	}
}

func TestStoreFailuresAreReturned(t *testing.T) {
	gone := errors.New("connection refused")
	store := reporttest.New()
	store.Fail = gone
	r := report.New(store, report.Options{})
	ctx := context.Background()
	for name, call := range map[string]func() error{
		"History":     func() error { _, err := r.History(ctx, ns, 1, 1); return err },
		"Message":     func() error { _, err := r.Message(ctx, ns, 1, true); return err },
		"MessageStat": func() error { _, err := r.MessageStat(ctx, ns, time.Now()); return err },
		"Namespace":   func() error { _, err := r.Namespace(ctx, ns, true); return err },
		"Rooms":       func() error { _, err := r.Rooms(ctx, ns, []string{"a"}, true); return err },
		"Totals":      func() error { _, err := r.Totals(ctx, []string{"/a", "/b"}); return err },
		"Presence":    func() error { _, err := r.Presence(ctx, []string{"/a", "/b"}); return err },
	} {
		if err := call(); !errors.Is(err, gone) {
			t.Errorf("%s: %v, want the store's error", name, err)
		}
	}
}

// Every later operation of an answer fails: no partial answer may look whole.
func TestLateStoreFailuresAreReturned(t *testing.T) {
	gone := errors.New("connection refused")
	ctx := context.Background()
	store := &late{Store: reporttest.New(), err: gone}
	store.History[ns] = []int64{1}
	store.Messages[1] = record(1)
	store.Spaces[ns] = &reporttest.Space{
		Online: room.Online{Rooms: 1, Users: 1, Clients: 1},
		Room:   map[string]reporttest.Room{"a": {Count: room.Count{Users: 1, Online: room.PerPlatform{Web: 1}}}},
	}
	r := report.New(store, report.Options{})
	for name, call := range map[string]func() error{
		"Acked":         func() error { _, err := r.Message(ctx, ns, 1, true); return err },
		"Alive":         func() error { _, err := r.History(ctx, ns, 1, 1); return err },
		"OnlineClients": func() error { _, err := r.Namespace(ctx, ns, true); return err },
		"RoomUsers":     func() error { _, err := r.Rooms(ctx, ns, []string{"a"}, true); return err },
	} {
		if err := call(); !errors.Is(err, gone) {
			t.Errorf("%s: %v, want the store's error", name, err)
		}
	}
}

type late struct {
	*reporttest.Store
	err error
}

func (l *late) Alive(context.Context, []int64) ([]bool, error)              { return nil, l.err }
func (l *late) OnlineClients(context.Context, string) ([]string, error)     { return nil, l.err }
func (l *late) RoomUsers(context.Context, string, string) ([]string, error) { return nil, l.err }
func (l *late) Acked(context.Context, int64, string, int) ([]string, bool, error) {
	return nil, false, l.err
}

func TestDeadlineEndsACall(t *testing.T) {
	store := reporttest.New()
	store.Hang = true
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := report.New(store, report.Options{}).Totals(ctx, []string{"/a", "/b"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
