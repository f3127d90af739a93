package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/queue"
	"github.com/lightpush/lightpush/internal/queue/queuetest"
)

// queueServer has three dead callbacks and a dead message.
func queueServer(t *testing.T) (*server, *queuetest.Memory) {
	t.Helper()
	m := &queuetest.Memory{}
	ctx := context.Background()
	for i := range 3 {
		id := fmt.Sprintf("/demo#u%d#web-1|%d", i, i)
		body := []byte(`{"ns":"/demo","url":"https://app.example/gone","cookie":"session=secret","query":{"token":"secret"}}`)
		if err := errors.Join(
			m.Enqueue(ctx, queue.Callback, []queue.Job{{ID: id, Body: body}}, 0),
			take(m, queue.Callback), m.Bury(ctx, queue.Callback, "w", id, fmt.Sprint("reason ", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(
		m.Enqueue(ctx, queue.Offline, []queue.Job{{ID: "7"}, {ID: "8"}}, 0), take(m, queue.Offline),
		m.Bury(ctx, queue.Offline, "w", "7", "poison"),
		m.Enqueue(ctx, queue.Offline, []queue.Job{{ID: "9"}}, time.Hour)); err != nil {
		t.Fatal(err)
	}
	return newServer(t, func(o *Options) { o.Queues = m }), m
}

func take(m *queuetest.Memory, name string) error {
	_, err := m.Take(context.Background(), name, "w", nil, 10, time.Hour)
	return err
}

func TestQueues(t *testing.T) {
	s, m := queueServer(t)
	root := auth(adminOK)
	for _, tc := range []struct {
		method, path, body string
		status             int
		want               string // part of the answer
	}{
		{"GET", "/api/admin/queue", "", 200, `[{"name":"offline","waiting":1,"ready":0,"working":1,"dead":1,"oldestDue":0},` +
			`{"name":"callback","waiting":0,"ready":0,"working":0,"dead":3,"oldestDue":0}]`},
		{"GET", "/api/admin/queue/dead?queue=offline", "", 200, `"id":"7","attempts":1,"reason":"poison"`},
		{"GET", "/api/admin/queue/dead?queue=callback&page=2&size=2", "", 200, `[{"id":"/demo#u0#web-1|0","attempts":1,"reason":"reason 0"`},
		{"GET", "/api/admin/queue/dead?queue=callback", "", 200, `"namespace":"/demo","url":"https://app.example/gone"}],"total":3}`},
		{"GET", "/api/admin/queue/dead?queue=callback&page=9999999999999999999&size=x", "", 200, `{"list":[],"total":3}`},
		{"GET", "/api/admin/queue/dead", "", 400, `"msg":"queue must be one of offline, callback"`},
		{"GET", "/api/admin/queue/dead?queue=Offline", "", 400, `"msg":"queue must be one of offline, callback"`},
		{"POST", "/api/admin/queue/requeue", `{}`, 400, `"msg":"queue must be one of offline, callback"`},
		{"POST", "/api/admin/queue/requeue", `{"queue":["callback"]}`, 400, `"msg":"queue must be a string"`},
		{"POST", "/api/admin/queue/requeue", `{"queue":"callback","ids":"x"}`, 400, `"msg":"ids must be an array"`},
		{"POST", "/api/admin/queue/requeue", `{"queue":"callback","ids":[{}]}`, 400, `"msg":"ids must hold only strings"`},
		{"POST", "/api/admin/queue/requeue", `{"queue":"callback","ids":["` + strings.Repeat("x", 2001) + `"]}`, 400, `"msg":"ids must hold strings of at most 2000 bytes"`},
		{"POST", "/api/admin/queue/requeue", `{"queue":"callback","ids":[` + strings.Repeat(`"x",`, 1000) + `"x"]}`, 400, `"msg":"ids must have at most 1000 elements"`},
		{"POST", "/api/admin/queue/requeue", `{"queue":"callback","ids":[]}`, 200, `{"moved":0}`},
		{"POST", "/api/admin/queue/requeue", `{"queue":"callback","ids":["/demo#u1#web-1|1","nobody"]}`, 200, `{"moved":1}`},
		{"POST", "/api/admin/queue/requeue", `{"queue":"callback"}`, 200, `{"moved":2}`},
		{"POST", "/api/admin/queue/requeue", `{"queue":"offline","ids":null}`, 200, `{"moved":1}`},
		{"GET", "/api/admin/queue/dead?queue=callback", "", 200, `{"list":[],"total":0}`},
	} {
		options := []with{root}
		if tc.method == "POST" {
			options = append(options, jsonBody(tc.body))
		}
		got := s.do(t, tc.method, tc.path, options...)
		if got.status != tc.status || !strings.Contains(got.body, tc.want) || strings.Contains(got.body, "secret") {
			t.Errorf("%s %s %.100s: %d %s", tc.method, tc.path, tc.body, got.status, got.body)
		}
	}
	m.Fail(func(string, string) error { return errors.New("store is away") })
	for _, path := range []string{"/api/admin/queue", "/api/admin/queue/dead?queue=offline"} {
		if got := s.do(t, "GET", path, root); got.status != 503 {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := s.do(t, "POST", "/api/admin/queue/requeue", root, jsonBody(`{"queue":"offline"}`)); got.status != 503 {
		t.Errorf("requeue: %d %s", got.status, got.body)
	}
}

// TestQueuesAreTheAdministrators: no tenant sees or touches them.
func TestQueuesAreTheAdministrators(t *testing.T) {
	s, m := queueServer(t)
	for _, credential := range []with{auth("/demo:secret"), auth("demo:admin"), func(*http.Request) {}} {
		for _, r := range [][2]string{{"GET", "/api/admin/queue"}, {"GET", "/api/admin/queue/dead?queue=callback"}, {"POST", "/api/admin/queue/requeue"}} {
			if got := s.do(t, r[0], r[1], credential, jsonBody(`{"queue":"callback"}`)); got.status != 400 && got.status != 401 || strings.Contains(got.body, "app.example") {
				t.Errorf("%v: %d %s", r, got.status, got.body)
			}
		}
	}
	if f, err := m.Stats(context.Background(), queue.Callback); err != nil || f.Dead != 3 {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestNoQueues: a process without queues says so.
func TestNoQueues(t *testing.T) {
	s := newServer(t)
	root := auth(adminOK)
	if got := s.do(t, "GET", "/api/admin/queue", root); got.status != 503 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := s.do(t, "GET", "/api/admin/queue/dead?queue=offline", root); got.status != 503 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := s.do(t, "POST", "/api/admin/queue/requeue", root, jsonBody(`{"queue":"offline"}`)); got.status != 503 {
		t.Errorf("%d %s", got.status, got.body)
	}
}
