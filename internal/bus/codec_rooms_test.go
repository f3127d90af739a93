package bus

import (
	"reflect"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
)

var transfers = []room.Transfer{
	{},
	{Namespace: "/a", Target: "dst", Sources: []string{"src", "src2", "dst"}, Type: room.TransferJoin, Done: "t1"},
	{Namespace: "\x00", Target: "é", Sources: []string{""}, Type: "?", Clients: []string{"/a#b#web-c", strings.Repeat("c", 400)}},
}

var events = []room.Event{
	{Payload: []byte{}},
	{Namespace: "/a", Room: "r", Except: "/a#b#web-c", Name: "peopleJoin", Payload: []byte(`{"a":1}`)},
	{Namespace: "\xff", Room: "|{}", Name: "", Payload: []byte(strings.Repeat("x", 70_000))},
}

var directs = []push.Direct{
	{Payload: []byte{}},
	{Namespace: "/a", ClientID: "/a#b#ios-c", MessageID: 1 << 60, Payload: []byte(`{"id":1}`)},
	{Namespace: "\xff", ClientID: "|", MessageID: -1, Payload: []byte("null")},
}

var malformedLists = []string{
	"\x01\x00\x00\x00\x05\x00",                                     // more texts than bytes
	"\x01\x00\x00\x00\x91\x4e" + strings.Repeat("\x00", 10_001),    // more texts than allowed
	"\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", // a count beyond everything
	string(EncodeTransfer(&transfers[1])) + "x",
	string(EncodeEvent(&events[1])) + "\x00",
	string(EncodeDirect(&directs[1])) + "\x00",
}

func TestRoomCodecs(t *testing.T) {
	for _, v := range transfers {
		if got, err := DecodeTransfer(string(EncodeTransfer(&v))); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%+v: %v, %+v", v, err, got)
		}
	}
	for _, v := range events {
		if got, err := DecodeEvent(string(EncodeEvent(&v))); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%.200v: %v, %.200v", v, err, got)
		}
	}
	for _, v := range directs {
		if got, err := DecodeDirect(string(EncodeDirect(&v))); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%+v: %v, %+v", v, err, got)
		}
	}
	for i, s := range append(malformedLists, malformed[:9]...) {
		if v, err := DecodeTransfer(s); err != ErrEntry {
			t.Errorf("transfer %q: %v, %.200v", s[:min(len(s), 20)], err, v)
		}
		if i < 3 {
			continue // only lists are wrong there
		}
		if v, err := DecodeEvent(s); err != ErrEntry {
			t.Errorf("event %q: %v, %+v", s[:min(len(s), 20)], err, v)
		}
		if v, err := DecodeDirect(s); err != ErrEntry {
			t.Errorf("direct message %q: %v, %+v", s[:min(len(s), 20)], err, v)
		}
	}
}

// fuzzCodec holds that what is accepted has one encoding.
func fuzzCodec[T any](f *testing.F, seeds []T, encode func(*T) []byte, decode func(string) (T, error)) {
	for _, v := range seeds {
		f.Add(string(encode(&v)))
	}
	for _, s := range append(malformedLists, malformed...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := decode(s)
		if err == nil && string(encode(&v)) != s {
			t.Errorf("%q is also %q", s, encode(&v))
		}
	})
}

func FuzzTransfer(f *testing.F) { fuzzCodec(f, transfers, EncodeTransfer, DecodeTransfer) }
func FuzzEvent(f *testing.F)    { fuzzCodec(f, events, EncodeEvent, DecodeEvent) }
func FuzzDirect(f *testing.F)   { fuzzCodec(f, directs, EncodeDirect, DecodeDirect) }

// TestReaderKinds holds that all kinds of entries arrive in the order of the
// stream, and that a node which is gone is no error.
func TestReaderKinds(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		ctx := t.Context()
		sender := NewSender(connect(t, address), "", 1000)
		check(t, sender.Transfer(ctx, "n1", transfers[1]))
		check(t, sender.Event(ctx, "n1", events[1]))
		check(t, sender.Direct(ctx, "n1", directs[1]))
		rec := &recorder{}
		start(t, NewReader(connect(t, address), rec, ReaderOptions{Node: "n1", OnError: func(err error) { t.Error(err) }}))
		want := []any{directs[1], events[1], transfers[1], events[1], directs[1]}
		for _, v := range want {
			switch v := v.(type) {
			case room.Transfer:
				check(t, sender.Transfer(ctx, "n1", v))
			case room.Event:
				check(t, sender.Event(ctx, "n1", v))
			case push.Direct:
				check(t, sender.Direct(ctx, "n1", v))
			}
		}
		eventually(t, "everything arrives", func() bool {
			rec.mu.Lock()
			defer rec.mu.Unlock()
			return len(rec.order) == len(want)
		})
		if !reflect.DeepEqual(rec.order, want) {
			t.Errorf("%+v", rec.order)
		}
	})
}
