package push

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// Once is a request that a caller may repeat until it hears the answer: the
// answer is kept together with the messages, and given again.
type Once struct {
	Namespace string
	Key       string // of the caller; any text
	Request   string // what was asked, as OnceRequest makes it
	Owner     string // of the attempt, unique
	// Render makes the answer from the ids of the messages, in their order.
	Render func(ids []int64) []byte

	messages []*Message
}

// Answer is what is kept, once the messages have their ids.
func (o *Once) Answer() []byte { return o.Render(idsOf(o.messages)) }

func idsOf(messages []*Message) []int64 {
	ids := make([]int64, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	return ids
}

// OnceWait is how long an attempt counts as under way. It is longer than a
// request and the group commit that it may have begun last, so that two
// attempts never commit the same request.
const OnceWait = 20 * time.Second

// OnceKeyMax is the greatest length of a caller's key, in bytes.
const OnceKeyMax = 255

// Errors of a request with a key.
var (
	// ErrOnceBusy: an earlier attempt is under way, or died in the middle.
	ErrOnceBusy = errors.New("a request with this Idempotency-Key is under way")
	// ErrOnceOther: the key was used for another request.
	ErrOnceOther = errors.New("this Idempotency-Key was used for another request")
)

// OnceRequest is the mark of a request: two with the same mark are the same.
func OnceRequest(route string, body []byte) string {
	sum := sha256.New()
	sum.Write([]byte(route + "\n"))
	sum.Write(body)
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
