package bus

import (
	"encoding/binary"
	"encoding/json"

	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
)

// listMax bounds the number of texts in a list of an entry.
const listMax = 10_000

// EncodeTransfer gives the entry of t.
func EncodeTransfer(t *room.Transfer) []byte {
	b := make([]byte, 0, 64+len(t.Target)+len(t.Sources)*16+len(t.Clients)*48)
	b = append(b, version)
	b = appendText(b, t.Namespace)
	b = appendText(b, t.Target)
	b = appendText(b, t.Type)
	b = appendTexts(b, t.Sources)
	b = appendTexts(b, t.Clients)
	return appendText(b, t.Done)
}

// DecodeTransfer reads EncodeTransfer's form.
func DecodeTransfer(s string) (room.Transfer, error) {
	r := entryReader{rest: s}
	r.version()
	t := room.Transfer{
		Namespace: r.text(nameMax), Target: r.text(nameMax), Type: r.text(nameMax),
		Sources: r.texts(), Clients: r.texts(), Done: r.text(nameMax),
	}
	if !r.done() {
		return room.Transfer{}, ErrEntry
	}
	return t, nil
}

// EncodeEvent gives the entry of e.
func EncodeEvent(e *room.Event) []byte {
	b := make([]byte, 0, 32+len(e.Namespace)+len(e.Room)+len(e.Except)+len(e.Name)+len(e.Payload))
	b = append(b, version)
	b = appendText(b, e.Namespace)
	b = appendText(b, e.Room)
	b = appendText(b, e.Except)
	b = appendText(b, e.Name)
	return appendText(b, string(e.Payload))
}

// DecodeEvent reads EncodeEvent's form.
func DecodeEvent(s string) (room.Event, error) {
	r := entryReader{rest: s}
	r.version()
	e := room.Event{
		Namespace: r.text(nameMax), Room: r.text(nameMax), Except: r.text(nameMax), Name: r.text(nameMax),
		Payload: json.RawMessage(r.text(payloadMax)),
	}
	if !r.done() {
		return room.Event{}, ErrEntry
	}
	return e, nil
}

// EncodeDirect gives the entry of d.
func EncodeDirect(d *push.Direct) []byte {
	b := make([]byte, 0, 48+len(d.Namespace)+len(d.ClientID)+len(d.Payload))
	b = append(b, version)
	b = binary.AppendVarint(b, d.MessageID)
	b = appendText(b, d.Namespace)
	b = appendText(b, d.ClientID)
	return appendText(b, string(d.Payload))
}

// DecodeDirect reads EncodeDirect's form.
func DecodeDirect(s string) (push.Direct, error) {
	r := entryReader{rest: s}
	r.version()
	d := push.Direct{
		MessageID: r.integer(), Namespace: r.text(nameMax), ClientID: r.text(nameMax),
		Payload: json.RawMessage(r.text(payloadMax)),
	}
	if !r.done() {
		return push.Direct{}, ErrEntry
	}
	return d, nil
}

func appendTexts(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

// texts is nil for an empty list. What it allocates is bounded by what is
// there: every text takes a byte at least.
func (r *entryReader) texts() []string {
	n := r.uvarint()
	if n > listMax || n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	var list []string
	for range n {
		list = append(list, r.text(nameMax))
	}
	return list
}
