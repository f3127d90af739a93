package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/inbox"
	"github.com/lightpush/lightpush/internal/push"
)

func TestWebSessions(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		now := at
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return now } })
		ctx := t.Context()
		if data, _, err := s.WebSession(ctx, "none"); err != nil || data != nil {
			t.Errorf("no session: %q %v", data, err)
		}
		for i := range 4 {
			now = now.Add(time.Second)
			check(t, s.PutSession(ctx, fmt.Sprint("id", i), "admin a|b", fmt.Append(nil, "data", i), time.Minute, 3))
		}
		check(t, s.PutSession(ctx, "other", "admin c", []byte("x"), time.Minute, 3))
		for i, want := range []string{"", "data1", "data2", "data3"} { // the oldest made room
			data, left, err := s.WebSession(ctx, fmt.Sprint("id", i))
			if err != nil || string(data) != want || (want != "" && (left <= 0 || left > time.Minute)) {
				t.Errorf("session %d: %q %s %v", i, data, left, err)
			}
		}
		check(t, s.ExtendSession(ctx, "id1", time.Hour))
		if _, left, err := s.WebSession(ctx, "id1"); err != nil || left < 30*time.Minute {
			t.Errorf("extended to %s %v", left, err)
		}
		check(t, s.ExtendSession(ctx, "none", time.Hour))
		check(t, s.DropSession(ctx, "id1"))
		check(t, s.DropSession(ctx, "id1"))
		if data, _, _ := s.WebSession(ctx, "id1"); data != nil {
			t.Error("a dropped session is still there")
		}
		for _, key := range keysLeft(t, s) {
			if s.rdb.PTTL(ctx, s.opt.Prefix+key).Val() <= 0 {
				t.Errorf("%s does not expire", key)
			}
		}
	})
}

func TestAudit(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		for i := range 7 {
			check(t, s.AddAct(t.Context(), fmt.Append(nil, i), 5))
		}
		acts, total, err := s.Acts(t.Context(), 1, 3)
		if text := fmt.Sprintf("%s", acts); err != nil || text != "[5 4 3]" || total != 5 {
			t.Errorf("acts %s of %d: %v", text, total, err)
		}
		if acts, total, err := s.Acts(t.Context(), 5, 3); err != nil || len(acts) != 0 || total != 5 {
			t.Errorf("behind the end: %v of %d: %v", acts, total, err)
		}
	})
}

// What happens to messages is counted per namespace without a command per
// message, and an ack counts once.
func TestTalliesAndSeries(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		now := at
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return now } })
		ctx := t.Context()
		var acks []push.Ack
		for i, platform := range client.Platforms {
			m := device(t, s, "/a", fmt.Sprint("u", i%2), platform, "n1", "r")
			acks = append(acks, push.Ack{Namespace: "/a", ClientID: m.ClientID, Platform: platform})
		}
		m := message("/a", "r")
		accept(t, s, m)
		for i := range acks {
			acks[i].MessageID = m.ID
		}
		check(t, s.Record(ctx, []push.ReceiptBatch{{MessageID: m.ID, Namespace: "/a", Delivered: 3, Acks: acks[:2]}}))
		check(t, s.Record(ctx, []push.ReceiptBatch{{MessageID: m.ID, Namespace: "/a", Acks: acks}, {MessageID: 99, Namespace: "/b", Delivered: 1, Acks: acks[:1]}}))
		check(t, s.tallies.flush(ctx))
		check(t, s.rooms.flush(ctx))

		list := must[[]console.Overview](t)(s.Overviews(ctx, []string{"/a", "/b"}, now))
		periods := func(n int64) console.Periods { return console.Periods{Minute: n, Hour: n, Day: n} }
		want := []console.Overview{
			{
				Time: now.UnixMilli(), Clients: 3, Users: 2, Rooms: 1, Total: 3, Platforms: console.Platforms{Web: 1, IOS: 1, Android: 1},
				Pushes: periods(1), Deliveries: periods(3), Acks: periods(3),
			},
			{Time: now.UnixMilli(), Deliveries: periods(1)}, // the message is gone, so are its acks
		}
		if !slices.Equal(list, want) {
			t.Errorf("overviews\n%+v\nwant\n%+v", list, want)
		}

		minute := now.Truncate(time.Minute)
		figures := must[[]console.Figures](t)(s.Figures(ctx, []string{"/a", "/b"}, minute))
		if !slices.Equal(figures, []console.Figures{{Clients: 3, Users: 2, Rooms: 1, Pushes: 1, Deliveries: 3, Acks: 3}, {Deliveries: 1}}) {
			t.Errorf("figures %+v", figures)
		}
		samples := map[string]console.Figures{"/a": figures[0], "/b": {}, console.Total: {Clients: 3, Acks: 1}}
		check(t, s.KeepFigures(ctx, minute, samples))
		check(t, s.KeepFigures(ctx, minute.Add(-61*time.Minute), samples))
		for ns, f := range samples {
			kept := must[[]*console.Figures](t)(s.KeptFigures(ctx, ns, minute.Add(-62*time.Minute), 64))
			for i, k := range kept {
				if (k != nil) != (i == 1 || i == 62) || (k != nil && *k != f) {
					t.Errorf("%s, minute %d: %+v", ns, i, k)
				}
			}
		}
		for _, key := range keysLeft(t, s) {
			if strings.Contains(key, ":s:") || strings.HasSuffix(key, ":r") {
				ttl := s.rdb.PTTL(ctx, s.opt.Prefix+key).Val()
				if b.mini == nil && at.After(time.Now()) && ttl <= 0 {
					t.Errorf("%s does not expire", key)
				}
			}
		}
	})
}

// The figure of a platform follows the devices through every way of coming and
// going.
func TestPlatformsOnline(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		platforms := func() console.Platforms {
			return must[[]console.Overview](t)(s.Overviews(ctx, []string{"/a"}, time.Now()))[0].Platforms
		}
		first := device(t, s, "/a", "u", client.IOS, "n1", "r")
		second := device(t, s, "/a", "u", client.IOS, "n2", "r") // took over
		web := device(t, s, "/a", "v", client.Web, "n1", "r")
		if got := platforms(); got != (console.Platforms{Web: 1, IOS: 1}) {
			t.Errorf("online %+v", got)
		}
		check(t, s.Release(ctx, first, []string{"r"}, client.ReasonNetwork, true)) // late: changes nothing
		check(t, s.Release(ctx, web, []string{"r"}, client.ReasonNetwork, true))
		check(t, s.Release(ctx, web, []string{"r"}, client.ReasonNetwork, true))
		if got := platforms(); got != (console.Platforms{IOS: 1}) {
			t.Errorf("online %+v", got)
		}
		check(t, s.Expel(ctx, []client.Member{second}, client.ReasonNetwork))
		if got := platforms(); got != (console.Platforms{}) {
			t.Errorf("online %+v", got)
		}
		if n := s.rdb.Exists(ctx, s.keys.namespace("/a").platforms).Val(); n != 0 {
			t.Error("an empty count is left")
		}
	})
}

// all reads every page of a list.
func all[T any](t *testing.T, read func(cursor string) (console.Page[T], error)) []T {
	t.Helper()
	var list []T
	cursor := ""
	for range 10_000 {
		p := must[console.Page[T]](t)(read(cursor))
		list = append(list, p.List...)
		if cursor = p.Cursor; cursor == "" {
			return list
		}
	}
	t.Fatal("the pages do not end")
	return nil
}

func TestBrowse(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		clock := at
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { clock = clock.Add(time.Millisecond); return clock } })
		ctx := t.Context()
		const devices = 60
		var ids []string
		for i := range devices {
			platform := client.Platforms[i%3]
			m := device(t, s, "/a", fmt.Sprintf("User%02d", i/2), platform, "n1", "all", fmt.Sprintf("room-%02d", i), fmt.Sprintf("user_User%02d", i/2))
			ids = append(ids, m.ClientID)
			if i%4 == 0 {
				check(t, s.Release(ctx, m, []string{"all", fmt.Sprintf("room-%02d", i), fmt.Sprintf("user_User%02d", i/2)}, client.ReasonNetwork, false))
			}
		}
		device(t, s, "/b", "User00", client.Web, "n1", "all", "secret")
		check(t, s.rooms.flush(ctx))
		br := console.NewBrowser(s, []string{client.Android})

		rooms := all(t, func(c string) (console.Page[console.Room], error) {
			return br.Rooms(ctx, console.Query{Namespace: "/a", Cursor: c, Size: 7})
		})
		if len(rooms) != 1+devices*3/4 || slices.ContainsFunc(rooms, func(r console.Room) bool { return r.Name == "secret" }) {
			t.Errorf("%d rooms", len(rooms))
		}
		rooms = all(t, func(c string) (console.Page[console.Room], error) {
			return br.Rooms(ctx, console.Query{Namespace: "/a", Q: "ROOM-1", Cursor: c, Size: 3})
		})
		if len(rooms) != 8 { // 10 … 19 without 12 and 16, whose devices are away
			t.Errorf("rooms with 1: %+v", rooms)
		}
		away := must[console.Page[console.Room]](t)(br.Rooms(ctx, console.Query{Namespace: "/a", Q: "room-04"}))
		if len(away.List) != 1 || away.List[0] != (console.Room{Name: "room-04", Total: console.Platforms{IOS: 1}}) {
			t.Errorf("a room whose device is away: %+v", away)
		}
		if p := must[console.Page[console.Room]](t)(br.Rooms(ctx, console.Query{Namespace: "/a", Q: "*"})); len(p.List) != 0 {
			t.Errorf("a star is no pattern: %+v", p)
		}

		members := all(t, func(c string) (console.Page[console.Member], error) {
			return br.Members(ctx, "all", console.Query{Namespace: "/a", Online: true, Cursor: c, Size: 7})
		})
		if len(members) != devices*3/4 || !members[0].Online || members[0].Since == 0 || members[0].UserID == "" {
			t.Errorf("%d online, the first %+v", len(members), members[0])
		}
		members = all(t, func(c string) (console.Page[console.Member], error) {
			return br.Members(ctx, "all", console.Query{Namespace: "/a", Cursor: c, Size: 7, Platform: client.IOS})
		})
		online := 0
		for _, m := range members {
			if m.Platform != client.IOS || m.UserID == "" || m.Online != (m.Since > 0) {
				t.Errorf("member %+v", m)
			}
			if m.Online {
				online++
			}
		}
		if len(members) != devices/3 || online != devices/3-5 {
			t.Errorf("%d members, %d online", len(members), online)
		}

		users := all(t, func(c string) (console.Page[console.User], error) {
			return br.Users(ctx, console.Query{Namespace: "/a", Q: "user0", Cursor: c, Size: 4})
		})
		if len(users) != 10 {
			t.Errorf("users %+v", users)
		}

		latest := all(t, func(c string) (console.Page[console.Device], error) {
			return br.Clients(ctx, console.Query{Namespace: "/a", Cursor: c, Size: 7})
		})
		slices.Reverse(latest)
		if len(latest) != devices {
			t.Fatalf("%d devices", len(latest))
		}
		for i, d := range latest {
			if d.ID != ids[i] || d.Online != (i%4 != 0) || d.Platform != client.Platforms[i%3] || d.LastConnect == 0 || (d.LastDisconnect != 0) != (i%4 == 0) {
				t.Errorf("device %d: %+v", i, d)
			}
		}
		for what, q := range map[string]struct {
			console.Query
			want int
		}{
			"platform":                 {console.Query{Platform: client.Web}, 20},
			"online":                   {console.Query{Online: true}, 45},
			"contains":                 {console.Query{Q: "#ios-"}, 20},
			"contains2":                {console.Query{Q: "USER03#"}, 2},
			"exact":                    {console.Query{Q: ids[5]}, 1},
			"exact, away, online only": {console.Query{Q: ids[4], Online: true}, 0},
			"exact, other platform":    {console.Query{Q: ids[4], Platform: client.Web}, 0},
			"user":                     {console.Query{User: "User02"}, 2},
			"user online":              {console.Query{User: "User02", Online: true}, 1},
			"nobody":                   {console.Query{User: "nobody"}, 0},
			"nothing":                  {console.Query{Q: "nothing"}, 0},
		} {
			q.Namespace, q.Size = "/a", 7
			list := all(t, func(c string) (console.Page[console.Device], error) {
				q.Cursor = c
				return br.Clients(ctx, q.Query)
			})
			if len(list) != q.want {
				t.Errorf("%s: %d devices, want %d: %+v", what, len(list), q.want, list)
			}
		}
		for _, cursor := range []string{"x", "0.0", "1.0.0", "-1.0.0", "0.0.-1", "00.0.0", "0.18446744073709551615.0"} {
			if _, err := br.Rooms(ctx, console.Query{Namespace: "/a", Cursor: cursor}); err != console.ErrCursor {
				t.Errorf("cursor %q: %v", cursor, err)
			}
		}
	})
}

func TestDevicePage(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		stream(t, s, "n1")
		m := device(t, s, "/a", "u", client.Android, "n1", "r", "q")
		check(t, s.ChangeMutes(ctx, "/a", m.ClientID, []string{"r"}, nil))
		now := time.Now()
		send := func(ns, room string) *push.Message {
			msg := message(ns, room)
			msg.SendDate, msg.ExpireAt, msg.LeaveMessage = now.UnixMilli(), now.Add(time.Hour).UnixMilli(), ptr(true)
			accept(t, s, msg)
			return msg
		}
		waiting, acked := send("/a", "r"), send("/a", "q")
		send("/a", "elsewhere")
		send("/b", "r")
		must[[]push.Placed](t)(s.Place(ctx, waiting, []string{m.ClientID}, 10))
		check(t, s.Settle(ctx, waiting.ID, push.Run{}, []push.Settled{{ClientID: m.ClientID, Fate: push.Fate{State: push.StateInbox, At: 5}}}))
		check(t, s.Record(ctx, []push.ReceiptBatch{{
			MessageID: acked.ID, Sent: acked.SendDate,
			Acks: []push.Ack{{MessageID: acked.ID, Namespace: "/a", ClientID: m.ClientID, Platform: client.Android, At: acked.SendDate + 42}},
		}}))
		check(t, s.rdb.ZAdd(ctx, s.keys.inbox("/a", m.ClientID), zMember(1, inbox.Key(4711, now.Add(time.Hour).UnixMilli()))).Err()) // its message is gone

		judge := func(record map[string]string, id string, mark push.Mark, since int64) (push.State, string, int64) {
			if id != m.ClientID || since != m.Gen || record["leaveMessage"] != "true" {
				t.Errorf("judged %v of %s since %d", record, id, since)
			}
			if mark.Acked {
				return push.StateAcked, "", mark.Times.Acked
			}
			return mark.Fate.State, mark.Fate.Detail, mark.Fate.At
		}
		br := console.NewBrowser(s, nil)
		p := must[console.DevicePage](t)(br.Device(ctx, "/a", m.ClientID, judge))
		if p.Record["userid"] != "u" || !p.Online || p.Node != "n1" || p.Since != m.Gen ||
			!slices.Equal(p.Rooms, []string{"q", "r"}) || !slices.Equal(p.Mutes, []string{"r"}) {
			t.Errorf("device %+v", p)
		}
		if want := []console.Waiting{{ID: fmt.Sprint(waiting.ID), Room: "r", SendDate: now.UnixMilli(), ExpireAt: waiting.ExpireAt}}; !slices.Equal(p.Inbox, want) {
			t.Errorf("inbox %+v", p.Inbox)
		}
		want := []console.Recent{
			{ID: fmt.Sprint(acked.ID), Room: "q", SendDate: now.UnixMilli(), State: push.StateAcked, At: now.UnixMilli() + 42},
			{ID: fmt.Sprint(waiting.ID), Room: "r", SendDate: now.UnixMilli(), State: push.StateInbox, At: 5},
		}
		if !slices.Equal(p.Recent, want) {
			t.Errorf("recent %+v", p.Recent)
		}
		if _, err := br.Device(ctx, "/b", m.ClientID, judge); err != client.ErrUnknown {
			t.Errorf("another namespace's device: %v", err)
		}

		for _, id := range []string{"/a#x#web-1"} {
			if err := s.KickDevice(ctx, "/a", id); err != client.ErrUnknown {
				t.Errorf("kick of an unknown device: %v", err)
			}
		}
		if err := s.KickDevice(ctx, "/b", m.ClientID); err != client.ErrUnknown {
			t.Errorf("kick of another namespace's device: %v", err)
		}
		before := s.rdb.XLen(ctx, bus.StreamKey(s.opt.Prefix, "n1")).Val()
		check(t, s.KickDevice(ctx, "/a", m.ClientID))
		entries := s.rdb.XRange(ctx, bus.StreamKey(s.opt.Prefix, "n1"), "-", "+").Val()
		if int64(len(entries)) != before+1 {
			t.Fatalf("%d entries", len(entries))
		}
		for _, value := range entries[len(entries)-1].Values {
			kick, err := bus.DecodeKick(value.(string))
			if err != nil || kick != (client.Kick{Namespace: "/a", ClientID: m.ClientID, Gen: m.Gen + 1}) {
				t.Errorf("kick %+v %v", kick, err)
			}
		}
		check(t, s.Release(ctx, m, []string{"r", "q"}, client.ReasonNetwork, false))
		check(t, s.KickDevice(ctx, "/a", m.ClientID)) // offline
		if n := s.rdb.XLen(ctx, bus.StreamKey(s.opt.Prefix, "n1")).Val(); n != before+1 {
			t.Errorf("a device that is offline was kicked")
		}
	})
}

func TestFindMessages(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		now := time.Now()
		for i := range 50 {
			m := message("/a", fmt.Sprint("r", i%2))
			m.SendDate, m.ExpireAt = int64(1000+i), now.Add(time.Hour).UnixMilli()
			m.PushData = fmt.Appendf(nil, `{"n":%d,"t":"Hello %d"}`, i, i)
			if i%5 == 0 {
				m.LeaveMessage, m.APNsName = ptr(true), ptr("p")
			}
			accept(t, s, m)
		}
		other := message("/b", "r0")
		other.ExpireAt = now.Add(time.Hour).UnixMilli()
		accept(t, s, other)
		ids := must[[]int64](t)(s.MessageIDs(ctx, "/a"))
		check(t, s.rdb.Del(ctx, s.keys.message(fmt.Sprint(ids[0]))).Err()) // expired
		for what, c := range map[string]struct {
			console.MessageQuery
			want int
		}{
			"all":     {console.MessageQuery{}, 49},
			"room":    {console.MessageQuery{Room: "r0"}, 25},
			"from":    {console.MessageQuery{From: 1040}, 9},
			"to":      {console.MessageQuery{To: 1009}, 10},
			"offline": {console.MessageQuery{Offline: ptr(true)}, 10},
			"online":  {console.MessageQuery{Offline: ptr(false)}, 39},
			"apns":    {console.MessageQuery{APNsName: "p"}, 10},
			"text":    {console.MessageQuery{Text: "hello 1"}, 11},
			"id":      {console.MessageQuery{ID: ids[3]}, 1},
			"foreign": {console.MessageQuery{ID: other.ID}, 0},
			"several": {console.MessageQuery{Room: "r0", Offline: ptr(true), Text: "Hello"}, 5},
		} {
			var last int64
			found := all(t, func(cursor string) (console.Page[map[string]string], error) {
				c.Namespace, c.Cursor, c.Size = "/a", cursor, 7
				list, next, err := console.Messages(ctx, s, c.MessageQuery)
				if len(list) > 7 {
					t.Errorf("%s: a page of %d", what, len(list))
				}
				return console.Page[map[string]string]{List: list, Cursor: next}, err
			})
			for _, record := range found {
				id := toInt(record["id"])
				if last != 0 && id >= last {
					t.Errorf("%s: %d behind %d", what, id, last)
				}
				last = id
			}
			if len(found) != c.want {
				t.Errorf("%s: %d messages, want %d", what, len(found), c.want)
			}
		}
	})
}

func TestHeartbeats(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		now := at.Truncate(time.Millisecond)
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return now } })
		ctx := t.Context()
		must[bool](t)(s.Beat(ctx, "c1", 15*time.Second))
		must[bool](t)(s.Beat(ctx, "silent", 15*time.Second))
		put := func(id, role string, ago time.Duration) {
			record := fmt.Sprintf(`{"id":%q,"role":%q,"at":%d,"lag":{"entries":2,"ms":3}}`, id, role, now.Add(-ago).UnixMilli())
			check(t, s.PutHeartbeat(ctx, id, []byte(record)))
		}
		put("c1", "connector", time.Second)
		put("l1", "logic", 4*time.Second)
		put("l2", "logic", time.Minute)
		put("l3", "logic", time.Hour)
		check(t, s.PutHeartbeat(ctx, "odd", []byte("{")))
		list := must[[]console.Heartbeat](t)(console.Nodes(ctx, s, now, 5*time.Second))
		var got []string
		for _, h := range list {
			got = append(got, fmt.Sprintf("%s %s %d %d", h.Role, h.ID, h.Lease, h.Lag.Entries))
		}
		want := []string{"connector c1 15000 2", "connector silent 15000 0", "logic l1 11000 2", "logic l2 0 2"}
		if !slices.Equal(got, want) {
			t.Errorf("nodes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if left := must[map[string][]byte](t)(s.Heartbeats(ctx)); len(left) != 3 {
			t.Errorf("%d records are left", len(left))
		}
	})
}

func TestRedisHealth(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		h := s.RedisHealth(t.Context())
		if !h.OK || h.Warnings == nil || h.Latency <= 0 {
			t.Errorf("health %+v", h)
		}
		if b.mini == nil && (h.Version == "" || h.UsedMemory == 0 || h.Policy == "" || h.ConnectedClients == 0 || h.Persistence == "") {
			t.Errorf("health %+v", h)
		}
	})
}
