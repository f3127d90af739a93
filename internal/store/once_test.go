package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
)

func onceMessage(o *push.Once) *push.Message {
	return &push.Message{
		Namespace: "/demo", Room: "r", PushData: json.RawMessage(`{}`), Expire: "1", Once: o,
		SendDate: time.Now().UnixMilli(), ExpireAt: time.Now().Add(time.Hour).UnixMilli(),
	}
}

func onceOf(key, request, owner string) *push.Once {
	return &push.Once{
		Namespace: "/demo", Key: key, Request: request, Owner: owner,
		Render: func([]int64) []byte { return []byte("answer of " + owner + "|{}") },
	}
}

func TestOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		begin := func(o *push.Once, want string, wantErr error) {
			t.Helper()
			answer, err := s.BeginOnce(t.Context(), o)
			if string(answer) != want || !errors.Is(err, wantErr) {
				t.Errorf("got %q, %v; want %q, %v", answer, err, want, wantErr)
			}
		}
		first := onceOf("key", "aa", "1")
		begin(first, "", nil)
		begin(first, "", nil) // the reply was lost
		begin(onceOf("key", "aa", "2"), "", push.ErrOnceBusy)
		begin(onceOf("key", "bb", "2"), "", push.ErrOnceOther)
		begin(onceOf("another", "aa", "2"), "", nil)

		check(t, s.FreeOnce(t.Context(), onceOf("key", "aa", "2"))) // another's attempt stays
		begin(onceOf("key", "aa", "2"), "", push.ErrOnceBusy)
		check(t, s.FreeOnce(t.Context(), first))
		second := onceOf("key", "aa", "2")
		begin(second, "", nil)

		check(t, s.Accept(t.Context(), []*push.Message{onceMessage(nil), onceMessage(second), onceMessage(nil)}))
		begin(onceOf("key", "aa", "3"), "answer of 2|{}", nil)
		begin(onceOf("key", "bb", "3"), "", push.ErrOnceOther)
		check(t, s.FreeOnce(t.Context(), second)) // it is done
		begin(onceOf("key", "aa", "3"), "answer of 2|{}", nil)

		other := onceOf("key", "aa", "4")
		other.Namespace = "/other" // keys are a namespace's own
		begin(other, "", nil)
		for _, key := range []string{"", "{}|%", strings.Repeat("k", 255), "\x00\xff"} {
			begin(onceOf(key, "aa", "1"), "", nil)
			begin(onceOf(key, "aa", "2"), "", push.ErrOnceBusy)
		}
	})
}

// An attempt that died gives the request free, and an answer is kept for the window.
func TestOnceExpires(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		if b.mini == nil {
			t.Skip("needs a clock that can be set")
		}
		s := b.open(t, func(o *Options) { o.OnceWindow = time.Minute })
		begin := func(owner, want string, wantErr error) {
			t.Helper()
			if answer, err := s.BeginOnce(t.Context(), onceOf("key", "aa", owner)); string(answer) != want || !errors.Is(err, wantErr) {
				t.Errorf("got %q, %v; want %q, %v", answer, err, want, wantErr)
			}
		}
		begin("1", "", nil)
		b.mini.FastForward(push.OnceWait - time.Second)
		begin("2", "", push.ErrOnceBusy)
		b.mini.FastForward(2 * time.Second)
		begin("2", "", nil)
		check(t, s.Accept(t.Context(), []*push.Message{onceMessage(onceOf("key", "aa", "2"))}))
		b.mini.FastForward(59 * time.Second)
		begin("3", "answer of 2|{}", nil)
		b.mini.FastForward(2 * time.Second)
		begin("3", "", nil)
	})
}

// Of many attempts at the same time one commits.
func TestOnceConcurrent(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		var mu sync.Mutex
		began, busy := 0, 0
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				_, err := s.BeginOnce(t.Context(), onceOf("key", "aa", strconv.Itoa(i)))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					began++
				case errors.Is(err, push.ErrOnceBusy):
					busy++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if began != 1 || busy != 49 {
			t.Errorf("%d began, %d busy", began, busy)
		}
	})
}

// The ids in the answer are those of the messages.
func TestOnceAnswer(t *testing.T) {
	s := (&backend{options: Options{Addresses: realServer(t).Addresses, Prefix: "once:"}}).open(t, nil)
	c := push.NewCommitter(s, push.CommitterOptions{})
	defer c.Close()
	service := push.NewService(c, nil)
	o := onceOf("key", "aa", "1")
	o.Render = func(ids []int64) []byte {
		text, _ := json.Marshal(ids)
		return text
	}
	if _, err := s.BeginOnce(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	ids, err := service.PushAll(t.Context(), &namespace.Namespace{Key: "/demo"}, []push.Request{onceRequest("a"), onceRequest("b"), onceRequest("c")}, o)
	if err != nil || len(ids) != 3 || ids[1] != ids[0]+1 || ids[2] != ids[0]+2 {
		t.Fatalf("%v, %v", ids, err)
	}
	want, _ := json.Marshal(ids)
	if answer, err := s.BeginOnce(t.Context(), onceOf("key", "aa", "2")); err != nil || !bytes.Equal(answer, want) {
		t.Errorf("%s, %v; want %s", answer, err, want)
	}
}

func onceRequest(room string) push.Request {
	return push.Request{Room: room, PushData: json.RawMessage(`{}`), ExpireHours: 1}
}
