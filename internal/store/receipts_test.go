package store

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

func TestReceipts(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		web := device(t, s, "/a", "u", client.Web, "n1", "r")
		ios := device(t, s, "/a", "u", client.IOS, "n1", "r")
		android := device(t, s, "/a", "u", client.Android, "n1", "r")
		msg := message("/a", "r")
		msg.Except = ptr("nobody")
		check(t, s.Accept(ctx, []*push.Message{msg}))
		target := must[[]push.Target](t)(s.Targets(ctx, []int64{msg.ID, 77}))
		if target[0] != (push.Target{Namespace: "/a", Room: "r", Except: "nobody", SendDate: msg.SendDate, ExpireAt: msg.ExpireAt}) || target[1].Namespace != "" {
			t.Errorf("targets %+v", target)
		}

		ack := func(m client.Member) push.Ack {
			return push.Ack{MessageID: msg.ID, Namespace: m.Namespace, ClientID: m.ClientID, Platform: m.Platform}
		}
		// Disconnected devices stay members, those that left do not.
		check(t, s.Release(ctx, ios, []string{"r"}, client.ReasonNetwork, true))
		check(t, s.Leave(ctx, android, []string{"r"}))
		foreign := ack(web)
		foreign.Namespace = "/b"
		members := must[[]bool](t)(s.Members(ctx,
			[]push.Ack{ack(web), ack(ios), ack(android), foreign, ack(web)}, []string{"r", "r", "r", "r", "other"}))
		if !slices.Equal(members, []bool{true, true, false, false, false}) {
			t.Errorf("members %v", members)
		}

		batches := []push.ReceiptBatch{
			{MessageID: msg.ID, Delivered: 3, Acks: []push.Ack{ack(web), ack(ios), ack(web), ack(android)}},
			{MessageID: 4711, Delivered: 1, Acks: []push.Ack{ack(web)}},
		}
		check(t, s.Record(ctx, batches))
		batches[0].Delivered = 0
		check(t, s.Record(ctx, batches)) // every ack again
		check(t, s.Record(ctx, []push.ReceiptBatch{{MessageID: msg.ID, Delivered: 2}}))
		record := must[[]map[string]string](t)(s.Records(ctx, []int64{msg.ID, 4711}))
		for field, want := range map[string]string{
			push.FieldOnline: "5", push.FieldAck: "3", push.FieldAckIOS: "1", push.FieldAckAndroid: "1"} {
			if record[0][field] != want {
				t.Errorf("%s is %s, want %s", field, record[0][field], want)
			}
		}
		if record[1] != nil {
			t.Errorf("an unknown message came to be: %v", record[1])
		}
		for _, m := range []client.Member{web, ios, android} {
			list, full, err := s.Acked(ctx, msg.ID, m.Platform, 10)
			if err != nil || full || !slices.Equal(list, []string{m.ClientID}) {
				t.Errorf("acked on %s: %v %v %v", m.Platform, list, full, err)
			}
		}
		if list, full, err := s.Acked(ctx, msg.ID, client.Web, 1); err != nil || !full || len(list) != 0 {
			t.Errorf("acked at the limit: %v %v %v", list, full, err)
		}
	})
}

// TestReceiptsInBulk takes more acks than one command carries.
func TestReceiptsInBulk(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		msg := message("/a", "r")
		check(t, s.Accept(ctx, []*push.Message{msg}))
		const n = 2*ackChunk + 10
		batch := push.ReceiptBatch{MessageID: msg.ID, Delivered: n}
		rooms := make([]string, n)
		for i := range n {
			rooms[i] = "r"
			batch.Acks = append(batch.Acks, push.Ack{
				MessageID: msg.ID, Namespace: "/a", ClientID: fmt.Sprintf("/a#u%d#web-1", i), Platform: client.Web})
		}
		check(t, s.rdb.SAdd(ctx, s.keys.room("/a", "r").total(client.Web), batch.Acks[n-1].ClientID).Err())
		members := must[[]bool](t)(s.Members(ctx, batch.Acks, rooms))
		if slices.Index(members, true) != n-1 {
			t.Errorf("the member is at %d", slices.Index(members, true))
		}
		check(t, s.Record(ctx, []push.ReceiptBatch{batch, batch}))
		record := must[[]map[string]string](t)(s.Records(ctx, []int64{msg.ID}))[0]
		if record[push.FieldAck] != fmt.Sprint(n) || record[push.FieldOnline] != fmt.Sprint(2*n) {
			t.Errorf("record %v", record)
		}
	})
}
