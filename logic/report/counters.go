package report

import (
	"context"
	"strconv"
	"time"
)

// Counter marshals as light-push did: the number 0, or else a decimal string
// (light-push-wire.md 1.4.9).
type Counter int64

// MarshalJSON implements json.Marshaler.
func (c Counter) MarshalJSON() ([]byte, error) {
	if c == 0 {
		return []byte("0"), nil
	}
	return strconv.AppendQuote(nil, strconv.FormatInt(int64(c), 10)), nil
}

// MessageStat are the pushes accepted in the current minute, hour and day.
type MessageStat struct {
	Minute Counter `json:"currMinuteMessageCount"`
	Hour   Counter `json:"currHourMessageCount"`
	Date   Counter `json:"currDateMessageCount"`
}

// MessageStat returns the counters of the minute, hour and day that now is in.
func (r *Reports) MessageStat(ctx context.Context, ns string, now time.Time) (MessageStat, error) {
	minute, hour, day, err := r.store.Counters(ctx, ns, now)
	if err != nil {
		return MessageStat{}, err
	}
	return MessageStat{Minute: Counter(minute), Hour: Counter(hour), Date: Counter(day)}, nil
}
