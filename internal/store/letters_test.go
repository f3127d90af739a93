package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/inbox"
)

// TestLettersAreShared: devices that come back at once read a message once.
func TestLettersAreShared(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		msg := kept("/a", "r")
		accept(t, s, msg)
		var clients []string
		for i := range 20 {
			m := device(t, s, "/a", fmt.Sprint("u", i), client.Android, "n1", "r")
			clients = append(clients, m.ClientID)
		}
		if _, err := s.Place(ctx, msg, clients, 10); err != nil {
			t.Fatal(err)
		}
		read := func() {
			var all sync.WaitGroup
			for _, c := range clients {
				all.Go(func() {
					page, err := s.Inbox(ctx, inbox.Query{Namespace: "/a", ClientID: c, Count: 10, Bytes: 1000})
					if err != nil || len(page.Entries) != 1 {
						t.Errorf("%s: %+v, %v", c, page, err)
					}
				})
			}
			all.Wait()
		}
		read()
		first := s.letters.byID[msg.ID]
		read()
		if s.letters.byID[msg.ID] != first || first == nil {
			t.Error("the message was read again")
		}
		first.at = first.at.Add(-letterKeeps)
		read()
		if s.letters.byID[msg.ID] == first {
			t.Error("a letter is kept for ever")
		}
		// Another namespace's device with an entry of that message gets nothing of it.
		check(t, s.rdb.ZAdd(ctx, s.keys.inbox("/b", "x"), redis.Z{Score: float64(msg.ID), Member: inbox.Key(msg.ID, msg.ExpireAt)}).Err())
		page, err := s.Inbox(ctx, inbox.Query{Namespace: "/b", ClientID: "x", Count: 10, Bytes: 1000})
		if err != nil || len(page.Entries) != 0 {
			t.Errorf("foreign entry: %+v, %v", page, err)
		}
	})
}

// A letter that could not be read fails those who wait for it, and is read
// again by the next.
func TestLettersForgetFailures(t *testing.T) {
	var l letters
	all, mine := l.claim([]int64{1, 2})
	if len(mine) != 2 {
		t.Fatalf("mine %v", mine)
	}
	again, none := l.claim([]int64{2})
	if len(none) != 0 || again[0] != all[1] {
		t.Errorf("claimed twice: %v", none)
	}
	all[1].err = errors.New("gone")
	l.filled(2, all[1])
	if err := again[0].wait(context.Background()); err == nil {
		t.Error("a failure was not told")
	}
	if _, mine = l.claim([]int64{2}); len(mine) != 1 {
		t.Error("a failure was kept")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := all[0].wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	all[0].entry.Record = make([]byte, lettersMax)
	l.filled(1, all[0])
	if _, mine = l.claim([]int64{1, 3}); len(mine) != 2 || time.Since(l.byID[3].at) > time.Minute {
		t.Error("the letters grow without bound")
	}
}
