package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/internal/name"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/logic/report"
	"github.com/lightpush/lightpush/logic/report/reporttest"
)

// blank is an answer that nobody reads.
type blank struct {
	header http.Header
	status int
}

func (w *blank) Header() http.Header            { return w.header }
func (w *blank) Write(p []byte) (int, error)    { return len(p), nil }
func (w *blank) WriteHeader(status int)         { w.status = status }
func (*blank) SetReadDeadline(time.Time) error  { return nil }
func (*blank) SetWriteDeadline(time.Time) error { return nil }

// body is a request body that can be read again.
type body struct{ strings.Reader }

func (*body) Close() error { return nil }

// BenchmarkPush is a push over REST, from the request to the answer, where
// nothing has to be written. Its password is known to be right already.
func BenchmarkPush(b *testing.B) {
	registry := namespace.NewRegistry(&namespaces{all: map[string]*namespace.Namespace{
		"/demo": {Key: "/demo", PasswdHash: passwordHash()},
	}}, time.Hour, nil)
	if err := registry.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	defer registry.Close()
	api, err := New(Options{
		Namespaces: registry, Push: &pushes{}, Devices: newDevices(), Admin: administrator{},
		Reports: report.New(reporttest.New(), report.Options{}),
		Rules:   push.Rules{Names: name.DefaultRules(), Expire: 1, ExpireMax: 10, APSDataSize: 4000},
		Logger:  zerolog.Nop(),
	})
	if err != nil {
		b.Fatal(err)
	}
	long := strings.Repeat("x", 100)
	for _, bm := range []struct{ name, kind, body string }{
		{"JSON", "application/json", `{"room":"user_joe","pushData":{"title":"hello","body":"` + long + `"}}`},
		{"form", "application/x-www-form-urlencoded", `room=user_joe&pushData=%7B%22title%22%3A%22hello%22%2C%22body%22%3A%22` + long + `%22%7D`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodPost, "/api/auth/push", nil)
			r.Header.Set("Content-Type", bm.kind)
			r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(tenantOK)))
			content := &body{}
			r.Body, r.ContentLength = content, int64(len(bm.body))
			w := &blank{header: http.Header{}}
			send := func() {
				content.Reset(bm.body)
				clear(w.header)
				api.ServeHTTP(w, r)
				if w.status != http.StatusOK {
					b.Fatal(w.status)
				}
			}
			send() // the password is checked once
			b.ReportAllocs()
			for b.Loop() {
				send()
			}
		})
	}
}
