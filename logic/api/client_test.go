package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/room"
)

const bob = `"id":"/demo#bob#web-b1"`

// deep is an array that holds arrays, a thousand of them.
var deep = strings.Repeat("[", 1000) + strings.Repeat("]", 1000)

// fieldRefusals are the wrong values of the four routes, each with the text
// of its refusal.
var fieldRefusals = []struct{ path, body, msg string }{
	{"client", `{}`, "param id can not find "},
	{"client", `{"id":""}`, "param id can not find "},
	{"client", `{"id":null,"mobile":"1"}`, "param id can not find "},
	{"client", `{"ID":"x"}`, "param id can not find "},
	{"client", `{"id":{}}`, "id must be a string"},
	{"client", `{"id":["/demo#bob#web-b1"]}`, "id must be a string"},
	{"client", `{"id":` + deep + `}`, "id must be a string"},
	{"client", `{"id":"` + strings.Repeat("x", 4097) + `"}`, "id must be at most 4096 bytes"},
	{"client", `{` + bob + `,"mobile":{}}`, "mobile must be a string"},
	{"client", `{` + bob + `,"mobile":["1"]}`, "mobile must be a string"},
	{"client", `{` + bob + `,"mobile":"` + strings.Repeat("1", 101) + `"}`, "mobile must be at most 100 bytes"},
	{"client", `{` + bob + `,"system":` + deep + `}`, "system must be a string"},
	{"client", `{` + bob + `,"system":"` + strings.Repeat("部", 167) + `"}`, "system must be at most 500 bytes"},
	{"client", `{` + bob + `,"device_token":{"a":1}}`, "device_token must be a string"},
	{"client", `{` + bob + `,"device_token":"` + strings.Repeat("t", 4097) + `"}`, "device_token must be at most 4096 bytes"},
	{"client", `{` + bob + `,"userId":[]}`, "userId must be a string"},
	{"client", `{` + bob + `,"userId":"` + strings.Repeat("u", 401) + `"}`, "userId must be at most 400 bytes"},
	{"client", `{` + bob + `,"nspName":{}}`, "nspName must be a string"},
	{"client", `{` + bob + `,"nspName":"` + strings.Repeat("u", 201) + `"}`, "nspName must be at most 200 bytes"},
	{"client", `{` + bob + `,"leaveMessage":"maybe"}`, "leaveMessage must be true or false"},
	{"client", `{` + bob + `,"leaveMessage":2}`, "leaveMessage must be true or false"},
	{"client", `{` + bob + `,"leaveMessage":-1}`, "leaveMessage must be true or false"},
	{"client", `{` + bob + `,"leaveMessage":{}}`, "leaveMessage must be true or false"},
	{"client", `{` + bob + `,"leaveMessage":[true]}`, "leaveMessage must be true or false"},
	{"client", `{` + bob + `,"longitude":"east"}`, "longitude must be a number"},
	{"client", `{` + bob + `,"longitude":"NaN"}`, "longitude must be a number"},
	{"client", `{` + bob + `,"longitude":"Infinity"}`, "longitude must be a number"},
	{"client", `{` + bob + `,"longitude":1e999}`, "longitude must be a number"},
	{"client", `{` + bob + `,"longitude":[1]}`, "longitude must be a number"},
	{"client", `{` + bob + `,"longitude":{}}`, "longitude must be a number"},
	{"client", `{` + bob + `,"longitude":true}`, "longitude must be a number"},
	{"client", `{` + bob + `,"longitude":180.0001}`, "longitude must be between -180 and 180"},
	{"client", `{` + bob + `,"longitude":-181}`, "longitude must be between -180 and 180"},
	{"client", `{` + bob + `,"latitude":90.5}`, "latitude must be between -90 and 90"},
	{"client", `{` + bob + `,"latitude":"-90.1"}`, "latitude must be between -90 and 90"},
	{"client", `{` + bob + `,"latitude":"` + strings.Repeat("1", 65) + `"}`, "latitude must be a number"},
	{"client", `{"id":"/demo#nobody#web-1","mobile":"1"}`, "this id not exists"},
	{"client", `{"id":"\u0000","mobile":"1"}`, "this id not exists"},
	{"client", `{"id":"部屋","mobile":"1"}`, "this id not exists"},
	{"client", `{"id":7,"mobile":"1"}`, "this id not exists"},

	{"room-apns", `{}`, "can not find room"},
	{"room-apns", `{"room":"","add":["a"]}`, "can not find room"},
	{"room-apns", `{"room":null}`, "can not find room"},
	{"room-apns", `{"room":{},"add":["a"]}`, "room invalid"},
	{"room-apns", `{"room":["z"],"add":["a"]}`, "room invalid"},
	{"room-apns", `{"room":"a b","add":["a"]}`, "room invalid"},
	{"room-apns", `{"room":"部屋","add":["a"]}`, "room invalid"},
	{"room-apns", `{"room":"` + strings.Repeat("r", 101) + `","add":["a"]}`, "room invalid"},
	{"room-apns", `{"room":"z","add":"a"}`, "add must be an array"},
	{"room-apns", `{"room":"z","add":{}}`, "add must be an array"},
	{"room-apns", `{"room":"z","add":1}`, "add must be an array"},
	{"room-apns", `{"room":"z","add":[{}]}`, "add must hold only strings"},
	{"room-apns", `{"room":"z","add":[null]}`, "add must hold only strings"},
	{"room-apns", `{"room":"z","add":[["a"]]}`, "add must hold only strings"},
	{"room-apns", `{"room":"z","add":` + deep + `}`, "add must hold only strings"},
	{"room-apns", `{"room":"z","add":["a,b"]}`, "add must hold only names of rooms"},
	{"room-apns", `{"room":"z","add":[""]}`, "add must hold only names of rooms"},
	{"room-apns", `{"room":"z","add":["部屋"]}`, "add must hold only names of rooms"},
	{"room-apns", `{"room":"z","add":["` + strings.Repeat("r", 401) + `"]}`, "add must hold strings of at most 400 bytes"},
	{"room-apns", `{"room":"z","remove":"a"}`, "remove must be an array"},
	{"room-apns", `{"room":"z","remove":[{}]}`, "remove must hold only strings"},
	{"room-apns", `{"room":"z","add":["` + strings.Repeat(`a","`, 100) + `a"]}`, "add must have at most 100 elements"},
	{"room-apns", `{"room":"z","remove":["` + strings.Repeat(`a","`, 100) + `a"]}`, "remove must have at most 100 elements"},

	{"room-leave-message", `{}`, "can not find room"},
	{"room-leave-message", `{"leaveMessage":true}`, "can not find room"},
	{"room-leave-message", `{"room":[],"leaveMessage":true}`, "room invalid"},
	{"room-leave-message", `{"room":"a\nb","leaveMessage":true}`, "room invalid"},
	{"room-leave-message", `{"room":"z","leaveMessage":"perhaps"}`, "leaveMessage must be true or false"},
	{"room-leave-message", `{"room":"z","leaveMessage":{}}`, "leaveMessage must be true or false"},
	{"room-leave-message", `{"room":"z","leaveMessage":[false]}`, "leaveMessage must be true or false"},
	{"room-leave-message", `{"room":"z","leaveMessage":-1}`, "leaveMessage must be true or false"},

	{"transfer", `{}`, transferMissing},
	{"transfer", `{"targetRoom":"dst","sourceRooms":["src"]}`, transferMissing},
	{"transfer", `{"targetRoom":"dst","type":"join"}`, transferMissing},
	{"transfer", `{"sourceRooms":["src"],"type":"join"}`, transferMissing},
	{"transfer", `{"targetRoom":"","sourceRooms":["src"],"type":"join"}`, transferMissing},
	{"transfer", `{"targetRoom":"dst","sourceRooms":["src"],"type":""}`, transferMissing},
	{"transfer", `{"targetRoom":"dst","sourceRooms":[],"type":"join"}`, transferMissing},
	{"transfer", `{"targetRoom":"dst","sourceRooms":"src","type":"join"}`, transferMissing},
	{"transfer", `{"targetRoom":"dst","sourceRooms":{"0":"src"},"type":"join"}`, transferMissing},
	{"transfer", `{"targetRoom":"dst","sourceRooms":7,"type":"join"}`, transferMissing},
	{"transfer", `{"targetRoom":null,"sourceRooms":null,"type":null}`, transferMissing},
	{"transfer", `{"targetRoom":"d st","sourceRooms":["s rc"],"type":"x"}`, "targetRoom invalid"},
	{"transfer", `{"targetRoom":["dst"],"sourceRooms":["src"],"type":"join"}`, "targetRoom invalid"},
	{"transfer", `{"targetRoom":` + deep + `,"sourceRooms":["src"],"type":"join"}`, "targetRoom invalid"},
	{"transfer", `{"targetRoom":"` + strings.Repeat("r", 101) + `","sourceRooms":["src"],"type":"join"}`, "targetRoom invalid"},
	{"transfer", `{"targetRoom":"部屋","sourceRooms":["src"],"type":"join"}`, "targetRoom invalid"},
	{"transfer", `{"targetRoom":"dst","sourceRooms":["src","s rc"],"type":"join"}`, "sourceRoom invalid"},
	{"transfer", `{"targetRoom":"dst","sourceRooms":[""],"type":"join"}`, "sourceRoom invalid"},
	{"transfer", `{"targetRoom":"dst","sourceRooms":[null],"type":"join"}`, "sourceRoom invalid"},
	{"transfer", `{"targetRoom":"dst","sourceRooms":[{}],"type":"join"}`, "sourceRoom invalid"},
	{"transfer", `{"targetRoom":"dst","sourceRooms":` + deep + `,"type":"join"}`, "sourceRoom invalid"},
	{"transfer", `{"targetRoom":"dst","sourceRooms":["` + strings.Repeat("r", 401) + `"],"type":"join"}`, "sourceRoom invalid"},
	{"transfer", `{"targetRoom":"dst","sourceRooms":["` + strings.Repeat(`a","`, 100) + `a"],"type":"join"}`, "sourceRooms must have at most 100 elements"},
	{"transfer", `{"targetRoom":"dst","sourceRooms":["src"],"type":"move"}`, "type must be join or leave"}, // B24
	{"transfer", `{"targetRoom":"dst","sourceRooms":["src"],"type":"JOIN"}`, "type must be join or leave"},
	{"transfer", `{"targetRoom":"dst","sourceRooms":["src"],"type":["join"]}`, "type must be join or leave"},
	{"transfer", `{"targetRoom":"dst","sourceRooms":["src"],"type":1}`, "type must be join or leave"},
	{"transfer", `{"targetRoom":"dst","sourceRooms":["src"],"type":"` + strings.Repeat("j", 1000) + `"}`, "type must be join or leave"},
}

const transferMissing = "targetRoom and sourceRooms and type and namespace can not be empty"

func TestDeviceRouteRefusals(t *testing.T) {
	s := newServer(t)
	for _, tc := range fieldRefusals {
		s.do(t, "POST", "/api/auth/"+tc.path, auth(tenantOK), jsonBody(tc.body)).want(t, tc.path+" "+clip(tc.body), 400, refused(9999, tc.msg))
	}
	const good = `{"targetRoom":"dst","sourceRooms":["src"],"type":"join"}`
	s.do(t, "POST", "/api/auth/transfer", auth("/closed:123456"), jsonBody(`{}`)).want(t, "offline", 400, refused(9999, "this namespace offline"))
	s.do(t, "POST", "/api/auth/transfer", auth("/:123456"), jsonBody(good)).want(t, "root", 400, refused(9999, "this namespace lose"))
	for _, path := range []string{"client", "room-apns", "room-leave-message", "transfer"} {
		at := "/api/auth/" + path
		s.do(t, "POST", at, auth(tenantOK), jsonBody(`[]`)).want(t, path, 400, refused(1101, "Bad Request"))
		s.do(t, "POST", at, auth(tenantOK), jsonBody(`{"room":`)).want(t, path, 400, refused(1101, "Bad Request"))
		s.do(t, "POST", at, auth(tenantOK), typed("text/plain", good)).want(t, path, 400, refused(9999, "namespace can not be empty"))
		s.do(t, "POST", at, auth(tenantOK), jsonBody(`{"a":"`+strings.Repeat("x", 2<<20)+`"}`)).want(t, path, 413, refused(1103, "request entity too large"))
		s.do(t, "GET", at, auth(tenantOK)).want(t, path, 404, refused(1102, "Not Found"))
		s.do(t, "POST", at, jsonBody(good)).want(t, path, 400, refused(1001, "need authorization"))
	}
	if calls := s.devices.take(); len(calls) > 0 {
		t.Errorf("refused requests did %q", calls)
	}
}

func TestDeviceRoutes(t *testing.T) {
	s := newServer(t)
	for _, tc := range []struct {
		path   string
		body   with
		status int
		answer string
		call   string // "" for none
	}{
		{"client", jsonBody(`{` + bob + `}`), 200, `{"first_connect_time":"1795165788212","last_connect_time":"1795165788212","leaveMessage":"","userid":"bob"}`, ""},
		{"client", jsonBody(`{` + bob + `,"mobile":null,"longitude":"","name":"x","token":"y"}`), 200, `{"first_connect_time":"1795165788212","last_connect_time":"1795165788212","leaveMessage":"","userid":"bob"}`, ""},
		{"client", jsonBody(`{"id":"/demo#nobody#web-1"}`), 200, `{}`, ""},
		{"client", jsonBody(`{` + bob + `,"mobile":"1","leaveMessage":true}`), 204, "", `update /demo /demo#bob#web-b1 "" leaveMessage=true mobile=1`},
		{"client", jsonBody(`{` + bob + `,"mobile":139,"system":true,"leaveMessage":false,"userid":"eve","~gen":1}`), 204, "", `update /demo /demo#bob#web-b1 "" leaveMessage=false mobile=139 system=true`},
		{"client", jsonBody(`{` + bob + `,"mobile":"","leaveMessage":""}`), 204, "", `update /demo /demo#bob#web-b1 "" leaveMessage= mobile=`},
		{"client", jsonBody(`{` + bob + `,"longitude":"13.4","latitude":-52.5,"userId":"bob","nspName":"/demo"}`), 204, "", `update /demo /demo#bob#web-b1 "" latitude=-52.5 longitude=13.4 nspName=/demo userId=bob at 13.4 -52.5`},
		{"client", jsonBody(`{` + bob + `,"latitude":1}`), 204, "", `update /demo /demo#bob#web-b1 "" latitude=1`},
		{"client", formBody("id=%2Fdemo%23bob%23web-b1&leaveMessage=false&system=" + strings.Repeat("%E9%83%A8", 166)), 204, "", `update /demo /demo#bob#web-b1 "" leaveMessage=false system=` + strings.Repeat("部", 166)},
		{"Client/", jsonBody(`{` + bob + `,"device_token":"T"}`), 204, "", `update /demo /demo#bob#web-b1 "" device_token=T`},

		{"room-apns", jsonBody(`{"room":"z","add":["z","y"]}`), 200, `{}`, "mute /demo z [z y] []"},
		{"room-apns", jsonBody(`{"room":"z","add":["z",4],"remove":["a,b","r1"]}`), 200, `{}`, "mute /demo z [z 4] [a,b r1]"},
		{"room-apns", jsonBody(`{"room":"z"}`), 200, `{}`, ""},
		{"room-apns", jsonBody(`{"room":"z","add":[],"remove":null}`), 200, `{}`, ""},
		{"room-apns", formBody("room=z&add[]=a&remove[0]=b"), 200, `{}`, "mute /demo z [a] [b]"},

		{"room-leave-message", jsonBody(`{"room":"z","leaveMessage":false}`), 200, `{}`, `leaveMessage /demo z "false"`},
		{"room-leave-message", jsonBody(`{"room":"z","leaveMessage":"1"}`), 200, `{}`, `leaveMessage /demo z "true"`},
		{"room-leave-message", jsonBody(`{"room":"z"}`), 200, `{}`, `leaveMessage /demo z ""`},
		{"room-leave-message", formBody("room=z&leaveMessage=false"), 200, `{}`, `leaveMessage /demo z "false"`}, // B42

		{"transfer", jsonBody(`{"targetRoom":"dst","sourceRooms":["src"],"type":"join"}`), 200, `{}`, "transfer /demo dst [src] join"},
		{"transfer", jsonBody(`{"targetRoom":"src","sourceRooms":["src","src","b"],"type":"leave","namespace":"/other"}`), 200, `{}`, "transfer /demo src [src b] leave"},
		{"transfer", jsonBody(`{"targetRoom":7,"sourceRooms":[8],"type":"join"}`), 200, `{}`, "transfer /demo 7 [8] join"},
		{"transfer", formBody("targetRoom=user_bob&sourceRooms[]=src&type=join"), 200, `{}`, "transfer /demo user_bob [src] join"},
	} {
		s.do(t, "POST", "/api/auth/"+tc.path, auth(tenantOK), tc.body).want(t, tc.path+" "+tc.call, tc.status, tc.answer)
		var want []string
		if tc.call != "" {
			want = []string{tc.call}
		}
		if got := s.devices.take(); !slices.Equal(got, want) {
			t.Errorf("%s did %q, want %q", tc.path, got, want)
		}
	}
	// Records can be read and changed while the namespace is offline.
	s.do(t, "POST", "/api/auth/client", auth("/closed:123456"), jsonBody(`{"id":"x"}`)).want(t, "offline", 200, `{}`)
	s.do(t, "POST", "/api/auth/room-leave-message", auth("/closed:123456"), jsonBody(`{"room":"z"}`)).want(t, "offline", 200, `{}`)
}

func TestDeviceRouteFailures(t *testing.T) {
	s := newServer(t)
	s.devices.fail = errors.New("redis: connection refused")
	for path, body := range map[string]string{
		"client": `{` + bob + `}`, "Client": `{` + bob + `,"mobile":"1"}`, "room-apns": `{"room":"z","add":["a"]}`,
		"room-leave-message": `{"room":"z"}`, "transfer": `{"targetRoom":"dst","sourceRooms":["src"],"type":"join"}`,
	} {
		s.do(t, http.MethodPost, "/api/auth/"+path, auth(tenantOK), jsonBody(body)).want(t, path, 503, refused(1202, "service temporarily unavailable"))
	}
	s.devices.fail = room.ErrBusy
	s.do(t, "POST", "/api/auth/transfer", auth(tenantOK), jsonBody(`{"targetRoom":"dst","sourceRooms":["src"],"type":"join"}`)).
		want(t, "busy", 503, refused(1204, "another transfer of this namespace is under way, try again later"))
}
