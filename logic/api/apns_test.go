package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/logic/offline/provider"
	"github.com/lightpush/lightpush/test/apnsgateway"
)

// prober answers by the name of the profile and keeps the last question.
type prober struct{ last string }

func (p *prober) Probe(_ context.Context, ns, name, token string, payload json.RawMessage) (provider.Result, error) {
	p.last = fmt.Sprintf("%s %q %s %s", ns, name, token, payload)
	switch name {
	case "unknown":
		return provider.Result{}, &provider.ProfileError{Text: provider.TextNoProfile(name)}
	case "broken":
		return provider.Result{}, &provider.ProfileError{Text: provider.TextNoProvider, Err: namespace.ErrNoCredential}
	case "closing":
		return provider.Result{}, errors.New("provider is closed")
	case "bad":
		return provider.Result{Outcome: provider.BadToken, Status: 400, Reason: "BadDeviceToken", Text: "hidden", ID: "id-2"}, nil
	case "away":
		return provider.Result{Outcome: provider.Unavailable, Reason: "timeout", Text: "hidden"}, nil
	}
	return provider.Result{Outcome: provider.Sent, Status: 200, ID: "id-1"}, nil
}

func TestAPNsTest(t *testing.T) {
	p := &prober{}
	s := newServer(t, func(o *Options) { o.APNs, o.ProbesPerMinute = p, -1 })
	s.devices.records["/demo|/demo#bob#ios-1"] = client.Record{"userid": "bob", "device_token": "feed"}
	const path = "/api/auth/apns/test"
	for _, tc := range []struct{ body, want, asked string }{
		{`{"deviceToken":"cafe"}`, `{"status":200,"reason":"","apnsId":"id-1"}`, `/demo "" cafe `},
		{
			`{"apnsName":"default","deviceToken":"cafe","payload":{"aps":{"alert":"<x>"},"n":1.0},"namespace":"/other"}`,
			`{"status":200,"reason":"","apnsId":"id-1"}`, `/demo "default" cafe {"aps":{"alert":"<x>"},"n":1.0}`,
		},
		{`{"clientId":"/demo#bob#ios-1"}`, `{"status":200,"reason":"","apnsId":"id-1"}`, `/demo "" feed `},
		{`{"apnsName":"bad","deviceToken":"cafe"}`, `{"status":400,"reason":"BadDeviceToken","apnsId":"id-2"}`, `/demo "bad" cafe `},
		{`{"apnsName":"away","deviceToken":"cafe"}`, `{"status":0,"reason":"timeout","apnsId":""}`, `/demo "away" cafe `},
	} {
		s.do(t, "POST", path, auth(tenantOK), jsonBody(tc.body)).want(t, tc.body, 200, tc.want)
		if p.last != tc.asked {
			t.Errorf("%s asked %s, want %s", tc.body, p.last, tc.asked)
		}
	}
	s.do(t, "POST", path, auth(tenantOK), formBody("deviceToken=cafe&payload[aps][alert]=x")).want(t, "form", 200, `{"status":200,"reason":"","apnsId":"id-1"}`)
	for body, msg := range map[string]string{
		`{}`: "deviceToken or clientId must be given, one of them",
		`{"deviceToken":"a","clientId":"/demo#bob#ios-1"}`:      "deviceToken or clientId must be given, one of them",
		`{"deviceToken":"` + strings.Repeat("a", 10<<10) + `"}`: "deviceToken must be at most 1000 bytes",
		`{"deviceToken":{}}`:                "deviceToken must be a string",
		`{"clientId":"/demo#nobody#ios-1"}`: "clientId is no device of this namespace",
		`{"clientId":"/other#bob#web-b1"}`:  "clientId is no device of this namespace",
		`{"clientId":"/demo#bob#web-b1"}`:   "clientId is a device without a device_token",
		`{"deviceToken":"a","payload":[]}`:  "payload must be an object",
		`{"deviceToken":"a","payload":{"k":"` + strings.Repeat("x", apsDataMax) + `"}}`: "payload must be at most 16384 bytes",
		`{"deviceToken":"a","apnsName":"` + strings.Repeat("x", 201) + `"}`:             "apnsName must be at most 200 bytes",
		`{"deviceToken":"a","apnsName":"unknown"}`:                                      "apnsName:unknown not exists",
		`{"deviceToken":"a","apnsName":"broken"}`:                                       "apnProvider not exists: profile has neither token_key nor a certificate for its apns_env",
	} {
		s.do(t, "POST", path, auth(tenantOK), jsonBody(body)).want(t, clip(body), 400, refused(9999, msg))
	}
	unavailable := refused(1202, "service temporarily unavailable")
	s.do(t, "POST", path, auth(tenantOK), jsonBody(`{"deviceToken":"a","apnsName":"closing"}`)).want(t, "closing", 503, unavailable)
	s.do(t, "POST", path, auth(tenantOK), typed("text/plain", "x")).want(t, "text", 400, refused(9999, "namespace can not be empty"))
	s.do(t, "POST", path, auth("/demo:wrong"), jsonBody(`{"deviceToken":"a"}`)).want(t, "wrong password", 401, refused(1003, "passwd error"))
	without := newServer(t)
	without.do(t, "POST", path, auth(tenantOK), jsonBody(`{"deviceToken":"a"}`)).want(t, "no provider", 503, unavailable)
}

func TestAPNsTestIsLimited(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	s := newServer(t, func(o *Options) {
		o.APNs, o.ProbesPerMinute = &prober{}, 2
		o.Now = func() time.Time { return now }
	})
	try := func(credential string) answer {
		return s.do(t, "POST", "/api/auth/apns/test", auth(credential), jsonBody(`{"deviceToken":"cafe"}`))
	}
	for range 2 {
		try(tenantOK).want(t, "within the limit", 200, `{"status":200,"reason":"","apnsId":"id-1"}`)
	}
	for range 3 { // a refusal costs nothing
		a := try(tenantOK)
		a.want(t, "beyond the limit", 429, refused(1104, "too many test notifications, try again later"))
		if a.header.Get("Retry-After") != "30" {
			t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
		}
	}
	try("/other:123456").want(t, "another namespace", 200, `{"status":200,"reason":"","apnsId":"id-1"}`)
	now = now.Add(30 * time.Second)
	try(tenantOK).want(t, "later", 200, `{"status":200,"reason":"","apnsId":"id-1"}`)
}

// Credentials are judged when they are saved, refused by the name of the
// field, and never given back.
func TestAPNsCredentialsOverREST(t *testing.T) {
	s := newServer(t)
	key, _, err := apnsgateway.NewTokenKey()
	if err != nil {
		t.Fatal(err)
	}
	list := func(profile map[string]string) with {
		body, err := json.Marshal(map[string]any{"apns_list": []any{profile}})
		if err != nil {
			t.Fatal(err)
		}
		return jsonBody(string(body))
	}
	const path = "/api/auth/namespace/save"
	for _, tc := range []struct {
		profile map[string]string
		msg     string
	}{
		{map[string]string{"name": "a", "token_key": "/etc/passwd", "token_keyId": "K", "token_teamId": "T"}, "apns_list[0].token_key must be the PEM text of a .p8 file (-----BEGIN PRIVATE KEY-----), not a file name"},
		{map[string]string{"name": "a", "token_key": key, "token_keyId": "K"}, "apns_list[0].token_teamId can not be empty with token_key: it is the team the key belongs to"},
		{map[string]string{"name": "a", "apns_dev_cert": key}, "apns_list[0].apns_dev_cert must be the PEM text of a certificate (-----BEGIN CERTIFICATE-----), not a file name"},
		{map[string]string{"name": "a", "apns_host": "https://127.0.0.1:1"}, "apns_list[0].apns_host can only be changed by the administrator"},
	} {
		s.do(t, "POST", path, auth(tenantOK), list(tc.profile)).want(t, tc.msg, 400, refused(9999, tc.msg))
	}
	if n := len(s.namespaces.get("/demo").APNs); n != 1 {
		t.Errorf("%d profiles after refusals", n)
	}
	s.do(t, "POST", path, auth(tenantOK), list(map[string]string{"name": "a", "token_key": key, "token_keyId": "K", "token_teamId": "T"})).want(t, "save", 200, "{}")
	shown := s.do(t, "GET", "/api/auth/namespace", auth(tenantOK)).body
	if !strings.Contains(shown, `{"name":"a","token_key":"******","token_keyId":"K","token_teamId":"T"}`) {
		t.Errorf("shown %s", shown)
	}
	if logged := s.log.String(); strings.Contains(logged, key[40:60]) || strings.Contains(logged, url.QueryEscape(key)[40:60]) {
		t.Error("a key in the log")
	}
}

// Without a key to encrypt them with, credentials are refused.
func TestAPNsCredentialsWithoutSecretKey(t *testing.T) {
	s := newServer(t)
	s.registry.RefuseCredentials("can not be stored: there is no secret_key")
	key, _, err := apnsgateway.NewTokenKey()
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"apns_list": []any{
		map[string]string{"name": "default", "apns_topic": "x", "token_key": "******"}, map[string]string{"name": "b", "token_key": key, "token_keyId": "K", "token_teamId": "T"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, "POST", "/api/auth/namespace/save", auth(tenantOK), jsonBody(string(body))).want(t, "new", 400, refused(9999, "apns_list[1].token_key can not be stored: there is no secret_key"))
	s.do(t, "POST", "/api/auth/namespace/save", auth(tenantOK), jsonBody(`{"apns_list":[{"name":"default","apns_topic":"x","token_key":"******"}]}`)).want(t, "unchanged", 200, "{}")
}
