package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
	"github.com/lightpush/lightpush/internal/store/redistest"
)

// TestSizing measures what Redis holds for a client, a membership and a message: the table of doc/redis.md. It fails
// only when something has become much larger. With LIGHTPUSH_RING=redis it takes enough of each for exact figures.
func TestSizing(t *testing.T) {
	for _, listpack := range []string{"64", "1024"} {
		t.Run("hash-max-listpack-value "+listpack, func(t *testing.T) { sizing(t, listpack) })
	}
}

func sizing(t *testing.T, listpack string) {
	r, err := redistest.StartServer("--hash-max-listpack-value", listpack)
	if errors.Is(err, redistest.ErrMissing) {
		t.Skip(err)
	}
	check(t, err)
	t.Cleanup(r.Stop)
	s := must[*Store](t)(Open(t.Context(), Options{Addresses: r.Addresses, RecoveryWindow: 2 * time.Minute, OfflineDelay: time.Hour}))
	t.Cleanup(func() { _ = s.Close() })
	used := func() float64 {
		t.Helper()
		info, err := infoSection(t.Context(), s.rdb, "memory")
		check(t, err)
		n, err := strconv.ParseFloat(info["used_memory"], 64)
		check(t, err)
		return n
	}
	must[bool](t)(s.Beat(t.Context(), "connector-1a2b3c4d", time.Hour))
	measure := func(what string, n int, most float64, do func(i int)) {
		t.Helper()
		before := used()
		for i := range n {
			do(i)
		}
		check(t, s.rooms.flush(t.Context()))
		each := (used() - before) / float64(n)
		t.Logf("%-52s %6.0f bytes", what, each)
		if each > most {
			t.Errorf("%s: %.0f bytes, more than %.0f", what, each, most)
		}
	}
	clients, messages := 2_000, 500 // clients: 600 more than messages, at least
	if os.Getenv(ringVariable) == "redis" {
		clients, messages = 20_000, 5_000
	}
	members := make([]client.Member, clients)
	measure("client online, in the room of its user", clients, 4000, func(i int) {
		m := client.Member{
			Namespace: "/demo", ClientID: fmt.Sprintf("/demo#user%07d#android-9b2f6c1e-%012d", i, i), UserID: fmt.Sprintf("user%07d", i),
			Platform: client.Android, Node: "connector-1a2b3c4d", PID: strings.Repeat("p", 20), SID: strings.Repeat("s", 20),
		}
		m.Gen = must[client.Claim](t)(s.Claim(t.Context(), m)).Gen
		check(t, s.Enter(t.Context(), m, []string{room.ForUser(m.UserID)}))
		members[i] = m
	})
	measure("membership of a large room", clients, 800, func(i int) {
		check(t, s.Join(t.Context(), members[i], []string{"everybody"}))
	})
	measure("membership of a room of 20", clients, 1200, func(i int) {
		check(t, s.Join(t.Context(), members[i], []string{fmt.Sprintf("group%d", i/20)}))
	})
	leave := true
	message := func(text string, leaveMessage *bool, room string) func(int) {
		return func(i int) {
			m := &push.Message{
				Namespace: "/demo", Room: strings.ReplaceAll(room, "#", fmt.Sprintf("%07d", i%clients)), PushData: json.RawMessage(`{"text":"` + text + `"}`), Expire: "1",
				SendDate: time.Now().UnixMilli(), ExpireAt: time.Now().Add(time.Hour).UnixMilli(), LeaveMessage: leaveMessage,
			}
			check(t, s.Accept(t.Context(), []*push.Message{m}))
		}
	}
	measure("message of 40 bytes, stream entry not counted", messages, 2000, message(strings.Repeat("x", 29), nil, "nobody"))
	measure("message of 200 bytes, stream entry not counted", messages, 3000, message(strings.Repeat("x", 189), nil, "nobody"))
	measure("message of 1000 bytes, stream entry not counted", messages, 4000, message(strings.Repeat("x", 989), nil, "nobody"))
	measure("the same of 200 bytes with leaveMessage", messages, 4000, message(strings.Repeat("x", 189), &leave, "nobody"))
	sent := time.Now().UnixMilli()
	ack := func(id int64, i int) {
		check(t, s.Record(t.Context(), []push.ReceiptBatch{{MessageID: id, Namespace: "/demo", Sent: sent, Acks: []push.Ack{{
			MessageID: id, Namespace: "/demo", ClientID: members[i].ClientID, Platform: client.Android, At: sent + int64(i%5_000),
		}}}}))
	}
	message("", nil, "everybody")(0)
	latest := must[[]int64](t)(s.MessageIDs(t.Context(), "/demo"))[0]
	// All of one message, as in a broadcast: the first few hundred devices are in a form of less memory.
	for i := range 600 {
		ack(latest, i)
	}
	measure("ack of a broadcast, with its time", messages, 400, func(i int) { ack(latest, 600+i) })
	first := latest - int64(messages)
	measure("the only ack of a message, with its time", messages/2, 800, func(i int) { ack(first+int64(i), i) })
	measure("a node has written a message", messages/2, 400, func(i int) {
		check(t, s.Record(t.Context(), []push.ReceiptBatch{{
			MessageID: first + int64(i), Namespace: "/demo", Delivered: 1, Node: "connector-1a2b3c4d", First: sent + 3, Last: sent + 3,
		}}))
	})
	for i := range members {
		check(t, s.Release(t.Context(), members[i], []string{room.ForUser(members[i].UserID), "everybody", fmt.Sprintf("group%d", i/20)}, client.ReasonNetwork, true))
	}
	check(t, s.rooms.flush(t.Context()))
	t.Logf("%d clients offline, %d messages: %.1f MB", clients, 4*messages, used()/1e6)
}
