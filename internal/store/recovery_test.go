package store

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

// pidOf and sidOf make ids of the real length.
func pidOf(name string) string { return fmt.Sprintf("%-20s", "pid-"+name) }
func sidOf(name string) string { return fmt.Sprintf("%-20s", "sid-"+name) }

// connect claims and enters with a session.
func connect(t testing.TB, s *Store, m client.Member, session string, rooms ...string) client.Member {
	t.Helper()
	claim, err := s.Claim(t.Context(), m)
	check(t, err)
	if m.Gen = claim.Gen; session != "" {
		m.PID, m.SID = pidOf(session), sidOf(session)
	}
	check(t, s.Enter(t.Context(), m, rooms))
	return m
}

// TestSession holds what a claim says about the session it could continue.
func TestSession(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		now := time.Now()
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return now } })
		ctx := t.Context()
		member := client.Member{Namespace: "/a", ClientID: "c", UserID: "u", Platform: client.Web, Node: "n1"}
		claim := func() client.Claim {
			t.Helper()
			return must[client.Claim](t)(s.Claim(ctx, member))
		}
		want := func(what string, session string, m client.Member, alive time.Time) {
			t.Helper()
			expected := client.Session{}
			if session != "" {
				expected = client.Session{PID: pidOf(session), SID: sidOf(session), UserID: "u", Gen: m.Gen}
				if !alive.IsZero() {
					expected.Alive = alive.UnixMilli()
				}
			}
			c := claim()
			if c.Session != expected {
				t.Errorf("%s: %+v, want %+v", what, c.Session, expected)
			}
			if off := time.Until(time.UnixMilli(c.At)); off < -time.Second || off > time.Second {
				t.Errorf("claim at %v", off)
			}
		}
		rooms := func(session client.Session, expected ...string) {
			t.Helper()
			got, _, err := s.Session(ctx, member, client.Claim{Session: session})
			check(t, err)
			slices.Sort(got)
			if !slices.Equal(got, expected) {
				t.Errorf("rooms %v, want %v", got, expected)
			}
		}
		want("never seen", "", member, time.Time{})
		first := connect(t, s, member, "one", "user_u", "r")
		check(t, s.Join(ctx, first, []string{"s", "t"}))
		check(t, s.Leave(ctx, first, []string{"t"}))
		want("connected", "one", first, time.Time{}) // claims change nothing
		want("connected, claimed again", "one", first, time.Time{})
		rooms(client.Session{Gen: first.Gen}, "r", "s", "user_u")

		check(t, s.Release(ctx, first, []string{"user_u", "r", "s"}, client.ReasonNetwork, true))
		released := now
		now = now.Add(2*time.Minute - time.Second)
		want("released", "one", first, released)
		rooms(client.Session{Gen: first.Gen}, "r", "s", "user_u")
		now = now.Add(2 * time.Second)
		want("expired", "", first, time.Time{})

		// The session belongs to the newest that entered; rooms of an
		// earlier one are not its own, and its late end harms nobody.
		second := connect(t, s, member, "two", "user_u", "q")
		rooms(client.Session{Gen: second.Gen}, "q", "user_u")
		check(t, s.Release(ctx, first, []string{"user_u"}, client.ReasonNetwork, true))
		check(t, s.Release(ctx, first, []string{"user_u"}, client.ReasonNetwork, false))
		check(t, s.Expel(ctx, []client.Member{first}, client.ReasonNetwork))
		want("after late ends", "two", second, time.Time{})
		check(t, s.Release(ctx, second, []string{"user_u", "q"}, client.ReasonNetwork, false))
		want("left on purpose", "", second, time.Time{})

		// A dead node's sessions hold from the sweep on, and say when it was
		// alive.
		third := connect(t, s, member, "three", "user_u")
		lease := now.Add(15 * time.Second)
		_, err := s.Beat(ctx, "n1", 15*time.Second)
		check(t, err)
		if _, alive, err := s.Session(ctx, member, client.Claim{
			Prev: client.Holder{Node: "n1"}, Session: client.Session{Gen: third.Gen},
		}); err != nil || alive != lease.UnixMilli() {
			t.Errorf("alive until %d, %v", alive, err)
		}
		now = now.Add(10 * time.Minute)
		want("dead and not swept", "three", third, time.Time{})
		check(t, s.Expel(ctx, []client.Member{third}, client.ReasonNetwork))
		now = now.Add(time.Minute)
		want("swept", "three", third, lease)
		now = now.Add(time.Minute + time.Second)
		want("swept and expired", "", third, time.Time{})

		// A client without pid ends what was before.
		connect(t, s, member, "four", "user_u")
		plain := connect(t, s, member, "", "user_u")
		want("a client without pid", "", plain, time.Time{})
		check(t, s.Release(ctx, plain, []string{"user_u"}, client.ReasonNetwork, true))
		want("a client without pid, released", "", plain, time.Time{})
		if record := s.rdb.HGetAll(ctx, s.keys.client("/a", "c")).Val(); record["~s"] != "" || record["~u"] != "" {
			t.Errorf("record %v", record)
		}
	})
}

// TestSessionOneWinner holds that of many connections that continue one
// session at once only the newest claim enters.
func TestSessionOneWinner(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		member := client.Member{Namespace: "/a", ClientID: "c", UserID: "u", Platform: client.Web, Node: "n1"}
		first := connect(t, s, member, "one", "r")
		check(t, s.Release(t.Context(), first, []string{"r"}, client.ReasonNetwork, true))
		const attempts = 10
		claims := make([]client.Claim, attempts)
		for i := range claims {
			claims[i] = must[client.Claim](t)(s.Claim(t.Context(), member))
		}
		errs := make([]error, attempts)
		var wg sync.WaitGroup
		for i, c := range claims {
			if c.Session.PID != pidOf("one") {
				t.Errorf("claim %d: %+v", i, c)
			}
			wg.Go(func() {
				m := member
				m.Gen, m.PID, m.SID = c.Gen, c.Session.PID, c.Session.SID
				errs[i] = s.Enter(t.Context(), m, []string{"r"})
			})
		}
		wg.Wait()
		for i, err := range errs {
			if last := i == attempts-1; (err == nil) != last || (!last && !errors.Is(err, client.ErrSuperseded)) {
				t.Errorf("attempt %d: %v", i, err)
			}
		}
	})
}

// TestMissed holds which messages a device gets at its return.
func TestMissed(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, func(o *Options) { o.RecoveryLag = time.Minute })
		ctx := t.Context()
		accept := func(msgs ...*push.Message) {
			t.Helper()
			check(t, s.Accept(ctx, msgs))
		}
		special := func(room string, change func(*push.Message)) *push.Message {
			m := message("/a", room)
			change(m)
			return m
		}
		start := must[client.Claim](t)(s.Claim(ctx, client.Member{Namespace: "/a", ClientID: "x", Node: "n"}))
		accept(message("/a", "r"), message("/a", "q"), message("/b", "r")) // 1 2 3
		accept(
			special("r", func(m *push.Message) { m.Except = ptr("c") }),              // 4
			special("r", func(m *push.Message) { m.Except = ptr("d") }),              // 5
			special("r", func(m *push.Message) { m.Extra = ptr("lost") }),            // 6
			special("s", func(m *push.Message) { m.PushData = []byte(`{"x":"é"}`) }), // 7
		)
		accept(special("r", func(m *push.Message) { m.ExpireAt = time.Now().Add(-time.Second).UnixMilli() })) // 8
		accept(message("/a", "r"))                                                                            // 9
		query := func(offset string) push.MissedQuery {
			return push.MissedQuery{Namespace: "/a", ClientID: "c", Rooms: []string{"r", "s"}, Offset: offset, MessagesMax: 100, BytesMax: 1 << 20}
		}
		ids := func(list []push.Delivery) (ids []int64) {
			for _, d := range list {
				ids = append(ids, d.MessageID)
			}
			return ids
		}
		for _, c := range []struct {
			offset string
			want   []int64
			err    error
		}{
			{push.TimeOffset(start.At), []int64{1, 5, 7, 9}, nil},
			{"1", []int64{5, 7, 9}, nil},
			{"2", []int64{5, 7, 9}, nil},
			{"3", nil, push.ErrUnreachable}, // of another namespace
			{"5", []int64{7, 9}, nil},
			{"7", []int64{9}, nil},
			{"9", nil, nil},
			{"10", nil, push.ErrUnreachable},
			{"", nil, push.ErrUnreachable},
			{"x", nil, push.ErrUnreachable},
			{push.TimeOffset(start.At - time.Hour.Milliseconds()), nil, push.ErrUnreachable},
			{push.TimeOffset(start.At + time.Hour.Milliseconds()), nil, push.ErrUnreachable},
		} {
			got, err := s.Missed(ctx, query(c.offset))
			if !errors.Is(err, c.err) || !slices.Equal(ids(got), c.want) {
				t.Errorf("after %q: %v, %v, want %v, %v", c.offset, ids(got), err, c.want, c.err)
			}
		}
		got := must[[]push.Delivery](t)(s.Missed(ctx, query("5")))
		want := push.Delivery{
			MessageID: 7, Namespace: "/a", Room: "s",
			Payload: fmt.Appendf(nil, `{"id":7,"namespace":"/a","room":"s","pushData":{"x":"é"},"sendDate":%d}`, at.UnixMilli()),
		}
		if !reflect.DeepEqual(got[0], want) {
			t.Errorf("got %+v\nwant %+v", got[0], want)
		}
		q := query("1")
		q.MessagesMax = 3 // the expired one counts
		if _, err := s.Missed(ctx, q); !errors.Is(err, push.ErrUnreachable) {
			t.Errorf("more than allowed: %v", err)
		}
		q.MessagesMax, q.BytesMax = 10, 100
		if _, err := s.Missed(ctx, q); !errors.Is(err, push.ErrUnreachable) {
			t.Errorf("more bytes than allowed: %v", err)
		}
		// What is accepted now is seen by the next question.
		accept(message("/a", "r")) // 10
		if got := ids(must[[]push.Delivery](t)(s.Missed(ctx, query("9")))); !slices.Equal(got, []int64{10}) {
			t.Errorf("missed %v", got)
		}
		// An offset that was trimmed away: only the time can tell.
		key := s.keys.namespace("/a").log
		check(t, s.rdb.XTrimMaxLen(ctx, key, 1).Err())
		s = b.open(t, func(o *Options) { o.RecoveryLag, o.Prefix = time.Minute, s.opt.Prefix }) // has read nothing yet
		q = query("1")
		if _, err := s.Missed(ctx, q); !errors.Is(err, push.ErrUnreachable) {
			t.Errorf("trimmed: %v", err)
		}
		q.Alive = time.Now().Add(time.Minute).UnixMilli()
		if got := ids(must[[]push.Delivery](t)(s.Missed(ctx, q))); !slices.Equal(got, []int64{10}) {
			t.Errorf("missed since alive: %v", got)
		}
		q.Alive = time.Now().Add(-time.Hour).UnixMilli()
		if _, err := s.Missed(ctx, q); !errors.Is(err, push.ErrUnreachable) {
			t.Errorf("alive long ago: %v", err)
		}
		if ttl := s.rdb.PTTL(ctx, key).Val(); ttl < 2*time.Minute || ttl > 5*time.Minute {
			t.Errorf("the log lives for %v", ttl)
		}
		// Entries of a version to come.
		check(t, s.rdb.XAdd(ctx, &redis.XAddArgs{Stream: key, Values: []any{"m", "\x09new"}}).Err())
		if _, err := s.Missed(ctx, query("10")); !errors.Is(err, push.ErrUnreachable) {
			t.Errorf("an entry of another version: %v", err)
		}
	})
}

// TestMissedConcurrently holds that questions that come together share reads
// and each sees what was accepted before it.
func TestMissedConcurrently(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		first := message("/a", "r")
		check(t, s.Accept(t.Context(), []*push.Message{first}))
		var wg sync.WaitGroup
		var order sync.Mutex // the messages of one process are accepted one after the other
		for range 8 {
			wg.Go(func() {
				for range 20 {
					m := message("/a", "r")
					order.Lock()
					err := s.Accept(t.Context(), []*push.Message{m})
					order.Unlock()
					if err != nil {
						t.Error(err)
						return
					}
					got, err := s.Missed(t.Context(), push.MissedQuery{
						Namespace: "/a", Rooms: []string{"r"}, Offset: push.MessageOffset(first.ID), MessagesMax: 1000, BytesMax: 1 << 20,
					})
					if err != nil || !slices.ContainsFunc(got, func(d push.Delivery) bool { return d.MessageID == m.ID }) {
						t.Errorf("message %d is not among %d, %v", m.ID, len(got), err)
					}
				}
			})
		}
		wg.Wait()
	})
}

// TestAcceptLateNode holds that a node which comes to hold a room while a
// message is being accepted gets it.
func TestAcceptLateNode(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		stream(t, s, "n1")
		stream(t, s, "n2")
		device(t, s, "/a", "u", client.Web, "n1", "r")
		m := message("/a", "r")
		batch := []*push.Message{m, message("/a", "r")}
		batch[1].Extra = ptr("lost")
		nodes, _, err := s.prepare(t.Context(), batch)
		check(t, err)
		device(t, s, "/a", "v", client.Web, "n2", "r")
		checks := s.indexOps(batch)
		check(t, s.run(t.Context(), checks.ops...))
		check(t, s.deliverLate(t.Context(), batch, nodes, checks))
		if got := entries(t, s, "n1"); len(got) != 0 {
			t.Errorf("n1 got it again: %v", got)
		}
		if got := entries(t, s, "n2"); len(got) != 1 || got[0].MessageID != m.ID {
			t.Errorf("n2 got %v", got)
		}
	})
}

// view is a log for the tests of what it says: each batch is origin, time of
// commit, time before and ids.
func view(since int64, batches ...*logBatch) *logView {
	return &logView{batches: batches, since: since, now: 100_000, overlap: overlapSlack}
}

func batch(origin uint64, at, prepared int64, ids ...int64) *logBatch {
	b := &logBatch{origin: origin, at: at, prepared: prepared * 1000}
	for _, id := range ids {
		b.messages = append(b.messages, logMessage{id: id, room: "r"})
	}
	return b
}

// TestLogOrder holds what may have been missed when processes commit at the
// same time.
func TestLogOrder(t *testing.T) {
	long := []*logBatch{
		batch(1, 50_000, 49_999, 1, 2), batch(2, 50_010, 50_009, 3), batch(1, 51_000, 50_990, 4, 5),
		batch(2, 51_002, 51_001, 6), batch(1, 51_010, 51_009, 8), batch(2, 51_011, 51_008, 7), batch(1, 52_000, 51_999, 9),
	}
	for _, c := range []struct {
		what    string
		view    *logView
		id      int64
		alive   int64
		want    []int64
		refused bool
	}{
		{"the end", view(0, long...), 9, 0, nil, false},
		{"within a batch", view(0, long...), 4, 0, []int64{5, 6, 8, 7, 9}, false},
		{"one process before another", view(0, long...), 3, 0, []int64{1, 2, 4, 5, 6, 8, 7, 9}, false},
		{"committed in turn", view(0, long...), 5, 0, []int64{6, 8, 7, 9}, false},
		{"the other one has gone on since", view(0, long...), 8, 0, []int64{7, 9}, false},
		{"the other one's last batch may not be complete", view(0, long[2:5]...), 8, 0, []int64{6}, false},
		{"the other one went on, but at the same time", view(0, long...), 7, 0, []int64{4, 5, 8, 9}, false},
		{"of another namespace", view(0, long...), 10, 0, nil, true},
		{"trimmed, alive within", view(50_500, long[2:]...), 1, 50_900, []int64{4, 5, 6, 8, 7, 9}, false},
		{"trimmed, alive later", view(50_500, long[2:]...), 1, 51_005, []int64{8, 7, 9}, false},
		{"trimmed, alive before", view(50_500, long[2:]...), 1, 50_400, nil, true},
		{"trimmed, nobody knows", view(50_500, long[2:]...), 1, 0, nil, true},
		{"the neighbours are trimmed", view(51_000, long[2:]...), 4, 0, nil, true},
		{"nothing was pushed", view(40_000), 1, 60_000, nil, false},
		{"nothing is known", view(70_000), 1, 60_000, nil, true},
	} {
		f := filter{client: "c", rooms: map[string]struct{}{"r": {}}}
		ok := c.view.afterMessage(&f, c.id, c.alive)
		if ok == c.refused || (ok && !slices.Equal(f.ids, c.want)) {
			t.Errorf("%s, after %d: %v, %v, want %v", c.what, c.id, f.ids, ok, c.want)
		}
	}
}

func TestLogCodec(t *testing.T) {
	for _, b := range []*logBatch{
		batch(1<<64-1, 0, 1_700_000_000_000, 1),
		{origin: 7, prepared: 5, messages: []logMessage{{1 << 62, "room", "/demo#u#web-1"}, {1<<62 + 1, "", "\x00\n|"}}},
	} {
		text := string(encodeLog(b))
		got, err := decodeLog(text)
		if err != nil || !reflect.DeepEqual(got, b) {
			t.Errorf("got %+v, %v, want %+v", got, err, b)
		}
		for i := range len(text) {
			if _, err := decodeLog(text[:i]); err == nil {
				t.Errorf("the first %d bytes are an entry", i)
			}
		}
	}
	for _, bad := range []string{"", "\x01", "\x02\x01\x01\x01\x01\x00\x00", "\x01\x01\x01\x00", "\x01\x01\x01\x01\x00\x00\x00", "\x01\x01\x01\x01\x01\x00\x00x",
		"\x01\x01\x01" + strings.Repeat("\xff", 10)} {
		if _, err := decodeLog(bad); err == nil {
			t.Errorf("%q is an entry", bad)
		}
	}
}

func FuzzDecodeLog(f *testing.F) {
	f.Add(string(encodeLog(batch(1, 0, 5, 1, 2, 9))))
	f.Add(string(encodeLog(&logBatch{origin: 7, prepared: 5, messages: []logMessage{{3, "room", "c"}}})))
	f.Add("\x01\x01\x01\xff\xff\xff\xff\x7f")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := decodeLog(text)
		if err != nil {
			return
		}
		for i, m := range b.messages {
			if m.id <= 0 || (i > 0 && m.id <= b.messages[i-1].id) {
				t.Fatalf("ids %+v", b.messages)
			}
		}
		again, err := decodeLog(string(encodeLog(b)))
		if err != nil || !reflect.DeepEqual(again, b) {
			t.Fatalf("%+v comes back as %+v, %v", b, again, err)
		}
	})
}
