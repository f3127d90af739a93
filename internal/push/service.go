package push

import (
	"context"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
)

// Service accepts validated pushes, from the REST API and from clients alike.
type Service struct {
	committer *Committer
	now       func() time.Time
}

// NewService returns a Service over committer. now nil means time.Now.
func NewService(committer *Committer, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{committer: committer, now: now}
}

// Push makes req durable and hands it to the nodes that hold the room; it
// returns the message's id. Errors are those of Committer.Commit.
func (s *Service) Push(ctx context.Context, ns *namespace.Namespace, req Request) (int64, error) {
	msg := req.Message(ns.Key, s.now())
	msg.HistoryMax = ns.HistoryMax()
	if err := s.committer.Commit(ctx, msg); err != nil {
		return 0, err
	}
	return msg.ID, nil
}

// PushAll makes reqs durable in one group commit and returns their ids, in
// order. once, which may be nil, is kept with them.
func (s *Service) PushAll(ctx context.Context, ns *namespace.Namespace, reqs []Request, once *Once) ([]int64, error) {
	now := s.now()
	msgs := make([]*Message, len(reqs))
	for i := range reqs {
		msgs[i] = reqs[i].Message(ns.Key, now)
		msgs[i].HistoryMax = ns.HistoryMax()
	}
	if once != nil && len(msgs) > 0 {
		once.messages = msgs
		msgs[len(msgs)-1].Once = once
	}
	if err := s.committer.CommitAll(ctx, msgs); err != nil {
		return nil, err
	}
	return idsOf(msgs), nil
}
