//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

const tokenSecret = "e2e-token-secret-0123456789abcdef"

// keyring signs tokens and publishes the public half of one key.
type keyring struct {
	ec  *ecdsa.PrivateKey
	url string
}

func newKeyring(t testing.TB) *keyring {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawURLEncoding
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []map[string]string{{
			"kty": "EC", "crv": "P-256", "kid": "e2e", "x": enc.EncodeToString(point[1:33]), "y": enc.EncodeToString(point[33:]),
		}}})
	}))
	t.Cleanup(server.Close)
	return &keyring{key, server.URL}
}

func tokenClaims(user string, life time.Duration, more ...any) jwt.MapClaims {
	c := jwt.MapClaims{"sub": user, "exp": time.Now().Add(life).Unix(), "aud": "push"}
	for i := 0; i < len(more); i += 2 {
		c[more[i].(string)] = more[i+1]
	}
	return c
}

func sharedToken(t testing.TB, secret string, c jwt.MapClaims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (k *keyring) token(t testing.TB, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, c)
	token.Header["kid"] = "e2e"
	text, err := token.SignedString(k.ec)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// guarded is a cluster whose namespace asks for something.
type guarded struct {
	*deployment
	t   *testing.T
	drv *driver
}

// try opens a client and returns "" when it got ok, else the text of its refusal.
func (g guarded) try(c, lib string, connector int, opts map[string]any) string {
	g.t.Helper()
	opts["transports"] = []string{"websocket"}
	g.drv.open(g.t, openCommand{C: c, Lib: lib, URL: g.sockets[connector], Namespace: "/demo", Opts: opts})
	r := g.drv.take(g.t, c, "an answer", func(r report) bool {
		return r.Ev == "connect_error" || r.Ev == "error" || r.Ev == "event" && r.Name == "ok"
	})
	if r.Ev == "event" {
		return ""
	}
	g.drv.close(g.t, c)
	return r.Message
}

// waitMode waits until every connector refuses a client without credentials with that text.
func (g guarded) waitMode(text string) {
	g.t.Helper()
	for i := range g.sockets {
		eventually(g.t, 10*time.Second, "connector asks for credentials", func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			conn, err := wsclient.Dial(ctx, wsclient.Config{Addr: g.host(i), EIO: 4, Namespace: "/demo", Query: url.Values{"uuid": {"probe"}, "userid": {"probe"}}})
			var refused *wsclient.Refused
			switch {
			case err == nil:
				_ = conn.Close()
				return errors.New("accepted")
			case errors.As(err, &refused) && refused.Text == text:
				return nil
			}
			return err
		})
	}
}

// bearer sends a request with an API key.
func bearer(t testing.TB, base, key, method, path, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestAuth(t *testing.T) {
	g := guarded{startRoles(t, 2, 1, "LIGHTPUSH_LOG_LEVEL=info"), t, startNode(t)}
	api, keys := g.api(t, 0), newKeyring(t)
	api.post("/api/auth/namespace/save", map[string]any{
		"auth": "jwt", "auth_key": tokenSecret, "auth_jwks": keys.url, "auth_audience": "push",
	}, 200)
	g.waitMode("token required")
	libs := []string{"v2", "v4"}
	good := keys.token(t, tokenClaims("joe", time.Hour))
	public, err := x509.MarshalPKIXPublicKey(&keys.ec.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))

	t.Run("tokens", func(t *testing.T) {
		g := guarded{g.deployment, t, g.drv}
		none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + strings.Split(good, ".")[1] + "."
		for i, c := range []struct{ what, token, user, want string }{
			{"ES256 by JWKS", good, "", ""},
			{"HS256", sharedToken(t, tokenSecret, tokenClaims("joe", time.Hour)), "joe", ""},
			{"no token", "", "joe", "token required"},
			{"another user", good, "ann", "token is of another user"},
			{"forged", sharedToken(t, "another secret of enough bytes...", tokenClaims("joe", time.Hour)), "", "token invalid"},
			{"public key as secret", sharedToken(t, publicPEM, tokenClaims("joe", time.Hour)), "", "token invalid"},
			{"none", none, "", "token invalid"},
			{"expired", keys.token(t, tokenClaims("joe", -time.Hour)), "", "token expired"},
			{"wrong audience", keys.token(t, tokenClaims("joe", time.Hour, "aud", "mail")), "", "token invalid"},
			{"early", keys.token(t, tokenClaims("joe", time.Hour, "nbf", time.Now().Add(time.Hour).Unix())), "", "token not valid yet"},
			{"line breaks", good + "\r\nSet-Cookie: a=b", "", "token invalid"},
			{"oversized", keys.token(t, tokenClaims("joe", time.Hour, "x", strings.Repeat("x", 9000))), "", "token invalid"},
		} {
			for j, lib := range libs {
				values := map[string]any{"uuid": "u-" + lib, "token": c.token}
				if c.user != "" {
					values["userid"] = c.user
				}
				name := fmt.Sprintf("t%d%s", i, lib)
				if got := g.try(name, lib, j, map[string]any{"query": values}); got != c.want {
					t.Errorf("%s, %s: %q, want %q", c.what, lib, got, c.want)
				}
				if c.want == "" {
					g.drv.close(t, name)
				}
			}
		}
		if got := g.try("object", "v4", 0, map[string]any{"auth": map[string]any{"uuid": "u", "token": good}}); got != "" {
			t.Errorf("in the auth object: %q", got)
		}
		for _, lib := range libs {
			if got := g.try("header"+lib, lib, 0, map[string]any{
				"query": map[string]any{"uuid": "h" + lib}, "extraHeaders": map[string]any{"Authorization": "Bearer " + good},
			}); got != "" {
				t.Errorf("in the header, %s: %q", lib, got)
			}
			g.drv.close(t, "header"+lib)
		}
		g.drv.close(t, "object")
	})

	t.Run("expiry", func(t *testing.T) {
		g := guarded{g.deployment, t, g.drv}
		for i, lib := range libs {
			c := "e" + lib
			if got := g.try(c, lib, i, map[string]any{"query": map[string]any{"uuid": c, "token": keys.token(t, tokenClaims("joe", 8*time.Second))}}); got != "" {
				t.Fatal(got)
			}
			g.drv.takeEvent(t, c, "tokenExpiring")
			g.drv.emit(t, c, emission{Event: "refresh", Args: []any{map[string]any{"token": "no token"}}, Ack: "bad"})
			if a := g.drv.takeAck(t, c, "bad"); a.Status != 401 || a.Msg != "token invalid" {
				t.Errorf("%s: %+v", lib, a)
			}
			g.drv.emit(t, c, emission{Event: "refresh", Args: []any{map[string]any{"token": keys.token(t, tokenClaims("joe", 6*time.Second))}}, Ack: "good"})
			if a := g.drv.takeAck(t, c, "good"); a.Status != 200 {
				t.Errorf("%s: %+v", lib, a)
			}
			if r := g.drv.takeEvent(t, c, "closing"); string(r.Args[0]) != `{"reason":"token expired"}` {
				t.Errorf("%s: %v", lib, r)
			}
			if r := g.drv.takeKind(t, c, "disconnect"); r.Reason != "io server disconnect" {
				t.Errorf("%s: %v", lib, r)
			}
		}
	})

	t.Run("revocation", func(t *testing.T) {
		g := guarded{g.deployment, t, g.drv}
		for _, c := range []map[string]any{{"userid": "joe"}, {"uuid": "r1"}, {"token_id": "id-1"}} {
			token := keys.token(t, tokenClaims("joe", time.Hour, "jti", "id-1"))
			for i, lib := range libs { // on both nodes
				values := map[string]any{"uuid": "r1", "token": token, "platform": []string{"ios", "web"}[i]}
				if got := g.try("r"+lib, lib, i, map[string]any{"query": values}); got != "" {
					t.Fatalf("%v: %s", c, got)
				}
			}
			if got := g.try("bystander", "v4", 1, map[string]any{"query": map[string]any{"uuid": "b", "token": keys.token(t, tokenClaims("ann", time.Hour))}}); got != "" {
				t.Fatal(got)
			}
			api.post("/api/auth/revoke", c, 200)
			for _, lib := range libs {
				if r := g.drv.takeEvent(t, "r"+lib, "closing"); string(r.Args[0]) != `{"reason":"access revoked"}` {
					t.Errorf("%v: %v", c, r)
				}
				g.drv.takeKind(t, "r"+lib, "disconnect")
			}
			for i, lib := range libs {
				if got := g.try("again"+lib, lib, 1-i, map[string]any{"query": map[string]any{"uuid": "r1", "token": token}}); got != "access revoked" {
					t.Errorf("%v, %s again: %q", c, lib, got)
				}
			}
			marker := fmt.Sprint(c)
			api.push("user_ann", pushBody(marker))
			if got := markerOf(g.drv.takeEvent(t, "bystander", "push")); got != marker {
				t.Errorf("bystander got %q", got)
			}
			g.drv.close(t, "bystander")
			var list struct{ Total int }
			if api.get("/api/auth/revoke", &list); list.Total != 1 {
				t.Errorf("%v: %d in the list", c, list.Total)
			}
			api.post("/api/auth/revoke/lift", c, 200)
			eventually(t, 10*time.Second, "lifted on both nodes", func() error {
				for i := range g.sockets {
					ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
					defer cancel()
					conn, err := wsclient.Dial(ctx, wsclient.Config{Addr: g.host(i), EIO: 4, Namespace: "/demo", Query: url.Values{"uuid": {"r1"}, "token": {token}}})
					if err != nil {
						return err
					}
					_ = conn.Close()
				}
				return nil
			})
		}
	})

	t.Run("api keys", func(t *testing.T) {
		text := map[string]string{}
		for _, scope := range []string{"push", "read", "admin"} {
			var made struct{ Key, ID string }
			if err := json.Unmarshal(api.post("/api/auth/apikeys", map[string]any{"name": "e2e", "scope": scope}, 200), &made); err != nil {
				t.Fatal(err)
			}
			text[scope] = made.Key
			defer api.post("/api/auth/apikeys/remove", map[string]any{"id": made.ID}, 200)
		}
		const body = `{"room":"r","pushData":{}}`
		for _, c := range []struct {
			key, method, path string
			want              int
		}{
			{text["push"], "POST", "/api/auth/push", 200}, {text["push"], "GET", "/api/auth/namespace", 403},
			{text["read"], "POST", "/api/auth/push", 403}, {text["read"], "GET", "/api/auth/namespace", 200},
			{text["admin"], "POST", "/api/auth/push", 200}, {text["admin"], "GET", "/api/admin/namespace/list", 403},
			{text["admin"] + "x", "GET", "/api/auth/namespace", 401},
		} {
			if status, answer := bearer(t, api.base, c.key, c.method, c.path, body); status != c.want {
				t.Errorf("%s %s: %d %s", c.method, c.path, status, answer)
			}
		}
	})

	t.Run("hmac", func(t *testing.T) {
		g := guarded{g.deployment, t, g.drv}
		api.post("/api/auth/namespace/save", map[string]any{"auth": "hmac"}, 200)
		g.waitMode("sign required")
		signed := func(user string, at time.Time) map[string]any {
			seconds := fmt.Sprint(at.Unix())
			mac := hmac.New(sha256.New, []byte(tokenSecret))
			mac.Write([]byte(user + "\n" + seconds))
			return map[string]any{"uuid": "h", "userid": user, "ts": seconds, "sign": hex.EncodeToString(mac.Sum(nil))}
		}
		now := time.Now()
		with := func(values map[string]any, key string, value any) map[string]any { values[key] = value; return values }
		for i, c := range []struct {
			values map[string]any
			want   string
		}{
			{signed("joe", now), ""}, {signed("joe", now), ""}, // the same device comes back with the same URL
			{with(signed("joe", now), "uuid", "thief"), "sign invalid"}, {with(signed("joe", now), "userid", "ann"), "sign invalid"},
			{signed("joe", now.Add(-time.Hour)), "sign expired"}, {signed("joe", now.Add(time.Hour)), "sign invalid"},
			{with(signed("joe", now), "ts", fmt.Sprint(now.Unix()+1)), "sign invalid"},
		} {
			for j, lib := range libs {
				name := fmt.Sprintf("h%d%s", i, lib)
				if got := g.try(name, lib, (i+j)%2, map[string]any{"query": c.values}); got != c.want {
					t.Errorf("%v, %s: %q, want %q", c.values, lib, got, c.want)
				}
				if c.want == "" {
					g.drv.close(t, name)
				}
			}
		}
	})

	for _, p := range g.procs {
		for _, secret := range []string{tokenSecret, good, g.namespace.passwd, "lpk_"} {
			if strings.Contains(p.log(), secret) {
				t.Errorf("%s wrote a secret to its log: %.10s…", p.name, secret)
			}
		}
	}
	if !slices.ContainsFunc(g.procs, func(p *process) bool { return strings.Contains(p.log(), `"message":"access revoked"`) }) {
		t.Error("no log has a line about the revocations")
	}
}
