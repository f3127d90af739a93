// Command business is the business side: tokens, callbacks and pushes. See ../README.md.
package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func env(name, fallback string) string { return cmp.Or(os.Getenv(name), fallback) }

var (
	api            = env("PUSH_API", "http://127.0.0.1:21314")
	namespace      = env("PUSH_NAMESPACE", "/demo")
	callbackSecret = []byte(env("CALLBACK_SECRET", "callback-secret"))
	tokenSecret    = []byte(env("TOKEN_SECRET", "token-secret"))
)

func mac(secret []byte, text string) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// signed checks x-lightpush-signature over the request as it arrived.
func signed(r *http.Request, body []byte) bool {
	t, sum, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("X-Lightpush-Signature"), "t="), ",v1=")
	seconds, err := strconv.ParseInt(t, 10, 64)
	given, hexErr := hex.DecodeString(sum)
	if !ok || err != nil || hexErr != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return false
	}
	return hmac.Equal(given, mac(callbackSecret, fmt.Sprintf("%s.%s.%s.%s", t, r.Method, r.RequestURI, body)))
}

type claims struct {
	Sub string `json:"sub"`
	Iat int64  `json:"iat"`
	Exp int64  `json:"exp"`
}

// issue makes a JWT with HS256. Issue one only to a user who has logged in.
func issue(user string) string {
	now := time.Now().Unix()
	payload, _ := json.Marshal(claims{user, now, now + 300})
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	return text + "." + base64.RawURLEncoding.EncodeToString(mac(tokenSecret, text))
}

// userOf returns the user a token was issued to. The algorithm is ours, whatever the token's header says.
func userOf(token string) (string, bool) {
	at := strings.LastIndexByte(token, '.')
	if at < 0 {
		return "", false
	}
	text, signature := token[:at], token[at+1:]
	given, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !hmac.Equal(given, mac(tokenSecret, text)) {
		return "", false
	}
	_, encoded, _ := strings.Cut(text, ".")
	payload, err := base64.RawURLEncoding.DecodeString(encoded)
	var c claims
	if err != nil || json.Unmarshal(payload, &c) != nil || c.Exp <= time.Now().Unix() {
		return "", false
	}
	return c.Sub, true
}

// push sends message and returns lightpush's status and answer.
func push(ctx context.Context, message any) (int, any, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	body, err := json.Marshal(message)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, api+"/api/auth/push", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.SetBasicAuth(namespace, os.Getenv("PUSH_PASSWORD"))
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	var answer json.RawMessage
	err = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer)
	return res.StatusCode, answer, err
}

type answer map[string]any

func handle(r *http.Request, body []byte) (int, any, error) {
	query := r.URL.Query()
	switch r.Method + " " + r.URL.Path {
	case "GET /token":
		return 200, answer{"token": issue(query.Get("userid"))}, nil
	case "GET /in":
		if !signed(r, body) {
			return 401, answer{"msg": "bad signature"}, nil
		}
		if user, ok := userOf(query.Get("token")); ok && user == query.Get("userid") {
			return 200, answer{"userid": user, "rooms": []string{"news"}}, nil
		}
		return 403, answer{"msg": "not you"}, nil
	case "POST /out":
		if !signed(r, body) {
			return 401, answer{"msg": "bad signature"}, nil
		}
		var gone struct{ Query map[string]any }
		if err := json.Unmarshal(body, &gone); err != nil {
			return 0, nil, err
		}
		// x-lightpush-delivery is the same for repeats: a key.
		fmt.Println("gone", gone.Query["userid"], gone.Query["uuid"], r.Header.Get("X-Lightpush-Delivery"))
		return 200, answer{}, nil
	case "POST /send":
		var send struct{ Room, Text string }
		if err := json.Unmarshal(body, &send); err != nil {
			return 0, nil, err
		}
		return push(r.Context(), answer{"room": send.Room, "pushData": answer{"text": send.Text}, "leaveMessage": true})
	}
	return 404, answer{"msg": "not found"}, nil
}

func serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return
	}
	status, value, err := handle(r, body)
	if err != nil {
		log.Print(err)
		status, value = 500, answer{"msg": "internal error"}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:"+env("PORT", "8090"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("business on http://" + l.Addr().String())
	server := &http.Server{Handler: http.HandlerFunc(serve), ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.Serve(l))
}
