package apns

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/logic/offline/provider"
	"github.com/lightpush/lightpush/test/apnsgateway"
)

func TestOpenTexts(t *testing.T) {
	b := newBench(t, Options{}, apnsgateway.Options{})
	b.spaces.put("/broken", namespace.APNsProfile{Name: "default"}, namespace.APNsProfile{Name: "path", TokenKey: "/etc/passwd", TokenKeyID: "A", TokenTeamID: "B"},
		namespace.APNsProfile{Name: "host", TokenKey: b.profile.TokenKey, TokenKeyID: "A", TokenTeamID: "B", Host: "http://a"})
	for _, tc := range []struct{ ns, name, want string }{
		{"/demo", "", ""},
		{"/nobody", "", ""}, // the default profile is the root's
		{"/demo", "cert", ""},
		{"/demo", "x", "apnsName:x not exists"},
		{"/demo", "default", "apnsName:default not exists"}, // no fallback
		{"/nobody", "cert", "apnsName:cert not exists"},
		{"/broken", "default", "apnProvider not exists"},
		{"/broken", "path", "apnProvider not exists"},
		{"/broken", "host", "apnProvider not exists"},
	} {
		_, err := b.Open(tc.ns, tc.name)
		var refused *provider.ProfileError
		if got := errors.As(err, &refused); got != (tc.want != "") || got && refused.Text != tc.want {
			t.Errorf("%s %q: %v, want %q", tc.ns, tc.name, err, tc.want)
		}
	}
	b.spaces.put("/")
	if _, err := b.Open("/demo", ""); err == nil || err.Error() != "no default apns" {
		t.Errorf("without a default: %v", err)
	}
	b.spaces.mu.Lock()
	b.spaces.all = nil
	b.spaces.mu.Unlock()
	var refused *provider.ProfileError
	if _, err := b.Open("/demo", ""); err == nil || errors.As(err, &refused) {
		t.Errorf("before namespaces are loaded: %v", err)
	}
	for _, err := range b.errors {
		if strings.Contains(err.Error(), "passwd") || strings.Contains(err.Error(), b.profile.TokenKey[40:60]) {
			t.Errorf("a secret in %v", err)
		}
	}
}

// What the gateway sees with a token key: a JWT that the public key verifies.
func TestTokenRequest(t *testing.T) {
	b := newBench(t, Options{}, apnsgateway.Options{})
	s := b.open(t, "/demo", "")
	if s.Intro() != "apnsEnv:production  " {
		t.Errorf("intro %q", s.Intro())
	}
	batch := devices(1, `{"aps":{"alert":"hey","badge":3,"thread-id":"t"},"n":1e400,"apns-collapse-id":"c1"}`)
	if r := s.Send(t.Context(), batch)[0]; r.Outcome != provider.Sent || r.ID != notificationID(7, batch[0].ClientID) {
		t.Fatalf("%+v", r)
	}
	r := b.gateway.Requests()[0]
	for name, want := range map[string]string{
		"apns-topic": "com.example.app", "apns-priority": "10", "apns-push-type": "alert", "apns-collapse-id": "c1",
		"apns-expiration": strconv.FormatInt(batch[0].ExpireAt/1000, 10), "apns-id": notificationID(7, batch[0].ClientID),
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if string(r.Body) != string(batch[0].Payload) || r.Proto != "HTTP/2.0" || r.Client != "" {
		t.Errorf("%s, %s, %q", r.Body, r.Proto, r.Client)
	}
	bearer, ok := strings.CutPrefix(r.Header.Get("authorization"), "bearer ")
	if !ok || !verify(t, bearer, b.public, "ABC123DEFG", "DEF123GHIJ") {
		t.Errorf("authorization %q", r.Header.Get("authorization"))
	}
}

// verify checks an ES256 JWT by hand.
func verify(t *testing.T, token string, public *ecdsa.PublicKey, keyID, team string) bool {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			t.Fatal(err)
		}
	}
	var head struct{ Alg, Kid string }
	var claims struct {
		Iss string
		Iat int64
	}
	if json.Unmarshal(decoded[0], &head) != nil || json.Unmarshal(decoded[1], &claims) != nil || len(decoded[2]) != 64 {
		return false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(decoded[2][:32]), new(big.Int).SetBytes(decoded[2][32:])
	return head.Alg == "ES256" && head.Kid == keyID && claims.Iss == team &&
		time.Since(time.Unix(claims.Iat, 0)).Abs() < time.Minute && ecdsa.Verify(public, sum[:], r, s)
}

func TestCertificateRequest(t *testing.T) {
	b := newBench(t, Options{}, apnsgateway.Options{})
	s := b.open(t, "/demo", "cert")
	if r := s.Send(t.Context(), devices(1, ``))[0]; r.Outcome != provider.Sent || s.Intro() != "apnsEnv:dev  " {
		t.Fatalf("%+v", r)
	}
	r := b.gateway.Requests()[0]
	if r.Client != "Apple Push Services: com.example.app" || r.Header.Get("authorization") != "" || string(r.Body) != `{"aps":{"alert":"通知"}}` {
		t.Errorf("%q, %q, %s", r.Client, r.Header.Get("authorization"), r.Body)
	}
}

func TestGatewayOfAProfile(t *testing.T) {
	for _, tc := range []struct{ env, own, configured, want string }{
		{"production", "", "", "https://api.push.apple.com"},
		{"dev", "", "", "https://api.sandbox.push.apple.com"},
		{"", "", "", "https://api.sandbox.push.apple.com"},
		{"Production", "", "", "https://api.sandbox.push.apple.com"},
		{"production", "", "https://b:1", "https://b:1"},
		{"production", "https://a:1/", "https://b:1", "https://a:1"},
	} {
		if got := gateway(&namespace.APNsProfile{Env: tc.env, Host: tc.own}, tc.configured); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
}

func TestExpiration(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_500)
	b := newBench(t, Options{Now: func() time.Time { return now }}, apnsgateway.Options{})
	expireAt := now.Add(10 * time.Hour).UnixMilli()
	for _, tc := range []struct {
		configured string
		expireAt   int64
		want       string
	}{
		{"", expireAt, "1800036000"},
		{"", 0, ""},
		{"-1", expireAt, "1800036000"},
		{"0", expireAt, "1800000000"},
		{"3600", expireAt, "1800003600"},
		{"3600", 0, "1800003600"},
		{"999999999", expireAt, "2799999999"},
		{"1000000000", expireAt, "1000000000"},
		{"1900000000", expireAt, "1900000000"},
	} {
		profile := b.profile
		profile.Expiration = tc.configured
		b.spaces.put("/", profile)
		batch := devices(1, `{}`)
		batch[0].ExpireAt = tc.expireAt
		if r := b.open(t, "/demo", "").Send(t.Context(), batch)[0]; r.Outcome != provider.Sent {
			t.Fatalf("%+v", r)
		}
		requests := b.gateway.Requests()
		if got := requests[len(requests)-1].Header.Get("apns-expiration"); got != tc.want {
			t.Errorf("%q with %d: %s, want %s", tc.configured, tc.expireAt, got, tc.want)
		}
	}
}

// A changed profile gets a new connection, an unchanged one keeps its own;
// what is not used any more is closed, also without a next message (B7).
func TestProfileChanges(t *testing.T) {
	b := newBench(t, Options{}, apnsgateway.Options{})
	s := b.open(t, "/demo", "")
	send := func(what string, connections int) {
		t.Helper()
		if r := s.Send(t.Context(), devices(1, `{}`))[0]; r.Outcome != provider.Sent {
			t.Fatalf("%s: %+v", what, r)
		}
		if got := b.gateway.Connections(); got != connections {
			t.Errorf("%s: %d connections so far, want %d", what, got, connections)
		}
	}
	send("first", 1)
	b.Changed([]*namespace.Namespace{b.spaces.put("/", b.profile, namespace.APNsProfile{Name: "other"})})
	send("another profile was added", 1)
	b.Changed([]*namespace.Namespace{b.spaces.put("/demo")})
	send("another namespace was changed", 1)

	key, public, err := apnsgateway.NewTokenKey()
	if err != nil {
		t.Fatal(err)
	}
	changed := b.profile
	changed.TokenKey = key
	n := b.spaces.put("/", changed)
	send("a new key, used before the notice comes", 2)
	b.Changed([]*namespace.Namespace{n})
	send("the notice", 2)
	requests := b.gateway.Requests()
	last := strings.TrimPrefix(requests[len(requests)-1].Header.Get("authorization"), "bearer ")
	if !verify(t, last, public, "ABC123DEFG", "DEF123GHIJ") {
		t.Error("signed with the old key")
	}
	eventually(t, "the old connection is closed", func() bool { return b.gateway.Open() == 1 })

	b.Changed([]*namespace.Namespace{b.spaces.put("/")})
	eventually(t, "the connection of a removed profile is closed", func() bool { return b.gateway.Open() == 0 })
	if r := s.Send(t.Context(), devices(1, `{}`))[0]; r.Outcome != provider.Unavailable {
		t.Errorf("with a removed profile: %+v", r)
	}
	b.spaces.put("/", b.profile)
	send("it is back", 3)
	b.Changed([]*namespace.Namespace{{Key: "/", Offline: true}}) // how a vanished namespace is told
	eventually(t, "the connection of a removed namespace is closed", func() bool { return b.gateway.Open() == 0 })
}

// A change in the middle of a batch lets it end on the old connection.
func TestChangeDuringSend(t *testing.T) {
	release := make(chan struct{})
	b := newBench(t, Options{}, apnsgateway.Options{Respond: func(r apnsgateway.Request) apnsgateway.Answer {
		if r.Token == hexToken(0) && r.Seq > 1 {
			<-release
		}
		return apnsgateway.Answer{}
	}})
	s := b.open(t, "/demo", "")
	if r := s.Send(t.Context(), devices(1, `{}`))[0]; r.Outcome != provider.Sent {
		t.Fatalf("%+v", r)
	}
	done := make(chan []provider.Result)
	go func() { done <- s.Send(t.Context(), devices(50, `{}`)) }()
	if _, err := b.gateway.Wait(within(t, 10*time.Second), 51); err != nil {
		t.Fatal(err)
	}
	changed := b.profile
	changed.Topic = "com.example.other"
	b.Changed([]*namespace.Namespace{b.spaces.put("/", changed)})
	one := devices(2, `{}`)[1:]
	if r := s.Send(t.Context(), one)[0]; r.Outcome != provider.Sent {
		t.Errorf("%+v", r)
	}
	if open := b.gateway.Open(); open != 2 {
		t.Errorf("%d connections, want the old and the new one", open)
	}
	close(release)
	for i, r := range <-done {
		if r.Outcome != provider.Sent {
			t.Errorf("device %d: %+v", i, r)
		}
	}
	eventually(t, "the old connection is closed", func() bool { return b.gateway.Open() == 1 })
}

func TestProbe(t *testing.T) {
	b := newBench(t, Options{}, apnsgateway.Options{Respond: func(r apnsgateway.Request) apnsgateway.Answer {
		switch {
		case r.Token == hexToken(1):
			return apnsgateway.Answer{Status: 400, Reason: "BadDeviceToken"}
		case r.Token == hexToken(2):
			return apnsgateway.Answer{Status: 503, Reason: "Shutdown"}
		case r.Token == hexToken(3) && r.Try == 1:
			return apnsgateway.Answer{Status: 403, Reason: "ExpiredProviderToken"}
		}
		return apnsgateway.Answer{}
	}})
	for _, tc := range []struct {
		token, name, payload string
		status               int
		reason               string
		requests             int
	}{
		{hexToken(0), "", "", 200, "", 1},
		{hexToken(0), "cert", `{"aps":{"alert":"x"}}`, 200, "", 1},
		{hexToken(1), "", "", 400, "BadDeviceToken", 1},
		{hexToken(2), "", "", 503, "Shutdown", 1}, // nothing is repeated
		{hexToken(3), "", "", 200, "", 2},
		{"no token", "", "", 400, "BadDeviceToken", 0},
	} {
		before := b.gateway.Received()
		r, err := b.Probe(t.Context(), "/demo", tc.name, tc.token, json.RawMessage(tc.payload))
		if err != nil || r.Status != tc.status || r.Reason != tc.reason || b.gateway.Received()-before != tc.requests || (tc.requests > 0) != (r.ID != "") {
			t.Errorf("%s %s: %+v, %v", tc.token, tc.name, r, err)
		}
	}
	var refused *provider.ProfileError
	if _, err := b.Probe(t.Context(), "/demo", "x", hexToken(0), nil); !errors.As(err, &refused) {
		t.Errorf("unknown profile: %v", err)
	}
}
