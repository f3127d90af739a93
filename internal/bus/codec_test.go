package bus

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

var deliveries = []push.Delivery{
	{Payload: []byte{}},
	{MessageID: 1, Namespace: "/demo", Room: "user_1", Payload: []byte(`{"id":1}`)},
	{MessageID: math.MaxInt64, Namespace: "/a", Room: strings.Repeat("r", 400), Except: "/a#b#web-c", Payload: bytes.Repeat([]byte("x"), 70_000)},
	{MessageID: math.MinInt64, Namespace: "\x00", Room: "|{}", Except: "é", Payload: []byte("null")},
}

var kicks = []client.Kick{
	{},
	{Namespace: "/a", ClientID: "/a#b#ios-c", Gen: 1_800_000_000_000},
	{Namespace: "\xff", ClientID: "|", Gen: -1},
}

var malformed = []string{
	"", "\x00", "\x02", "\x01", "\x01\x02", "\x01\x02\x05ab", "\x01\x80",
	"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",     // a number of more than 64 bits
	"\x01\x82\x00\x00\x00\x00\x00",                         // a number that is padded
	"\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01abcd", // a length beyond everything
	"\x01\x02\x81\x20" + strings.Repeat("n", 4097) + "\x00\x00\x00",
	string(EncodeDelivery(&deliveries[1])) + "x",
	string(EncodeKick(kicks[1])) + "\x00",
}

func TestDeliveryCodec(t *testing.T) {
	for _, d := range deliveries {
		got, err := DecodeDelivery(string(EncodeDelivery(&d)))
		if err != nil || !reflect.DeepEqual(got, d) {
			t.Errorf("message %d: %v, %+v", d.MessageID, err, got)
		}
	}
}

func TestKickCodec(t *testing.T) {
	for _, k := range kicks {
		if got, err := DecodeKick(string(EncodeKick(k))); err != nil || got != k {
			t.Errorf("%+v: %v, %+v", k, err, got)
		}
	}
}

func TestMalformedEntries(t *testing.T) {
	for _, s := range malformed {
		if d, err := DecodeDelivery(s); err != ErrEntry {
			t.Errorf("delivery %q: %v, %+v", s[:min(len(s), 20)], err, d)
		}
		if k, err := DecodeKick(s); err != ErrEntry {
			t.Errorf("kick %q: %v, %+v", s[:min(len(s), 20)], err, k)
		}
	}
}

func FuzzDelivery(f *testing.F) {
	for _, d := range deliveries {
		f.Add(string(EncodeDelivery(&d)))
	}
	for _, s := range malformed {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := DecodeDelivery(s)
		if err == nil && string(EncodeDelivery(&d)) != s {
			t.Errorf("%q is also %q", s, EncodeDelivery(&d))
		}
	})
}

func FuzzKick(f *testing.F) {
	for _, k := range kicks {
		f.Add(string(EncodeKick(k)))
	}
	for _, s := range malformed {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := DecodeKick(s)
		if err == nil && string(EncodeKick(k)) != s {
			t.Errorf("%q is also %q", s, EncodeKick(k))
		}
	})
}

func TestIDOrder(t *testing.T) {
	ids := []string{"0-0", "0-1", "5-1", "5-10", "10-0", "18446744073709551615-1"}
	for i, a := range ids {
		for j, b := range ids {
			if less(a, b) != (i < j) {
				t.Errorf("%s < %s is %v", a, b, less(a, b))
			}
		}
	}
}
