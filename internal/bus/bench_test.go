package bus

import (
	"bytes"
	"testing"

	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
)

var (
	benchDelivery = push.Delivery{MessageID: 1234567, Namespace: "/demo", Room: "user_joe", Except: "/demo#joe#web-1", Payload: bytes.Repeat([]byte("x"), 250)}
	benchEvent    = room.Event{Namespace: "/demo", Room: "user_joe", Name: "peopleJoin", Payload: bytes.Repeat([]byte("x"), 60)}
)

// BenchmarkCodec is an entry of a node's stream, written and read.
func BenchmarkCodec(b *testing.B) {
	b.Run("encode delivery", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if len(EncodeDelivery(&benchDelivery)) < 250 {
				b.Fatal("cut")
			}
		}
	})
	b.Run("decode delivery", func(b *testing.B) {
		entry := string(EncodeDelivery(&benchDelivery))
		b.ReportAllocs()
		for b.Loop() {
			if d, err := DecodeDelivery(entry); err != nil || len(d.Payload) != 250 {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode event", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if len(EncodeEvent(&benchEvent)) < 60 {
				b.Fatal("cut")
			}
		}
	})
	b.Run("decode event", func(b *testing.B) {
		entry := string(EncodeEvent(&benchEvent))
		b.ReportAllocs()
		for b.Loop() {
			if e, err := DecodeEvent(entry); err != nil || len(e.Payload) != 60 {
				b.Fatal(err)
			}
		}
	})
}
