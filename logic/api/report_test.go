package api

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/room"
	"github.com/lightpush/lightpush/logic/report/reporttest"
)

func storedMessage(id int64, ns string) map[string]string {
	return map[string]string{
		"id": strconv.FormatInt(id, 10), "namespace": ns, "room": "r1", "pushData": `{"a":"<&>"}`,
		"sendDate": "1795165670788", "expire": "1", "expireAt": "1795169270788",
		"onlineClientCount": "3", "ackCount": "3", "ackIOSCount": "1", "ackAndroidCount": "1",
	}
}

func shownMessage(id string) string {
	return `{"room":"r1","pushData":"{\"a\":\"<&>\"}","expire":"1","namespace":"/demo","id":"` + id + `","sendDate":"1795165670788","onlineClientCount":"3","ackAndroidCount":"1","ackIOSCount":"1","ackCount":"3"`
}

func TestHistory(t *testing.T) {
	s := newServer(t)
	for id := int64(700); id >= 1; id-- { // 600 of them live, the newest not
		s.reports.History["/demo"] = append(s.reports.History["/demo"], id)
		if id%7 != 0 {
			s.reports.Messages[id] = storedMessage(id, "/demo")
		}
	}
	const path = "/api/auth/report/push"
	s.do(t, "GET", path+"?page=2&size=2", auth(tenantOK)).want(t, "page 2", 200, "["+shownMessage("697")+"},"+shownMessage("696")+"}]")
	s.do(t, "GET", path, auth("/other:123456")).want(t, "another namespace", 200, "[]")
	s.do(t, "HEAD", path, auth(tenantOK)).want(t, "HEAD", 200, "")
	for query, want := range map[string]struct {
		n     int
		first string
	}{
		"":                                   {20, "699"},
		"?page=&size=":                       {20, "699"},
		"?page=abc&size=xyz":                 {20, "699"},
		"?page=0&size=0":                     {20, "699"},
		"?page=-1&size=-5":                   {20, "699"},
		"?page=NaN&size=Infinity":            {20, "699"},
		"?page=1.5&size=2.5":                 {20, "699"},
		"?page=1e3&size=0x10":                {20, "699"},
		"?page=%00&size=%F0%9F%98%80":        {20, "699"},
		"?page=2&page=3&size=1&size=10":      {1, "698"},
		"?size=1":                            {1, "699"},
		"?size=500":                          {500, "699"},
		"?size=100000000":                    {500, "699"}, // what the console asks for
		"?size=99999999999999999999":         {500, "699"},
		"?page=2&size=500":                   {100, "116"},
		"?page=3&size=500":                   {0, ""},
		"?page=9223372036854775807&size=500": {0, ""},
		"?page=99999999999999999999&size=1":  {0, ""},
		"?page=-99999999999999999999&size=1": {1, "699"},
		"?page=" + strings.Repeat("9", 5000): {0, ""},
		"?page=1;size=3":                     {20, "699"},
	} {
		a := s.do(t, "GET", path+query, auth(tenantOK))
		if n := strings.Count(a.body, `"pushData"`); a.status != 200 || n != want.n || (n > 0 && !strings.HasPrefix(a.body, "["+shownMessage(want.first))) {
			t.Errorf("%s: %d with %d messages %.200s, want %d from %s", query, a.status, n, a.body, want.n, want.first)
		}
		if want.n == 0 && a.body != "[]" {
			t.Errorf("%s: %s, want []", query, clip(a.body))
		}
	}
}

func TestMessageReport(t *testing.T) {
	s := newServer(t)
	s.reports.Messages[1] = storedMessage(1, "/demo")
	s.reports.Messages[2] = storedMessage(2, "/other")
	s.reports.Acks[1] = map[string][]string{"ios": {"/demo#bob#ios-b1"}, "android": {"/demo#dan#android-d1"}, "web": {"/demo#ann#web-a1"}}
	const path = "/api/auth/report/push/"
	plain := shownMessage("1") + `,"ackIOSDetail":[],"ackAndroidDetail":[],"ackWebDetail":[]}`
	detail := shownMessage("1") + `,"ackIOSDetail":["/demo#bob#ios-b1"],"ackAndroidDetail":["/demo#dan#android-d1"],"ackWebDetail":["/demo#ann#web-a1"]}`
	for query, want := range map[string]string{
		"": plain, "?ackDetail=": plain, "?detail=": plain, "?other=1": plain,
		"?ackDetail=1": detail, "?ackDetail=false": detail, "?detail=true": detail, "?ackDetail=&detail=1": detail,
	} {
		s.do(t, "GET", path+"1"+query, auth(tenantOK)).want(t, query, 200, want)
	}
	// A foreign id is answered exactly like one that does not exist (B32).
	unknown := s.do(t, "GET", path+"9999", auth(tenantOK))
	unknown.want(t, "unknown", 400, `{"code":9999,"msg":"this id not exists"}`)
	for _, id := range []string{
		"2", "0", "-1", "01", "+1", "1.0", "1e0", "0x1", "abc", "1%2F2", "%31%00", "NaN", "99999999999999999999", "%F0%9F%98%80",
		strings.Repeat("1", 3000), "constructor", "$$",
	} {
		a := s.do(t, "GET", path+id+"?ackDetail=1", auth(tenantOK))
		a.want(t, clip(id), unknown.status, unknown.body)
		for key := range unknown.header {
			if _, ok := a.header[key]; !ok {
				t.Errorf("%s: header %s is missing", id, key)
			}
		}
	}
}

func TestMessageStat(t *testing.T) {
	s := newServer(t)
	s.reports.Counts["/demo"] = [3]int64{0, 16, 160}
	const path = "/api/auth/namespace/current-message-stat"
	s.do(t, "GET", path, auth(tenantOK)).want(t, "some", 200, `{"currMinuteMessageCount":0,"currHourMessageCount":"16","currDateMessageCount":"160"}`)
	s.do(t, "GET", path, auth("/other:123456")).want(t, "none", 200, `{"currMinuteMessageCount":0,"currHourMessageCount":0,"currDateMessageCount":0}`)
}

func TestOnline(t *testing.T) {
	s := newServer(t)
	s.reports.Spaces["/demo"] = &reporttest.Space{
		Online: room.Online{Rooms: 2, Users: 1, Clients: 1, Total: 2},
		Rooms:  []string{"g2", "g1"}, Clients: []string{"/demo#kim#web-k1"}, Users: []string{"real9"},
		Room: map[string]reporttest.Room{"good1": {
			Count:   room.Count{Users: 1, Online: room.PerPlatform{Web: 1}, Total: room.PerPlatform{Web: 1}},
			Clients: []string{"/demo#kim#web-k1"}, Users: []string{"real9"},
		}},
	}
	s.reports.Spaces["/other"] = &reporttest.Space{Online: room.Online{Rooms: 4, Users: 1, Clients: 3, Total: 9}}
	const (
		figures = `{"roomCount":2,"userCount":1,"clientCount":1,"totalClientCount":2`
		lists   = figures + `,"room":["g1","g2"],"client":["/demo#kim#web-k1"],"user":["real9"]}`
		good    = `{"name":"good1","userCount":1,"clientCount":1,"totalClientCount":1,"iosClientCount":0,"totalIOSClientCount":0,"androidClientCount":0,"totalAndroidClientCount":0`
		zzz     = `{"name":"zzz","userCount":0,"clientCount":0,"totalClientCount":0,"iosClientCount":0,"totalIOSClientCount":0,"androidClientCount":0,"totalAndroidClientCount":0`
	)
	for _, tc := range []struct{ query, want string }{
		{"", figures + "}"},
		{"?room=", figures + "}"},
		{"?namespace=/other", figures + "}"},
		{"?detail=true", lists},
		{"?detail=false", lists},
		{"?detail=", figures + "}"},
		{"?room=good1", "[" + good + "}]"},
		{"?room=good1&room=zzz", "[" + good + "}," + zzz + "}]"},
		{"?room=zzz&room=good1&room=zzz", "[" + zzz + "}," + good + "}," + zzz + "}]"},
		{"?room=good1&room=zzz&detail=1", "[" + good + `,"client":["/demo#kim#web-k1"],"user":["real9"]},` + zzz + `,"client":[],"user":[]}]`},
	} {
		s.do(t, "GET", "/api/auth/report/online"+tc.query, auth(tenantOK)).want(t, tc.query, 200, tc.want)
		admin := "?namespace=/demo&" + strings.TrimPrefix(strings.ReplaceAll(tc.query, "namespace=", "x="), "?")
		s.do(t, "GET", "/api/admin/report/online"+admin, auth(adminOK)).want(t, "admin "+admin, 200, tc.want)
	}
	const admin = "/api/admin/report/online"
	s.do(t, "GET", admin, auth(adminOK)).want(t, "sum", 200, `{"userCount":2,"roomCount":6,"clientCount":4}`)
	s.do(t, "GET", admin+"?namespace=&room=good1", auth(adminOK)).want(t, "sum", 200, `{"userCount":2,"roomCount":6,"clientCount":4}`)
	s.do(t, "GET", admin+"?namespace=demo", auth(adminOK)).want(t, "no slash", 200, figures+"}") // B45
	s.do(t, "GET", admin+"?namespace=%2Fdemo", auth(adminOK)).want(t, "encoded", 200, figures+"}")
	s.do(t, "GET", admin+"?namespace=/nobody", auth(adminOK)).want(t, "unknown", 400, refused(1002, "namespace not found"))
	s.do(t, "GET", admin+"?namespace=constructor", auth(adminOK)).want(t, "property", 400, refused(1002, "namespace not found"))
	s.do(t, "GET", admin+"?namespace=//demo", auth(adminOK)).want(t, "slashes", 400, refused(9999, "namespace invalid"))
	s.do(t, "GET", admin+"?namespace="+strings.Repeat("a", 60), auth(adminOK)).want(t, "long", 400, refused(9999, "namespace invalid"))
}

func TestOnlineRoomsAreChecked(t *testing.T) {
	s := newServer(t)
	const path = "/api/auth/report/online?room="
	for _, name := range []string{"r+1", "a%00b", "%E9%83%A8", strings.Repeat("r", 101), strings.Repeat("r", 50_000), "a,b", "a&room=", "&room="} {
		s.do(t, "GET", path+name, auth(tenantOK)).want(t, clip(name), 400, refused(9999, "room invalid"))
	}
	rooms := strings.TrimSuffix(strings.Repeat("r&room=", 100), "&room=")
	if a := s.do(t, "GET", path+rooms, auth(tenantOK)); a.status != 200 || strings.Count(a.body, "name") != 100 {
		t.Errorf("100 rooms: %d %s", a.status, clip(a.body))
	}
	s.do(t, "GET", path+rooms+"&room=r", auth(tenantOK)).want(t, "101 rooms", 400, refused(9999, "room must have at most 100 elements"))
	if n := s.reports.Calls["RoomCounts"]; n != 1 {
		t.Errorf("the store was asked %d times, want once", n)
	}
}

// A store that is away is answered with 503, never with an empty report.
func TestReportsWithoutStore(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Timeout = 50 * time.Millisecond })
	for _, how := range []func(*reporttest.Store){
		func(r *reporttest.Store) { r.Fail = errors.New("dial tcp 10.1.2.3:6379: connection refused") },
		func(r *reporttest.Store) { r.Fail, r.Hang = nil, true },
	} {
		s.reports.Update(how)
		for _, path := range []string{
			"/api/auth/report/push", "/api/auth/report/push/1", "/api/auth/report/online", "/api/auth/report/online?room=a",
			"/api/auth/namespace/current-message-stat",
		} {
			s.do(t, "GET", path, auth(tenantOK)).want(t, path, 503, refused(1202, "service temporarily unavailable"))
		}
		for _, path := range []string{"/api/admin/report/online", "/api/admin/report/online?namespace=demo", "/api/admin/namespace/list?online=1"} {
			s.do(t, "GET", path, auth(adminOK)).want(t, path, 503, refused(1202, "service temporarily unavailable"))
		}
	}
	if !strings.Contains(s.log.String(), "connection refused") {
		t.Error("the log lacks the reason")
	}
}
