package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
)

// batches is a Batches in memory.
type batches struct {
	mu     sync.Mutex
	ids    int64
	rooms  []string
	fail   error
	hold   chan struct{}     // PushAll waits for it, unless nil
	kept   map[string]string // key → p|request|owner or d|request|answer
	commit int               // calls of PushAll
}

func (b *batches) PushAll(_ context.Context, ns *namespace.Namespace, reqs []push.Request, once *push.Once) ([]int64, error) {
	b.mu.Lock()
	hold := b.hold
	b.mu.Unlock()
	if hold != nil {
		<-hold
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.commit++
	if b.fail != nil {
		return nil, b.fail
	}
	var ids []int64
	for _, r := range reqs {
		b.ids++
		ids = append(ids, b.ids)
		b.rooms = append(b.rooms, ns.Key+" "+r.Room)
	}
	if once != nil {
		b.kept[once.Namespace+once.Key] = "d|" + once.Request + "|" + string(once.Render(ids))
	}
	return ids, nil
}

func (b *batches) BeginOnce(_ context.Context, o *push.Once) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	there, ok := b.kept[o.Namespace+o.Key]
	switch {
	case !ok:
		b.kept[o.Namespace+o.Key] = "p|" + o.Request + "|" + o.Owner
		return nil, nil
	case strings.HasPrefix(there, "p|"+o.Request):
		return nil, push.ErrOnceBusy
	case strings.HasPrefix(there, "d|"+o.Request):
		return []byte(there[len("d||")+len(o.Request):]), nil
	}
	return nil, push.ErrOnceOther
}

func (b *batches) FreeOnce(_ context.Context, o *push.Once) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.kept, o.Namespace+o.Key)
	return nil
}

func (b *batches) set(fail error, hold chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail, b.hold = fail, hold
}

func newBatchServer(t *testing.T) (*server, *batches) {
	b := &batches{kept: map[string]string{}}
	return newServer(t, func(o *Options) { o.Batches, o.BatchMax = b, 3 }), b
}

func TestBatch(t *testing.T) {
	s, b := newBatchServer(t)
	post := func(body string, options ...with) answer {
		return s.do(t, "POST", batchPath, append([]with{auth(tenantOK), jsonBody(body)}, options...)...)
	}
	const good, bad = `{"room":"r","pushData":{}}`, `{"room":"r 1","pushData":{}}`
	post(`[`+good+`]`).want(t, "one", 200, `[{"id":1}]`)
	post(` [`+good+`,{"room":"q","pushData":[1],"expire":"2"}]`).want(t, "two", 200, `[{"id":2},{"id":3}]`)
	post(`[`+good+`,`+bad+`,`+good+`]`).want(t, "a bad one", 200, `[{"id":4},{"code":9999,"msg":"room invalid"},{"id":5}]`)
	post(`[1,{},`+good+`]`).want(t, "worse ones", 200,
		`[{"code":9999,"msg":"a push must be an object"},{"code":9999,"msg":"room can not be empty"},{"id":6}]`)
	post(`[`+bad+`]`).want(t, "nothing good", 200, `[{"code":9999,"msg":"room invalid"}]`)
	if got := strings.Join(b.rooms, ","); got != "/demo r,/demo r,/demo q,/demo r,/demo r,/demo r" {
		t.Errorf("pushed to %s", got)
	}
	if b.commit != 4 {
		t.Errorf("%d group commits", b.commit)
	}
	for body, want := range map[string]string{
		`[]`: "a batch has 1 to 3 pushes", `[` + strings.Repeat(good+",", 3) + good + `]`: "a batch has 1 to 3 pushes",
		good: errNoArray.Msg, `"x"`: errNoArray.Msg, `null`: errNoArray.Msg,
	} {
		post(body).want(t, body, 400, refused(9999, want))
	}
	for _, body := range []string{``, `[`, `[1`, `{`, `[{"room":}]`, "[\"\xff\"]"} {
		post(body).want(t, body, 400, refused(1101, "Bad Request"))
	}
	s.do(t, "POST", batchPath, auth(tenantOK), formBody("room=r")).want(t, "a form", 400, refused(9999, errNoArray.Msg))
	s.do(t, "POST", batchPath, auth(tenantOK)).want(t, "nothing", 400, refused(9999, errNoArray.Msg))
	s.do(t, "POST", batchPath, jsonBody(`[]`)).want(t, "no credential", 400, refused(1001, "need authorization"))
	s.do(t, "POST", batchPath, auth("/closed:"+password), jsonBody(`[`+good+`]`)).
		want(t, "an offline namespace", 200, `[{"code":9999,"msg":"this namespace offline"}]`)
	post(`[`+strings.Repeat(" ", 1<<20)+`]`).want(t, "too large", 413, refused(1103, "request entity too large"))

	b.set(errors.New("the store is away"), nil)
	post(`[`+good+`,`+bad+`]`).want(t, "no store", 503, refused(1202, "service temporarily unavailable"))
	b.set(push.ErrOverloaded, nil)
	post(`[`+good+`]`).want(t, "overloaded", 503, refused(1201, "too many requests are waiting, try again later"))
}

func TestBatchesMissing(t *testing.T) {
	s := newServer(t)
	s.do(t, "POST", batchPath, auth(tenantOK), jsonBody(`[{"room":"r","pushData":{}}]`)).
		want(t, "batch", 503, refused(1202, "service temporarily unavailable"))
	s.do(t, "POST", "/api/auth/push", auth(tenantOK), jsonBody(`{"room":"r","pushData":{}}`), header(keyHeader, "k")).
		want(t, "key", 503, refused(1202, "service temporarily unavailable"))
}

func TestIdempotencyKey(t *testing.T) {
	s, b := newBatchServer(t)
	const one, two = `{"room":"r","pushData":{}}`, `[{"room":"r","pushData":{}},{"room":"r 1","pushData":{}}]`
	do := func(path, body, key string, credential string) answer {
		return s.do(t, "POST", path, auth(credential), jsonBody(body), header(keyHeader, key))
	}
	again := func(path, body, key, want string, replayed bool) {
		t.Helper()
		a := do(path, body, key, tenantOK)
		a.want(t, path+" "+key, 200, want)
		if got := a.header.Get(replayedHeader); (got == "true") != replayed {
			t.Errorf("%s %s: %s %q, want %v", path, key, replayedHeader, got, replayed)
		}
	}
	again("/api/auth/push", one, "a", `{"id":1}`, false)
	again("/api/auth/push", one, "a", `{"id":1}`, true)
	again("/push-logic/api/auth/push/", one, "a", `{"id":1}`, true)
	again("/api/auth/push", one, "b", `{"id":2}`, false)
	again(batchPath, two, "c", `[{"id":3},{"code":9999,"msg":"room invalid"}]`, false)
	again(batchPath, two, "c", `[{"id":3},{"code":9999,"msg":"room invalid"}]`, true)
	do("/api/auth/push", one, "a", "/other:"+password).want(t, "another namespace", 200, `{"id":4}`)

	reused := refused(1107, "this Idempotency-Key was used for another request")
	do("/api/auth/push", `{"room":"q","pushData":{}}`, "a", tenantOK).want(t, "another body", 422, reused)
	do(batchPath, `[`+one+`]`, "a", tenantOK).want(t, "another route", 422, reused)
	for _, key := range []string{"", strings.Repeat("k", 256), "ä", "\t"} {
		do("/api/auth/push", one, key, tenantOK).want(t, "key "+key, 400, refused(1105, FailKey.Msg))
	}
	do("/api/auth/push", `{"room":""}`, "d", tenantOK).want(t, "refused", 400, refused(9999, "room can not be empty"))
	again("/api/auth/push", one, "d", `{"id":5}`, false) // nothing was kept

	// Overloaded: nothing was tried, so the key is free. A store that failed may have accepted it.
	b.set(push.ErrOverloaded, nil)
	do("/api/auth/push", one, "e", tenantOK).want(t, "overloaded", 503, refused(1201, FailOverloaded.Msg))
	b.set(nil, nil)
	again("/api/auth/push", one, "e", `{"id":6}`, false)
	b.set(errors.New("the reply is lost"), nil)
	do("/api/auth/push", one, "f", tenantOK).want(t, "lost", 503, refused(1202, FailUnavailable.Msg))
	b.set(nil, nil)
	start := time.Now()
	a := do("/api/auth/push", one, "f", tenantOK)
	a.want(t, "under way", 409, refused(1106, FailKeyBusy.Msg))
	if a.header.Get("Retry-After") == "" || time.Since(start) < keyPatience {
		t.Errorf("Retry-After %q after %v", a.header.Get("Retry-After"), time.Since(start))
	}
}

// TestKeyConcurrent: of repeats at the same time one pushes, and all get its answer.
func TestKeyConcurrent(t *testing.T) {
	s, b := newBatchServer(t)
	hold := make(chan struct{})
	b.set(nil, hold)
	var wg sync.WaitGroup
	answers := make([]answer, 10)
	for i := range answers {
		wg.Go(func() {
			answers[i] = s.do(t, "POST", "/api/auth/push", auth(tenantOK), jsonBody(`{"room":"r","pushData":{}}`), header(keyHeader, "k"))
		})
	}
	time.AfterFunc(100*time.Millisecond, func() { close(hold) })
	wg.Wait()
	replayed := 0
	for i, a := range answers {
		a.want(t, fmt.Sprint("answer ", i), http.StatusOK, `{"id":1}`)
		if a.header.Get(replayedHeader) != "" {
			replayed++
		}
	}
	if b.commit != 1 || replayed != len(answers)-1 {
		t.Errorf("%d pushes, %d replayed", b.commit, replayed)
	}
}
