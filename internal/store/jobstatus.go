package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lightpush/lightpush/internal/queue"
)

// OfflineJob implements report.TraceStore.
func (s *Store) OfflineJob(ctx context.Context, id int64) (queue.Status, error) {
	k, text := s.keys.queue(queue.Offline), strconv.FormatInt(id, 10)
	job, why := do("HGET", k.jobs, text), do("HGET", k.why, text)
	if err := s.run(ctx, job, why); err != nil {
		return queue.Status{}, fmt.Errorf("read job of message %d: %w", id, err)
	}
	parts := strings.SplitN(job.text(), "|", 4) // attempt|failed|due|…
	if len(parts) != 4 {
		return queue.Status{}, nil
	}
	status := queue.Status{Known: true, Attempt: int(toInt(parts[0])), Failed: int(toInt(parts[1])), Due: toInt(parts[2]) / 1000}
	if at, reason, ok := strings.Cut(why.text(), "|"); ok {
		status.Dead, status.Reason = toInt(at), reason
	}
	return status, nil
}
