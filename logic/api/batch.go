package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
)

const batchPath = "/api/auth/push/batch"

// Batches accepts several pushes of one caller in one group commit.
// Implementations are safe for concurrent use.
type Batches interface {
	// PushAll makes reqs durable and returns their ids, in order; with an
	// error none, or all, may have been accepted. once, unless it is nil, was
	// begun and keeps the answer.
	PushAll(ctx context.Context, ns *namespace.Namespace, reqs []push.Request, once *push.Once) ([]int64, error)
	// BeginOnce returns the answer of an earlier attempt at the request, nil
	// for the first; push.ErrOnceBusy, push.ErrOnceOther.
	BeginOnce(ctx context.Context, once *push.Once) (answer []byte, err error)
	// FreeOnce ends an attempt that has committed nothing for certain.
	FreeOnce(ctx context.Context, once *push.Once) error
}

// result is the answer to one push of a batch: an id or a failure.
type result struct {
	ID int64 `json:"id,omitempty"`
	*Failure
}

// pushBatch accepts those of several pushes that can be accepted, all of them
// in one group commit. The answer has a result for each, in order.
func (a *API) pushBatch(ctx context.Context, c *call) (any, error) {
	if n := len(c.items); n == 0 || n > a.o.BatchMax {
		return nil, invalid(fmt.Sprintf("a batch has 1 to %d pushes", a.o.BatchMax))
	}
	results := make([]result, len(c.items))
	reqs := make([]push.Request, 0, len(c.items))
	places := make([]int, 0, len(c.items)) // of reqs in results
	for i, item := range c.items {
		req, err := a.parseItem(item, c.ns)
		if err != nil {
			results[i].Failure = failureOf(err)
			continue
		}
		reqs, places = append(reqs, req), append(places, i)
	}
	if len(reqs) == 0 {
		return results, nil
	}
	if err := a.pacePushes(c, len(reqs)); err != nil {
		return nil, err
	}
	render := func(ids []int64) any {
		for i, id := range ids {
			results[places[i]].ID = id
		}
		return results
	}
	if hasKey(c) {
		return a.pushOnce(ctx, c, reqs, render)
	}
	if a.o.Batches == nil {
		return nil, FailUnavailable
	}
	ids, err := a.o.Batches.PushAll(ctx, c.ns, reqs, nil)
	if err != nil {
		return nil, err
	}
	if len(ids) > 0 {
		c.message = ids[0]
	}
	return render(ids), nil
}

func (a *API) parseItem(item json.RawMessage, ns *namespace.Namespace) (push.Request, error) {
	fields, err := input.FromItem(item)
	if err != nil {
		return push.Request{}, errNoObject
	}
	return a.parsePush(fields, ns)
}

// readItems reads a body that is a JSON array.
func (a *API) readItems(c *gin.Context) ([]json.RawMessage, error) {
	mediaType, _, _ := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	if mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json") {
		return nil, errNoArray
	}
	body, err := a.readAll(c, a.o.JSONLimit)
	if err != nil {
		return nil, err
	}
	items, err := input.ItemsFromJSON(body)
	if errors.Is(err, input.ErrNotArray) {
		return nil, errNoArray
	}
	return items, err
}

var (
	errNoArray  = invalid("the body must be a JSON array of pushes")
	errNoObject = invalid("a push must be an object")
)
