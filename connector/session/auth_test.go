package session

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/lightpush/lightpush/internal/auth"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/store"
)

const authSecret = "0123456789abcdef0123456789abcdef"

// guarded starts a node with everything that decides who may connect.
func (c *cluster) guarded(id string, change func(*Options)) (*testNode, *auth.Revocations) {
	var revocations *auth.Revocations
	var st *store.Store
	n := c.node(id, func(o *Options) {
		st = o.Presence.(*store.Store)
		revocations = auth.NewRevocations(st, time.Hour, nil)
		o.Access = Access{Verifier: auth.NewVerifier(auth.Options{}), Signatures: st, Revocations: revocations}
		if change != nil {
			change(o)
		}
	})
	revocations.OnRevoked(n.hub.Revoked)
	must(c.t, revocations.Start(context.Background()))
	c.t.Cleanup(revocations.Close)
	return n, revocations
}

func authMode(mode auth.Mode) func(*namespace.Patch) {
	return func(p *namespace.Patch) {
		key := authSecret
		p.Auth = namespace.AuthPatch{Mode: &mode, Key: &key}
	}
}

func token(t *testing.T, user string, life time.Duration, more ...any) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": user, "exp": float64(time.Now().Add(life).UnixMilli()) / 1000}
	for i := 0; i < len(more); i += 2 {
		claims[more[i].(string)] = more[i+1]
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(authSecret))
	must(t, err)
	return text
}

func signed(user string, at time.Time) string {
	seconds := fmt.Sprint(at.Unix())
	return query("userid", user, "ts", seconds, "sign", auth.Sign(authSecret, user, seconds))
}

func TestWhoMayConnect(t *testing.T) {
	n, _ := newCluster(t).guarded("a", nil)
	n.namespace("/jwt", authMode(auth.JWT))
	n.namespace("/hmac", authMode(auth.HMAC))
	now := time.Now()
	good := token(t, "joe", time.Hour)
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(good, ".")[1] + "."
	for _, c := range []struct{ what, ns, query, text string }{
		{"token in the query", "/jwt", query("uuid", "u", "token", good), ""},
		{"token with its user", "/jwt", query("uuid", "u", "userid", "joe", "token", good), ""},
		{"no token", "/jwt", "uuid=u", "token required"},
		{"another user", "/jwt", query("uuid", "u", "userid", "ann", "token", good), "token is of another user"},
		{"forged", "/jwt", query("uuid", "u", "token", good[:len(good)-4]+"AAAA"), "token invalid"},
		{"alg none", "/jwt", query("uuid", "u", "token", none), "token invalid"},
		{"expired", "/jwt", query("uuid", "u", "token", token(t, "joe", -time.Hour)), "token expired"},
		{"early", "/jwt", query("uuid", "u", "token", token(t, "joe", time.Hour, "nbf", now.Add(time.Hour).Unix())), "token not valid yet"},
		{"oversized", "/jwt", query("uuid", "u", "token", token(t, "joe", time.Hour, "x", strings.Repeat("x", auth.TokenMax))), "token invalid"},
		{"line breaks", "/jwt", query("uuid", "u", "token", good+"\r\nX-Injected: 1"), "token invalid"},
		{"two tokens", "/jwt", query("uuid", "u", "token", good, "token", good), "token invalid"},
		{"impossible user", "/jwt", query("uuid", "u", "token", token(t, "a b", time.Hour)), "userid invalid"},
		{"signature in place of a token", "/jwt", "uuid=u&" + signed("joe", now), "token required"},

		{"signature", "/hmac", "uuid=u&" + signed("joe", now), ""},
		{"the same device again", "/hmac", "uuid=u&" + signed("joe", now), ""},
		{"replayed by another device", "/hmac", "uuid=other&" + signed("joe", now), "sign invalid"},
		{"replayed for another user", "/hmac", "uuid=u&" + strings.Replace(signed("joe", now), "joe", "ann", 1), "sign invalid"},
		{"too old", "/hmac", "uuid=u&" + signed("joe", now.Add(-time.Hour)), "sign expired"},
		{"from the future", "/hmac", "uuid=u&" + signed("joe", now.Add(time.Hour)), "sign invalid"},
		{"no signature", "/hmac", "uuid=u&userid=joe", "sign required"},
		{"no user", "/hmac", "uuid=joe&" + strings.Replace(signed("joe", now), "userid=joe", "", 1), "sign required"},
		{"token in place of a signature", "/hmac", query("uuid", "u", "userid", "joe", "token", good), "sign required"},
	} {
		for _, eio := range []int{3, 4} {
			cl := n.dial(eio, c.query)
			cl.send("40" + c.ns + ",")
			switch got := cl.read(); {
			case c.text == "":
				if !strings.HasPrefix(got, "40"+c.ns+",") {
					t.Errorf("%s, EIO %d: %s", c.what, eio, got)
				} else if ok := cl.read(); !strings.Contains(ok, `"clientId":"`+c.ns+`#joe#web-u"`) {
					t.Errorf("%s, EIO %d: %s", c.what, eio, ok)
				}
			case eio == 3 && got != fmt.Sprintf("44%s,%q", c.ns, c.text), eio == 4 && got != fmt.Sprintf(`44%s,{"message":%q}`, c.ns, c.text):
				t.Errorf("%s, EIO %d: %s", c.what, eio, got)
			}
			cl.conn.Close()
		}
	}
}

func TestTokenInAuthObject(t *testing.T) {
	n, _ := newCluster(t).guarded("a", nil)
	n.namespace("/demo", authMode(auth.JWT))
	c := n.dial(4, "")
	c.send(fmt.Sprintf(`40/demo,{"uuid":"u","token":%q}`, token(t, "joe", time.Hour, "rooms", []string{"news", "b a d"}, "info", map[string]int{"level": 3})))
	if got := c.read(); !strings.HasPrefix(got, "40/demo,") {
		t.Fatal(got)
	}
	payload(t, c.read(), "ok")
	n.push("news", `{"n":1}`)
	payload(t, c.read(), "push")
	record, err := n.store.Client(context.Background(), "/demo", "/demo#joe#web-u")
	must(t, err)
	if record["info"] != `{"level":3}` {
		t.Errorf("record %v", record)
	}
}

func TestTokenExpires(t *testing.T) {
	n, _ := newCluster(t).guarded("a", nil)
	n.namespace("/demo", authMode(auth.JWT))
	c := n.join(4, query("uuid", "u", "token", token(t, "joe", 6*time.Second)))
	_, told := payload(t, c.read(), "tokenExpiring")
	if in, _ := told["in"].(float64); in < 2 || in > 3 { // exp has whole seconds
		t.Errorf("told %v", told)
	}
	for i, bad := range []struct{ arg, want string }{
		{`{"token":"x"}`, `{"status":401,"msg":"token invalid"}`},
		{`{}`, `{"status":401,"msg":"token required"}`},
		{`7`, `{"status":400,"msg":"data must be an object"}`},
		{fmt.Sprintf(`{"token":%q}`, token(t, "ann", time.Hour)), `{"status":401,"msg":"token is of another user"}`},
	} {
		c.send(fmt.Sprintf(`42/demo,%d["refresh",%s]`, i, bad.arg))
		c.expect(fmt.Sprintf(`43/demo,%d[%s]`, i, bad.want))
	}
	c.send(fmt.Sprintf(`42/demo,9["refresh",{"token":%q}]`, token(t, "joe", 3*time.Second)))
	if got := c.read(); !strings.HasPrefix(got, `43/demo,9[{"status":200,"msg":"ok","expires":`) {
		t.Fatal(got)
	}
	payload(t, c.read(), "tokenExpiring") // of the new one
	_, closing := payload(t, c.read(), "closing")
	if closing["reason"] != "token expired" {
		t.Errorf("closing %v", closing)
	}
	c.expect("41/demo,")
	n.eventually("it has left", func() bool { return n.hub.Devices() == 0 })
}

// A client cannot make this process ask the business system all the time.
func TestRefreshIsLimited(t *testing.T) {
	n, _ := newCluster(t).guarded("a", nil)
	n.namespace("/demo", authMode(auth.JWT))
	c := n.join(4, query("uuid", "u", "token", token(t, "joe", time.Hour)))
	for i := range 3 * refreshBurst {
		c.send(fmt.Sprintf(`42/demo,%d["refresh",{"token":"x"}]`, i))
		if got := c.read(); strings.HasSuffix(got, `[{"status":429,"msg":"limited access"}]`) {
			if i < refreshBurst {
				t.Errorf("refused at attempt %d", i)
			}
			return
		}
	}
	t.Error("refused at no attempt")
}

func TestNothingToRefresh(t *testing.T) {
	n, _ := newCluster(t).guarded("a", nil)
	n.namespace("/demo", nil)
	c := n.join(3, "uuid=u")
	c.send(`42/demo,1["refresh",{"token":"x"}]`)
	c.expect(`43/demo,1[{"status":400,"msg":"nothing to refresh"}]`)
}

func TestCallbackGrants(t *testing.T) {
	var life time.Duration
	business := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("token") != "right" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"userid":"joe","rooms":["news"],"info":"vip","expire_at":%f}`, float64(time.Now().Add(life).UnixMilli())/1000)
	}))
	defer business.Close()
	n, _ := newCluster(t).guarded("a", nil)
	mode := auth.Callback
	n.namespace("/demo", func(p *namespace.Patch) { p.ConnectCallback = &business.URL; p.Auth.Mode = &mode })
	life = -time.Hour
	c := n.dial(4, query("uuid", "u", "token", "right"))
	c.send("40/demo,")
	c.expect(`44/demo,{"message":"token expired"}`)
	c = n.dial(4, query("uuid", "u", "token", "wrong"))
	c.send("40/demo,")
	c.expect(`44/demo,{"message":"handshake fail statusCode: 403"}`)
	life = 5 * time.Second
	c = n.join(4, query("uuid", "u", "token", "right"))
	payload(t, c.read(), "tokenExpiring")
	c.send(`42/demo,1["refresh",{"token":"wrong"}]`)
	c.expect(`43/demo,1[{"status":401,"msg":"handshake fail statusCode: 403"}]`)
	_, closing := payload(t, c.read(), "closing")
	if closing["reason"] != "token expired" {
		t.Errorf("closing %v", closing)
	}
	c.expect("41/demo,")
}

func TestCallbackModeNeedsCallback(t *testing.T) {
	mode, empty, some := auth.Callback, "", "http://x/"
	ns := &namespace.Namespace{Key: "/demo"}
	if _, err := (namespace.Patch{Key: "/demo", Auth: namespace.AuthPatch{Mode: &mode}}).Apply(ns, 1); err == nil {
		t.Error("saved without a callback")
	}
	ns, err := namespace.Patch{Key: "/demo", ConnectCallback: &some, Auth: namespace.AuthPatch{Mode: &mode}}.Apply(ns, 1)
	must(t, err)
	if _, err := (namespace.Patch{Key: "/demo", ConnectCallback: &empty}).Apply(ns, 2); err == nil {
		t.Error("the callback was removed")
	}
}

func TestRevocation(t *testing.T) {
	n, revocations := newCluster(t).guarded("a", nil)
	n.namespace("/demo", authMode(auth.JWT))
	n.namespace("/other", authMode(auth.JWT))
	ctx := context.Background()
	for _, c := range []struct {
		kind  auth.Kind
		value string
	}{{auth.User, "joe"}, {auth.Device, "u1"}, {auth.Token, "t1"}} {
		values := query("uuid", "u1", "token", token(t, "joe", time.Hour, "jti", "t1"))
		first := n.join(3, values)
		bystander := n.join(4, query("uuid", "u2", "token", token(t, "ann", time.Hour, "jti", "t2")))
		r := auth.Revocation{Namespace: "/demo", Kind: c.kind, Value: c.value,
			Since: time.Now().UnixMilli(), Until: time.Now().Add(time.Hour).UnixMilli()}
		must(t, revocations.Save(ctx, r))
		_, closing := payload(t, first.read(), "closing")
		if closing["reason"] != "access revoked" {
			t.Errorf("%s: %v", c.kind, closing)
		}
		first.expect("41/demo,")
		again := n.dial(3, values)
		again.send("40/demo,")
		again.expect(`44/demo,"access revoked"`, "41/demo,")
		again.send("40/other,")
		again.expect("40/other,")
		bystander.send(`42/demo,1["leaveRoom","x"]`)
		bystander.expect(`43/demo,1[{"status":200,"msg":"ok"}]`)
		if c.kind == auth.Token {
			bystander.send(fmt.Sprintf(`42/demo,2["refresh",{"token":%q}]`, token(t, "ann", time.Hour, "jti", "t1")))
			bystander.expect(`43/demo,2[{"status":401,"msg":"access revoked"}]`)
		}
		r.Lifted = true
		must(t, revocations.Save(ctx, r))
		n.join(4, values)
	}
}

// What the store remembers is there after a restart, and ends by itself.
func TestRevocationIsStored(t *testing.T) {
	c := newCluster(t)
	a, first := c.guarded("a", nil)
	a.namespace("/demo", nil)
	ctx := context.Background()
	now := time.Now()
	for user, until := range map[string]time.Time{"joe": now.Add(time.Hour), "ann": now.Add(50 * time.Millisecond)} {
		must(t, first.Save(ctx, auth.Revocation{Namespace: "/demo", Kind: auth.User, Value: user, Since: now.UnixMilli(), Until: until.UnixMilli()}))
	}
	b, _ := c.guarded("b", nil)
	cl := b.dial(4, "uuid=u&userid=joe")
	cl.send("40/demo,")
	cl.expect(`44/demo,{"message":"access revoked"}`)
	b.eventually("it has ended", func() bool { return !first.Blocked("/demo", auth.User, "ann") })
	b.join(4, "uuid=u&userid=ann")
	b.eventually("it is forgotten", func() bool {
		list, err := b.store.Revocations(ctx)
		must(t, err)
		return len(list) == 1 && list[0].Value == "joe"
	})
}
