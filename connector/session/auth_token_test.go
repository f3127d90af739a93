package session

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/internal/auth"
	"github.com/lightpush/lightpush/internal/namespace"
)

func TestTokenOf(t *testing.T) {
	for _, c := range []struct {
		query, header, want string
		ok                  bool
	}{
		{"token=a", "", "a", true},
		{"token=a", "Bearer b", "a", true},
		{"", "Bearer b", "b", true},
		{"", "bearer  b ", "b", true},
		{"token=", "Bearer b", "b", true},
		{"", "Basic b", "", true},
		{"", "Bearer ", "", true},
		{"", "Bearer", "", true},
		{"", "", "", true},
		{"token=a&token=b", "Bearer c", "", false},
	} {
		values, err := url.ParseQuery(c.query)
		must(t, err)
		request := &engineio.Request{}
		if c.header != "" {
			request.Header = http.Header{"Authorization": {c.header}}
		}
		if got, ok := tokenOf(values, request); got != c.want || ok != c.ok {
			t.Errorf("%q, %q: %q, %v", c.query, c.header, got, ok)
		}
	}
}

// What was verified here is not passed on; what the callback is to verify is.
func TestTellable(t *testing.T) {
	values := url.Values{"uuid": {"u"}, "token": {"secret"}, "sign": {"secret"}}
	request := &engineio.Request{Header: http.Header{"Authorization": {"Bearer header"}}}
	for mode, want := range map[auth.Mode]string{
		auth.Open: "sign=secret&token=secret&uuid=u", auth.Callback: "sign=secret&token=secret&uuid=u", auth.JWT: "uuid=u", auth.HMAC: "uuid=u",
	} {
		ns := &namespace.Namespace{Key: "/demo", Auth: namespace.Auth{Mode: mode}}
		if got := tellable(ns, values, request).Encode(); got != want {
			t.Errorf("%s: %s", mode, got)
		}
	}
	ns := &namespace.Namespace{Key: "/demo", Auth: namespace.Auth{Mode: auth.Callback}}
	if got := tellable(ns, url.Values{}, request).Get("token"); got != "header" {
		t.Errorf("token of the header: %q", got)
	}
	if values.Get("token") != "secret" {
		t.Error("the handshake itself was changed")
	}
}
