package api

import (
	"errors"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/logic/report/reporttest"
)

func TestReceipts(t *testing.T) {
	s := newServer(t)
	message := storedMessage(1, "/demo")
	message["leaveMessage"] = "true"
	message[push.FieldDone] = "1795165680000"
	s.reports.Update(func(r *reporttest.Store) {
		r.Messages[1], r.Messages[2] = message, storedMessage(2, "/other")
		r.Acks[1] = map[string][]string{"web": {"/demo#ann#web-a1"}}
		r.Audiences = map[string]map[string][]string{"r1": {
			"web": {"/demo#ann#web-a1"}, "ios": {"/demo#bob#ios-b1"}, "android": {"/demo#dan#android-d1"},
		}}
		r.Fates = map[int64]map[string]push.Fate{1: {
			"/demo#bob#ios-b1":     {State: push.StateAPNsFailed, At: 1795165675001, Detail: `Bad<&>"Token`},
			"/demo#dan#android-d1": {State: push.StateInbox, At: 1795165675002},
		}}
	})
	const path = "/api/auth/report/push/1/receipts"
	const (
		ann = `{"clientId":"/demo#ann#web-a1","platform":"web","state":"acked"}`
		bob = `{"clientId":"/demo#bob#ios-b1","platform":"ios","state":"apns_failed","reason":"Bad<&>\"Token","at":"1795165675001"}`
		dan = `{"clientId":"/demo#dan#android-d1","platform":"android","state":"inbox","at":"1795165675002"}`
	)
	whole := `{"id":"1","receipts":[` + strings.Join([]string{ann, bob, dan}, ",") + `],"next":""}`
	for query, want := range map[string]string{
		"":                             whole,
		"?size=500&cursor=&state=":     whole,
		"?size=-1&cursor=0.0.0":        whole,
		"?size=99999999999999999999":   whole,
		"?size=1":                      `{"id":"1","receipts":[` + ann + `],"next":"1.0.0"}`,
		"?size=1&cursor=1.0.0":         `{"id":"1","receipts":[` + bob + `],"next":"2.0.0"}`,
		"?size=1&cursor=2.0.0":         `{"id":"1","receipts":[` + dan + `],"next":"3.0.0"}`,
		"?cursor=3.0.0":                `{"id":"1","receipts":[],"next":""}`,
		"?state=inbox":                 `{"id":"1","receipts":[` + dan + `],"next":""}`,
		"?state=muted":                 `{"id":"1","receipts":[],"next":""}`,
		"?state=acked&size=1&detail=1": `{"id":"1","receipts":[` + ann + `],"next":"1.0.0"}`,
	} {
		s.do(t, "GET", path+query, auth(tenantOK)).want(t, query, 200, want)
	}
	s.do(t, "GET", "/Push-Logic/API/auth/report/PUSH/1/Receipts/", auth(tenantOK)).want(t, "another spelling", 200, whole)
	s.do(t, "HEAD", path, auth(tenantOK)).want(t, "HEAD", 200, "")
	for _, id := range []string{"2", "3", "0", "-1", "01", "1.0", "x", "%2F", "99999999999999999999"} {
		s.do(t, "GET", "/api/auth/report/push/"+id+"/receipts", auth(tenantOK)).
			want(t, "message "+id, 400, refused(CodeValidation, "this id not exists"))
	}
	for query, text := range map[string]string{
		"?cursor=x": "cursor invalid", "?cursor=7.0.0": "cursor invalid", "?cursor=" + strings.Repeat("1", 5000): "cursor invalid",
		"?state=sent": "state invalid", "?state=%00": "state invalid",
	} {
		s.do(t, "GET", path+query, auth(tenantOK)).want(t, query, 400, refused(CodeValidation, text))
	}
	s.do(t, "GET", path, auth("/other:123456")).want(t, "another namespace", 400, refused(CodeValidation, "this id not exists"))
	s.do(t, "GET", path).want(t, "no credential", 400, refused(1001, "need authorization"))
	if a := s.do(t, "POST", path, auth(tenantOK), jsonBody("{}")); a.status != 404 {
		t.Errorf("POST: %d", a.status)
	}
	s.reports.Update(func(r *reporttest.Store) { r.Fail = errors.New("connection refused") })
	if a := s.do(t, "GET", path, auth(tenantOK)); a.status != 503 {
		t.Errorf("without a store: %d %s", a.status, a.body)
	}
}
