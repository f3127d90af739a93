package report

import (
	"strconv"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

// Judge says what became of a message for one device, as Receipts does: from
// the message's record, what is kept of the device and since when, ms, it has
// been connected, 0 for not. at is ms, 0 where nothing has kept it.
func (r *Reports) Judge(record map[string]string, id string, mark push.Mark, since int64) (state push.State, reason string, at int64) {
	m := newReceiptMessage(record)
	receipt := m.judge(client.PlatformIn(id), id, mark.Acked, mark.Fate, since > 0 && since <= m.sent, r.limits.OfflinePlatforms)
	receipt.noteAck(mark.Times)
	at, _ = strconv.ParseInt(receipt.At, 10, 64)
	return receipt.State, receipt.Reason, at
}

// FoundMessage is a Message with what arrived as numbers.
type FoundMessage struct {
	Message
	Acked     int64 `json:"acked"`     // devices
	Delivered int64 `json:"delivered"` // connections written to
}

// NewFoundMessage reads the stored fields of a message.
func NewFoundMessage(record map[string]string) FoundMessage {
	m := FoundMessage{Message: newMessage(record)}
	m.Acked, _ = strconv.ParseInt(m.AckCount, 10, 64)
	m.Delivered, _ = strconv.ParseInt(m.OnlineClientCount, 10, 64)
	return m
}
