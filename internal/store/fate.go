package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/lightpush/lightpush/internal/push"
)

// Message reads a message's record, nil when it is gone.
func (s *Store) Message(ctx context.Context, id int64) (*push.Message, error) {
	args := []any{"HMGET", s.keys.message(strconv.FormatInt(id, 10))}
	for _, f := range push.StoredFields {
		args = append(args, f)
	}
	get := do(args...)
	if err := s.run(ctx, get); err != nil {
		return nil, fmt.Errorf("read message %d: %w", id, err)
	}
	m, _ := push.FromStored(id, optional(get.list()))
	return m, nil
}

// optional is a reply whose absent values are nil.
func optional(list []any) []*string {
	values := make([]*string, len(list))
	for i, v := range list {
		if text, ok := v.(string); ok {
			values[i] = &text
		}
	}
	return values
}

// Settle keeps fates of a message: those it has none for yet, and those that
// may take the place of another (push.State). With a run the new ones are
// counted and reported in the record. A message that is gone is no error.
func (s *Store) Settle(ctx context.Context, id int64, run push.Run, fates []push.Settled) error {
	if err := s.run(ctx, s.settleOps(id, run, fates)...); err != nil {
		return fmt.Errorf("settle message %d: %w", id, err)
	}
	return nil
}

// settleOps has one call for a run without fates: it counts nothing, and the
// report says so.
func (s *Store) settleOps(id int64, run push.Run, fates []push.Settled) (ops []*op) {
	const each = 4
	text := strconv.FormatInt(id, 10)
	keys := []string{s.keys.message(text), s.keys.fates(text), s.keys.times(text)}
	for first := true; len(fates) > 0 || (first && run.Intro != ""); first = false {
		n := min(len(fates), settleChunk)
		args := make([]any, 0, 4+each*n)
		args = append(args, run.Intro, run.ResultMax, run.Separator, "and | more")
		for _, f := range fates[:n] {
			args = append(args, f.ClientID, f.Fate.Encode(), f.Text, mark(f.ClientID))
		}
		ops = append(ops, messageSettle.call(keys, args...))
		fates = fates[n:]
	}
	return ops
}

// settleChunk is how many fates one script call takes: under a millisecond of
// the server.
const settleChunk = 250

// Finish notes that the offline delivery of a message is over, with a result
// unless it has one. A message that is gone is no error.
func (s *Store) Finish(ctx context.Context, id int64, result string) error {
	finish := messageFinish.call([]string{s.keys.message(strconv.FormatInt(id, 10))}, result)
	if err := s.run(ctx, finish); err != nil {
		return fmt.Errorf("finish message %d: %w", id, err)
	}
	return nil
}

// Marks reads, for devices of one platform, who has acked a message and what
// became of it for the others so far.
func (s *Store) Marks(ctx context.Context, id int64, platform string, clients []string) (acked []bool, fates []push.Fate, err error) {
	if len(clients) == 0 {
		return nil, nil, nil
	}
	text := strconv.FormatInt(id, 10)
	acks := do("SMISMEMBER", s.keys.acks(text, platformOf(platform)))
	known := do("HMGET", s.keys.fates(text))
	for _, c := range clients {
		acks.args = append(acks.args, c)
		known.args = append(known.args, c)
	}
	if err := s.run(ctx, acks, known); err != nil {
		return nil, nil, fmt.Errorf("read marks of message %d: %w", id, err)
	}
	ackList, fateList := acks.list(), known.list()
	if len(ackList) != len(clients) || len(fateList) != len(clients) {
		return nil, nil, fmt.Errorf("read marks of message %d: replies of %d and %d for %d devices", id, len(ackList), len(fateList), len(clients))
	}
	acked, fates = make([]bool, len(clients)), make([]push.Fate, len(clients))
	for i := range clients {
		acked[i], fates[i] = toInt(ackList[i]) == 1, push.DecodeFate(toText(fateList[i]))
	}
	return acked, fates, nil
}

// SettledPage reads one step of the fates of a message.
func (s *Store) SettledPage(ctx context.Context, id int64, cursor uint64, count int) (clients []string, next uint64, err error) {
	scan := do("HSCAN", s.keys.fates(strconv.FormatInt(id, 10)), cursor, "COUNT", max(count, 1))
	if err := s.run(ctx, scan); err != nil {
		return nil, 0, fmt.Errorf("list fates of message %d: %w", id, err)
	}
	page, next := scan.page()
	for i := 0; i+1 < len(page); i += 2 {
		clients = append(clients, page[i])
	}
	return clients, next, nil
}

// AckedPage reads one step of the devices of a platform that acked a message.
func (s *Store) AckedPage(ctx context.Context, id int64, platform string, cursor uint64, count int) (clients []string, next uint64, err error) {
	scan := do("SSCAN", s.keys.acks(strconv.FormatInt(id, 10), platformOf(platform)), cursor, "COUNT", max(count, 1))
	if err := s.run(ctx, scan); err != nil {
		return nil, 0, fmt.Errorf("list acks of message %d: %w", id, err)
	}
	clients, next = scan.page()
	return clients, next, nil
}
