package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lightpush/lightpush/test/bench/app"
)

// fakeAPI answers as logic does; every request from failFrom on fails.
func fakeAPI(t *testing.T, failFrom int64) (*rest, *atomic.Int64) {
	var pushes atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/auth/push", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Room     string
			PushData app.Data
		}
		user, password, _ := r.BasicAuth()
		if json.NewDecoder(r.Body).Decode(&body) != nil || body.Room == "" || body.PushData.T == 0 || user != app.Namespace || password != namespacePassword {
			t.Errorf("push %+v of %s", body, user)
		}
		n := pushes.Add(1)
		if n >= failFrom {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		fmt.Fprintf(w, `{"id":%d}`, n)
	})
	mux.HandleFunc("GET /api/auth/report/push/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"id":"%s","ackCount":"17"}`, r.PathValue("id"))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	api := newREST(strings.TrimPrefix(server.URL, "http://"))
	t.Cleanup(api.client.CloseIdleConnections)
	return api, &pushes
}

func TestREST(t *testing.T) {
	api, pushes := fakeAPI(t, 1<<60)
	ctx := context.Background()
	if id, err := api.push(ctx, "r", 0); id != 1 || err != nil {
		t.Error(id, err)
	}
	if ids, err := api.pushAtOnce(ctx, "r", 5); len(ids) != 5 || err != nil {
		t.Error(ids, err)
	}
	if n, err := api.acked(ctx, 3); n != 17 || err != nil {
		t.Error(n, err)
	}
	p, err := api.rate(ctx, pace{perSecond: 1e6, n: 200, room: "r"})
	if err != nil || p.Failed != 0 || p.Answer.Count != 200 || p.Slip.Count != 200 || pushes.Load() != 206 {
		t.Errorf("%+v, %v, %d pushes", p, err, pushes.Load())
	}
}

func TestRESTFailures(t *testing.T) {
	ctx := context.Background()
	api, _ := fakeAPI(t, 0)
	if _, err := api.push(ctx, "r", 0); err == nil || !strings.Contains(err.Error(), "429") {
		t.Error(err)
	}
	if _, err := api.pushAtOnce(ctx, "r", 2); err == nil {
		t.Error("failed pushes go unseen")
	}
	if _, err := api.rate(ctx, pace{perSecond: 1e6, n: 50, room: "r"}); err == nil {
		t.Error("a rate of failures goes unseen")
	}
	if p, err := api.rate(ctx, pace{perSecond: 1e6, n: 50, room: "r", tolerant: true}); err != nil || p.Failed != 50 {
		t.Errorf("tolerant: %+v, %v", p, err)
	}
	api, _ = fakeAPI(t, 98) // a few do not matter, and are counted
	if p, err := api.rate(ctx, pace{perSecond: 1e6, n: 100, room: "r"}); err != nil || p.Failed != 3 || len(p.refused) != 3 {
		t.Errorf("%+v, %v", p, err)
	}
}
