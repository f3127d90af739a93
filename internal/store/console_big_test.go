package store

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/store/redistest"
)

// TestBrowseBig reads pages of a namespace with many rooms and devices and
// looks at what that asks of the server and how long a page takes.
// LIGHTPUSH_BROWSE, as "100000 1000000", sets the number of both.
func TestBrowseBig(t *testing.T) {
	rooms, devices := 2_000, 20_000
	if set := os.Getenv("LIGHTPUSH_BROWSE"); set != "" {
		_, err := fmt.Sscan(set, &rooms, &devices)
		check(t, err)
	}
	r, err := redistest.StartServer("--slowlog-log-slower-than", "1000", "--slowlog-max-len", "10000")
	if err != nil {
		t.Skip(err)
	}
	defer r.Stop()
	b := &backend{name: "redis", options: Options{Addresses: r.Addresses, Prefix: "big:"}}
	s := b.open(t, nil)
	ctx := t.Context()
	k := s.keys.namespace("/a")
	id := func(i int) string {
		return client.Identity{Namespace: "/a", UserID: fmt.Sprint("user-", i), Platform: client.Platforms[i%3], UUID: fmt.Sprint("device-", i)}.ID()
	}
	for from := 0; from < devices; from += 2000 {
		pipe := s.rdb.Pipeline()
		for i := from; i < min(from+2000, devices); i++ {
			pipe.ZAdd(ctx, k.seen, zMember(float64(1_700_000_000_000+i/3), id(i)))
			pipe.HSet(ctx, k.online, id(i), fmt.Sprint(i, "|user-", i))
			pipe.HSet(ctx, k.users, fmt.Sprint("user-", i), 1)
			pipe.HSet(ctx, s.keys.room("/a", "all").members, id(i), fmt.Sprint(i, "|", client.Platforms[i%3], "|n|user-", i))
			pipe.SAdd(ctx, s.keys.room("/a", "all").total(client.Platforms[i%3]), id(i))
			if i < rooms {
				pipe.HSet(ctx, k.rooms, fmt.Sprint("room-", i), 1)
			}
			if i%1000 == 0 {
				pipe.HSet(ctx, s.keys.client("/a", id(i)), "userid", fmt.Sprint("user-", i))
			}
		}
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
	}
	check(t, s.rdb.SlowLogReset(ctx).Err())
	br := console.NewBrowser(s, nil)
	var longest time.Duration
	pages := func(what string, most int, read func(cursor string) (n int, next string, err error)) {
		t.Helper()
		var worst time.Duration
		found, count, cursor := 0, 0, ""
		for {
			started := time.Now()
			n, next, err := read(cursor)
			check(t, err)
			worst = max(worst, time.Since(started))
			found, count = found+n, count+1
			if cursor = next; cursor == "" || count == most {
				break
			}
		}
		longest = max(longest, worst)
		t.Logf("%-28s %6d entries in %4d pages, the longest %s", what, found, count, worst.Round(100*time.Microsecond))
	}
	device := func(q console.Query) func(string) (int, string, error) {
		return func(cursor string) (int, string, error) {
			q.Namespace, q.Cursor, q.Size = "/a", cursor, console.PageMost
			p, err := br.Clients(ctx, q)
			return len(p.List), p.Cursor, err
		}
	}
	room := func(q string) func(string) (int, string, error) {
		return func(cursor string) (int, string, error) {
			p, err := br.Rooms(ctx, console.Query{Namespace: "/a", Q: q, Cursor: cursor, Size: console.PageMost})
			return len(p.List), p.Cursor, err
		}
	}
	pages("rooms", 100, room(""))
	pages("rooms, rare text", 1000, room(fmt.Sprint("ROOM-", rooms-1)))
	pages("devices, latest", 100, device(console.Query{}))
	pages("devices, platform", 100, device(console.Query{Platform: client.IOS}))
	pages("devices, rare text", 1000, device(console.Query{Q: fmt.Sprint("DEVICE-", devices-1)}))
	pages("devices online, rare text", 1000, device(console.Query{Online: true, Q: fmt.Sprint("DEVICE-", devices-1)}))
	pages("devices offline, none", 1000, device(console.Query{Offline: true}))
	pages("devices of a user", 10, device(console.Query{User: "user-5"}))
	pages("members", 100, func(cursor string) (int, string, error) {
		p, err := br.Members(ctx, "all", console.Query{Namespace: "/a", Cursor: cursor, Size: console.PageMost})
		return len(p.List), p.Cursor, err
	})
	pages("members online", 100, func(cursor string) (int, string, error) {
		p, err := br.Members(ctx, "all", console.Query{Namespace: "/a", Online: true, Cursor: cursor, Size: console.PageMost})
		return len(p.List), p.Cursor, err
	})
	pages("users, rare text", 1000, func(cursor string) (int, string, error) {
		p, err := br.Users(ctx, console.Query{Namespace: "/a", Q: fmt.Sprint("user-", devices-1), Cursor: cursor, Size: console.PageMost})
		return len(p.List), p.Cursor, err
	})
	slow, worst := slowest(t, s)
	t.Logf("%d rooms, %d devices: longest command %s (%d above 1 ms), longest page %s", rooms, devices, worst, slow, longest)
	// No promise on a busy machine, but far above any figure of a quiet one.
	if worst > 100*time.Millisecond || longest > time.Second {
		t.Errorf("longest command %s, longest page %s", worst, longest)
	}
}
