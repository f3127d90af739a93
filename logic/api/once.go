package api

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/lightpush/lightpush/internal/push"
)

const (
	keyHeader      = "Idempotency-Key"
	replayedHeader = "Idempotency-Replayed" // the answer is that of an earlier attempt

	// A repeat waits for an attempt that is under way, for at most keyPatience.
	keyPatience = 3 * time.Second
	keyLook     = 20 * time.Millisecond // at first, then twice as long each time
	keyLookMax  = 200 * time.Millisecond
)

// hasKey reports whether the caller may repeat the request.
func hasKey(c *call) bool { return len(c.gin.Request.Header[keyHeader]) > 0 }

// pushOnce pushes reqs unless that was done before under the key of the
// request; then it gives the answer of that time. The answer is kept in the
// group commit: a caller that has heard nothing, or a 503, repeats the request
// until it hears an answer, and the push happens once. Only when the store
// breaks down in the middle of the commit may it happen twice.
func (a *API) pushOnce(ctx context.Context, c *call, reqs []push.Request, render func([]int64) any) (any, error) {
	values := c.gin.Request.Header[keyHeader]
	if len(values) != 1 || !validKey(values[0]) {
		return nil, FailKey
	}
	if a.o.Batches == nil {
		return nil, FailUnavailable
	}
	once := &push.Once{
		Namespace: c.ns.Key, Key: values[0], Request: push.OnceRequest(c.gin.FullPath(), c.body), Owner: c.id,
		Render: func(ids []int64) []byte {
			answer, _ := marshal(render(ids)) // numbers and texts: cannot fail
			return answer
		},
	}
	earlier, err := a.beginOnce(ctx, once)
	if err != nil {
		return nil, err
	}
	if earlier != nil {
		c.gin.Header(replayedHeader, "true")
		return json.RawMessage(earlier), nil
	}
	ids, err := a.o.Batches.PushAll(ctx, c.ns, reqs, once)
	if err != nil {
		if errors.Is(err, push.ErrOverloaded) || errors.Is(err, push.ErrClosed) || errors.Is(err, push.ErrNothingDone) {
			free, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = a.o.Batches.FreeOnce(free, once) // else it frees itself, a little later
		}
		return nil, err
	}
	if len(ids) > 0 {
		c.message = ids[0]
	}
	return render(ids), nil
}

// beginOnce waits for an attempt that is under way.
func (a *API) beginOnce(ctx context.Context, once *push.Once) ([]byte, error) {
	give := time.NewTimer(keyPatience)
	defer give.Stop()
	for wait := keyLook; ; wait = min(2*wait, keyLookMax) {
		earlier, err := a.o.Batches.BeginOnce(ctx, once)
		if !errors.Is(err, push.ErrOnceBusy) {
			return earlier, err
		}
		look := time.NewTimer(wait)
		select {
		case <-look.C:
			continue
		case <-give.C:
		case <-ctx.Done():
		}
		look.Stop()
		return nil, err
	}
}

func validKey(key string) bool {
	if key == "" || len(key) > push.OnceKeyMax {
		return false
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return false
		}
	}
	return true
}
