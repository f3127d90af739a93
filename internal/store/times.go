package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/lightpush/lightpush/internal/push"
)

// The times of a message's acks are in its record, for the first device, and in
// a hash beside it for the others, together with the fates that have given way
// to another. A device is named by a digest there: its id stands in the sets of
// acks and in the fates already, and would be most of what an entry weighs.
// Versions before this know nothing of it, and read and write all other keys
// as they did.

// markBytes of a digest: two devices of a message that a million devices have
// acked share one with a probability of 1e-10.
const markBytes = 9

// mark names a device among the times of a message.
func mark(clientID string) string {
	sum := sha256.Sum256([]byte(clientID))
	return base64.RawURLEncoding.EncodeToString(sum[:markBytes])
}

// Kinds of fields; a mark follows.
const (
	timeAck    = "a" // ms behind sendDate
	timeBefore = "h" // fates, the oldest first, separated by pastSeparator
)

const pastSeparator = "\x1f"

func (k keys) times(id string) string { return k.message(id) + ":t" }

// DeviceTimes reads what is known of the times of devices; of is what the
// message's record tells.
func (s *Store) DeviceTimes(ctx context.Context, id int64, of push.Times, clients []string) ([]push.DeviceTimes, error) {
	if len(clients) == 0 {
		return nil, nil
	}
	get, marks := s.timesOp(id, clients)
	if err := s.run(ctx, get); err != nil {
		return nil, fmt.Errorf("read times of message %d: %w", id, err)
	}
	v := get.list()
	if len(v) != 2*len(clients) {
		return nil, fmt.Errorf("read times of message %d: reply of %d for %d devices", id, len(v), len(clients))
	}
	list := make([]push.DeviceTimes, len(clients))
	for i := range list {
		list[i] = deviceTimes(of, marks[i], v[2*i], v[2*i+1])
	}
	return list, nil
}

func (s *Store) timesOp(id int64, clients []string) (get *op, marks []string) {
	get = do("HMGET", s.keys.times(strconv.FormatInt(id, 10)))
	marks = make([]string, len(clients))
	for i, c := range clients {
		marks[i] = mark(c)
		get.args = append(get.args, timeAck+marks[i], timeBefore+marks[i])
	}
	return get, marks
}

func deviceTimes(of push.Times, mark string, ack, before any) (t push.DeviceTimes) {
	switch {
	case of.Acks.Mark == timeAck+mark:
		t.Acked = of.Acks.At
	case ack != nil:
		t.Acked = of.Sent + toInt(ack)
	}
	if before != nil {
		for text := range strings.SplitSeq(toText(before), pastSeparator) {
			if f := push.DecodeFate(text); f.State != "" {
				t.Past = append(t.Past, f)
			}
		}
	}
	return t
}
