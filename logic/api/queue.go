package api

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/queue"
)

// Queues is what operators see of the durable queues.
type Queues interface {
	Stats(ctx context.Context, queue string) (queue.Stats, error)
	Dead(ctx context.Context, queue string, offset, count int) ([]queue.DeadJob, int64, error)
	Requeue(ctx context.Context, queue string, ids []string) (int64, error)
}

const (
	deadPageDefault = 20
	deadPageMax     = 500
	requeueMax      = 1000
	jobIDMax        = 2000
)

// queueStats is one element of the list of queues.
type queueStats struct {
	Name      string `json:"name"`
	Waiting   int64  `json:"waiting"`
	Ready     int64  `json:"ready"`
	Working   int64  `json:"working"`
	Dead      int64  `json:"dead"`
	OldestDue int64  `json:"oldestDue"` // ms
}

// deadJob is a job that was given up. Its body stays inside: it holds what a
// device said to its business system, cookies included.
type deadJob struct {
	ID        string `json:"id"`
	Attempts  int    `json:"attempts"`
	Reason    string `json:"reason"`
	Enqueued  int64  `json:"enqueued"` // ms
	Buried    int64  `json:"buried"`   // ms
	Namespace string `json:"namespace,omitempty"`
	URL       string `json:"url,omitempty"`
}

type deadPage struct {
	List  []deadJob `json:"list"`
	Total int64     `json:"total"`
}

type requeued struct {
	Moved int64 `json:"moved"`
}

// queues shows the figures of every queue.
func (a *API) queues(ctx context.Context, _ *call) (any, error) {
	if a.o.Queues == nil {
		return nil, FailUnavailable
	}
	list := make([]queueStats, 0, len(queue.Names))
	for _, name := range queue.Names {
		s, err := a.o.Queues.Stats(ctx, name)
		if err != nil {
			return nil, err
		}
		list = append(list, queueStats{name, s.Waiting, s.Ready, s.Working, s.Dead, int64(s.OldestDue / time.Millisecond)})
	}
	return list, nil
}

// deadJobs lists what was given up, newest first.
func (a *API) deadJobs(ctx context.Context, c *call) (any, error) {
	query := c.gin.Request.URL.Query()
	name, err := knownQueue(query.Get("queue"))
	if err != nil {
		return nil, err
	}
	if a.o.Queues == nil {
		return nil, FailUnavailable
	}
	size := min(positive(query, "size", deadPageDefault), deadPageMax)
	page := min(positive(query, "page", 1), 1<<30)
	jobs, total, err := a.o.Queues.Dead(ctx, name, (page-1)*size, size)
	if err != nil {
		return nil, err
	}
	answer := deadPage{List: make([]deadJob, 0, len(jobs)), Total: total}
	for _, j := range jobs {
		// Attempt counts from 0 and is not raised by the one that gave up.
		d := deadJob{ID: j.ID, Attempts: j.Attempt + 1, Reason: j.Reason, Enqueued: j.Enqueued, Buried: j.Buried}
		var about struct{ NS, URL string }
		if json.Unmarshal(j.Body, &about) == nil {
			d.Namespace, d.URL = about.NS, about.URL
		}
		answer.List = append(answer.List, d)
	}
	return answer, nil
}

// requeue gives dead jobs another chance; without ids all of a queue.
func (a *API) requeue(ctx context.Context, c *call) (any, error) {
	fields, err := c.form()
	if err != nil {
		return nil, err
	}
	name, _, err := fields.Text("queue", nameTextMax)
	if err == nil {
		name, err = knownQueue(name)
	}
	if err != nil {
		return nil, err
	}
	ids, given, err := fields.Texts("ids", requeueMax, jobIDMax, false)
	if err != nil {
		return nil, err
	}
	if a.o.Queues == nil {
		return nil, FailUnavailable
	}
	if given && len(ids) == 0 {
		return requeued{}, nil // none is not all
	}
	moved, err := a.o.Queues.Requeue(ctx, name, ids)
	if err != nil {
		return nil, err
	}
	a.o.Logger.Info().Str("request", c.id).Str("queue", name).Int64("jobs", moved).Msg("dead jobs requeued")
	c.note("queue.requeue", "", name, strconv.FormatInt(moved, 10)+" jobs")
	return requeued{moved}, nil
}

func knownQueue(name string) (string, error) {
	if !slices.Contains(queue.Names, name) {
		return "", &input.FieldError{Field: "queue", Problem: "must be one of " + strings.Join(queue.Names, ", ")}
	}
	return name, nil
}
