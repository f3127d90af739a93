package engineio

import (
	"bytes"
	"strings"
	"testing"
)

// benchEvent is the content of a usual message.
var benchEvent = `2/demo,17["push",{"id":1234567,"room":"user_100042","pushData":{"title":"` + strings.Repeat("x", 60) + `"}}]`

// BenchmarkPacketDecode is the decoding of what a client has brought: one
// packet of a WebSocket, and a polling payload of ten.
func BenchmarkPacketDecode(b *testing.B) {
	ten := make([]*Message, 10)
	for i := range ten {
		ten[i] = TextMessage([]byte(benchEvent))
	}
	mixed := append([]*Message{BinaryMessage([]byte(benchEvent))}, ten[1:]...)
	for _, bm := range []struct {
		name    string
		body    []byte
		packets int
		decode  func([]byte, func(packet) error) error
	}{
		{"v4 packet", []byte("4" + benchEvent), 1, one(V4, parseText)},
		{"v3 packet", []byte("4" + benchEvent), 1, one(V3, parseText)},
		{"v3 binary packet", []byte("\x04" + benchEvent), 1, one(V3, parseBinary)},
		{"v4 payload", appendPayloadV4(nil, ten), 10, decodePayloadV4},
		{"v4 payload with base64", appendPayloadV4(nil, mixed), 10, decodePayloadV4},
		{"v3 text payload", appendPayloadV3Text(nil, ten), 10, decodePayloadV3Text},
		{"v3 octet-stream payload", appendPayloadV3Binary(nil, mixed), 10, decodePayloadV3Binary},
	} {
		b.Run(bm.name, func(b *testing.B) {
			buf := make([]byte, len(bm.body))
			n := 0
			yield := func(packet) error {
				n++
				return nil
			}
			b.ReportAllocs()
			for b.Loop() {
				copy(buf, bm.body) // base64 is decoded in place
				n = 0
				if err := bm.decode(buf, yield); err != nil || n != bm.packets {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func one(v Protocol, parse func(Protocol, []byte) (packet, error)) func([]byte, func(packet) error) error {
	return func(body []byte, yield func(packet) error) error {
		p, err := parse(v, body)
		if err != nil {
			return err
		}
		return yield(p)
	}
}

// BenchmarkPacketEncode is the making of messages, and of the answers to polls
// that carry them.
func BenchmarkPacketEncode(b *testing.B) {
	content := []byte(benchEvent)
	b.Run("text message", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if TextMessage(content).Len() < len(content) {
				b.Fatal("cut")
			}
		}
	})
	b.Run("binary message", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if BinaryMessage(content).Len() < len(content) {
				b.Fatal("cut")
			}
		}
	})
	ten := make([]*Message, 10)
	for i := range ten {
		ten[i] = TextMessage(content)
	}
	mixed := append([]*Message{BinaryMessage(content)}, ten[1:]...)
	for _, bm := range []struct {
		name     string
		protocol Protocol
		batch    []*Message
	}{
		{"v4 payload", V4, ten},
		{"v4 payload with base64", V4, mixed},
		{"v3 text payload", V3, ten},
		{"v3 octet-stream payload", V3, mixed},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if body, _ := payload(bm.protocol, false, bm.batch); !bytes.Contains(body, content) {
					b.Fatal("cut")
				}
			}
		})
	}
}
