package gate

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func ask(g *Gate, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func TestRate(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	passed := 0
	refused := map[Reason]int{}
	g := New(Options{
		Next: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed++ }),
		Rate: 100, Now: c.now, Refused: func(r Reason) { refused[r]++ },
	})
	const handshake = "/socket.io/?EIO=4&transport=polling"
	for range 50 {
		ask(g, "GET", handshake)
	}
	if passed != 10 || refused[Rate] != 40 {
		t.Fatalf("a burst of 50: %d passed, %v refused", passed, refused)
	}
	w := ask(g, "GET", handshake)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") < "1" || w.Header().Get("Retry-After") > "5" {
		t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	for range 3 { // the budget holds over any time, however the requests come
		before := passed
		for range 1000 {
			c.at = c.at.Add(time.Millisecond)
			ask(g, "GET", handshake)
		}
		if n := passed - before; n < 99 || n > 101 {
			t.Errorf("%d passed in a second", n)
		}
	}
	c.at = c.at.Add(-time.Hour) // a clock that is set back neither locks out nor lets in
	before := passed
	ask(g, "GET", handshake)
	c.at = c.at.Add(time.Hour + time.Minute)
	for range 50 {
		ask(g, "GET", handshake)
	}
	if n := passed - before; n < 10 || n > 11 {
		t.Errorf("%d passed after a long time", n)
	}
}

func TestSessionsPass(t *testing.T) {
	passed := 0
	g := New(Options{Next: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed++ }), Rate: 1})
	for range 20 {
		ask(g, "GET", "/socket.io/?sid=x")
		ask(g, "POST", "/socket.io/?sid=x")
		ask(g, "OPTIONS", "/socket.io/")
	}
	if passed != 60 {
		t.Errorf("%d passed", passed)
	}
}

func TestClose(t *testing.T) {
	passed, refused := 0, 0
	g := New(Options{
		Next:    http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed++ }),
		Refused: func(Reason) { refused++ },
	})
	for range 1000 {
		ask(g, "GET", "/socket.io/")
	}
	g.Close()
	if w := ask(g, "GET", "/socket.io/"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d", w.Code)
	}
	ask(g, "GET", "/socket.io/?sid=x")
	if passed != 1001 || refused != 1 {
		t.Errorf("%d passed, %d refused", passed, refused)
	}
}
