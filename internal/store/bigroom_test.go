package store

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
	"github.com/lightpush/lightpush/internal/store/redistest"
	"github.com/lightpush/lightpush/logic/offline"
	"github.com/lightpush/lightpush/logic/offline/provider"
)

// open tells the offline worker of one namespace.
type openNamespace struct{}

func (openNamespace) Ready() bool                  { return true }
func (openNamespace) Reload(context.Context) error { return nil }
func (openNamespace) Get(key string) (*namespace.Namespace, bool) {
	return &namespace.Namespace{Key: key}, true
}

// takesAll is a push service that takes everything.
type takesAll struct{ most int }

func (*takesAll) Name() string                                   { return "apns" }
func (*takesAll) Member() string                                 { return "apsData" }
func (*takesAll) MaxPayload() int                                { return 4096 }
func (p *takesAll) Open(string, string) (provider.Sender, error) { return p, nil }
func (*takesAll) Intro() string                                  { return "apnsEnv:dev  " }
func (p *takesAll) Send(_ context.Context, batch []provider.Notification) []provider.Result {
	p.most = max(p.most, len(batch))
	list := make([]provider.Result, len(batch))
	for i := range list {
		list[i].Outcome = provider.Sent
	}
	return list
}

// TestBigRoom decides about a room of many devices, half of each platform, and
// looks at what that asks of the server: no single command may occupy it for
// long, and the worker's memory must not grow with the room. LIGHTPUSH_ROOM
// sets the number of devices.
func TestBigRoom(t *testing.T) {
	devices := 20_000
	if set := os.Getenv("LIGHTPUSH_ROOM"); set != "" {
		n, err := strconv.Atoi(set)
		check(t, err)
		devices = n
	}
	r, err := redistest.StartServer("--slowlog-log-slower-than", "2000", "--slowlog-max-len", "10000")
	if err != nil {
		t.Skip(err)
	}
	defer r.Stop()
	b := &backend{name: "redis", options: Options{Addresses: r.Addresses, Prefix: "big:"}}
	s := b.open(t, nil)
	ctx := t.Context()
	for from := 0; from < devices; from += 1000 {
		pipe := s.rdb.Pipeline()
		for i := from; i < min(from+1000, devices); i++ {
			platform := []string{client.Android, client.IOS}[i%2]
			id := client.Identity{Namespace: "/a", UserID: fmt.Sprint("user-", i), Platform: platform, UUID: fmt.Sprint("device-", i)}.ID()
			pipe.HSet(ctx, s.keys.client("/a", id), "~gen", i+1, "device_token", "token")
			pipe.SAdd(ctx, s.keys.room("/a", "big").total(platform), id)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
	}
	m := kept("/a", "big")
	accept(t, s, m)
	check(t, s.rdb.SlowLogReset(ctx).Err())
	service := &takesAll{}
	h, err := offline.New(offline.Options{
		Store: s, Namespaces: openNamespace{}, Providers: provider.Set{client.IOS: service}, InboxPlatforms: []string{client.Android},
	})
	check(t, err)
	stop, most := watchHeap()
	start := time.Now()
	for range 2 { // the second time everything is decided
		check(t, h.Handle(ctx, queue.Job{ID: strconv.FormatInt(m.ID, 10)}))
		t.Logf("%d devices decided about in %s", devices, time.Since(start).Round(time.Millisecond))
		start = time.Now()
	}
	stop()
	slow, worst := slowest(t, s)
	t.Logf("longest command: %s (%d above 2 ms); heap at most %d MB above the beginning; %d notifications at once",
		worst, slow, most()>>20, service.most)
	record := recordOf(t, s, m.ID)
	if want := fmt.Sprint(devices / 2); record["apnsCount"] != want || record["apnsSuccessCount"] != want {
		t.Errorf("apnsCount %s, apnsSuccessCount %s, want %s", record["apnsCount"], record["apnsSuccessCount"], want)
	}
	if n := s.rdb.HLen(ctx, s.keys.fates(strconv.FormatInt(m.ID, 10))).Val(); n != int64(devices) {
		t.Errorf("%d fates", n)
	}
	// No promise on a busy machine, but far above any figure of a quiet one.
	if worst > 100*time.Millisecond || most() > 64<<20 || service.most > 1000 {
		t.Errorf("longest command %s, %d bytes of heap, %d notifications at once", worst, most(), service.most)
	}
}

// watchHeap samples the heap until stop; most is its greatest growth.
func watchHeap() (stop func(), most func() uint64) {
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	quit, done := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var top uint64
	go func() {
		defer close(done)
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-quit:
				tick.Stop()
				return
			case <-tick.C:
				runtime.ReadMemStats(&now)
				mu.Lock()
				top = max(top, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
				mu.Unlock()
			}
		}
	}()
	return func() { close(quit); <-done }, func() uint64 { mu.Lock(); defer mu.Unlock(); return top }
}

// slowest reads the slow log of the server.
func slowest(t *testing.T, s *Store) (n int, worst time.Duration) {
	t.Helper()
	list := must[[]redis.SlowLog](t)(s.rdb.SlowLogGet(t.Context(), 10_000).Result())
	for _, entry := range list {
		if strings.EqualFold(entry.Args[0], "slowlog") {
			continue
		}
		n++
		if entry.Duration > worst {
			worst = entry.Duration
			t.Logf("%s by %.60v…", entry.Duration, strings.Join(entry.Args, " "))
		}
	}
	return n, worst
}

// TestFiguresAtOnce: pushes, deliveries and acks of many callers at once, with
// repeats, against the truth: history, hour and day counters, ack counters.
func TestFiguresAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, func(o *Options) { o.HistoryMax = 1000 })
		ctx := t.Context()
		const callers, each, phones = 8, 25, 12
		var members []client.Member
		for i := range phones {
			members = append(members, device(t, s, "/a", fmt.Sprint("u", i), client.Platforms[i%3], "n1", "r"))
		}
		var mu sync.Mutex
		var ids []int64
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for range each {
					m := kept("/a", "r")
					if err := s.Accept(ctx, []*push.Message{m}); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					ids = append(ids, m.ID)
					mu.Unlock()
					for range 2 { // every ack twice, from two nodes
						batch := push.ReceiptBatch{MessageID: m.ID, Delivered: 1}
						for _, d := range members {
							batch.Acks = append(batch.Acks, push.Ack{MessageID: m.ID, Namespace: "/a", ClientID: d.ClientID, Platform: d.Platform})
						}
						if err := s.Record(ctx, []push.ReceiptBatch{batch}); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		all.Wait()
		const total = callers * each
		history := must[[]int64](t)(s.MessageIDs(ctx, "/a"))
		seen := map[int64]bool{}
		for i, id := range history {
			seen[id] = true
			if i > 0 && id >= history[i-1] {
				t.Fatalf("history is not newest first: %d behind %d", id, history[i-1])
			}
		}
		if len(history) != total || len(seen) != total || len(ids) != total {
			t.Errorf("%d in the history, %d distinct, %d accepted, want %d", len(history), len(seen), len(ids), total)
		}
		_, hour, day, err := s.Counters(ctx, "/a", time.Now())
		if err != nil || day != total || hour > total {
			t.Errorf("hour %d, day %d, %v, want %d", hour, day, err, total)
		}
		for _, id := range ids {
			r := recordOf(t, s, id)
			if r[push.FieldAck] != fmt.Sprint(phones) || r[push.FieldAckIOS] != fmt.Sprint(phones/3) ||
				r[push.FieldAckAndroid] != fmt.Sprint(phones/3) || r[push.FieldOnline] != "2" {
				t.Fatalf("message %d: %v", id, r)
			}
		}
		stats := must[queue.Stats](t)(s.Queues().Stats(ctx, queue.Offline))
		if stats.Waiting+stats.Ready != total {
			t.Errorf("%+v in the queue, want %d", stats, total)
		}
	})
}
