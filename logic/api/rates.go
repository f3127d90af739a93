package api

import (
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/limits"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
)

// requestsBurst is for how many seconds the requests of a credential may come
// at once.
const requestsBurst = 2

// callersMax bounds the credentials whose requests are timed.
const callersMax = 20_000

// rates limits the requests of each credential.
type rates struct {
	perSecond atomic.Int64 // 0: no limit
	budgets   *limits.Rates[string]
	pushes    *limits.Rates[string] // by namespace
}

func newRates(perSecond int, now func() time.Time) *rates {
	r := &rates{budgets: limits.NewRates[string](callersMax, now), pushes: limits.NewRates[string](callersMax, now)}
	r.perSecond.Store(int64(perSecond))
	return r
}

// SetRequestRate changes the requests per second of one credential; 0 is no
// limit. Safe for concurrent use.
func (a *API) SetRequestRate(perSecond int) { a.rates.perSecond.Store(int64(perSecond)) }

// pace takes one request from the budget of the caller.
func (a *API) pace(c *gin.Context, caller string) error {
	perSecond := int(a.rates.perSecond.Load())
	if perSecond <= 0 || caller == "" {
		return nil
	}
	wait, ok := a.rates.budgets.Take(caller, perSecond, requestsBurst*perSecond)
	if ok {
		return nil
	}
	retryAfter(c, wait)
	a.o.Observer.Limited("requests_per_second")
	return FailTooManyRequests
}

// pacePushes takes so many pushes from the budget of the caller's namespace. A
// batch is taken as a whole: what it exceeds the budget by is waited for by
// those that follow.
func (a *API) pacePushes(c *call, n int) error {
	perSecond := c.ns.PushesPerSecond()
	if perSecond <= 0 {
		return nil
	}
	wait, ok := a.rates.pushes.Spend(c.ns.Key, n, perSecond, requestsBurst*perSecond)
	if ok {
		return nil
	}
	retryAfter(c.gin, wait)
	a.o.Observer.Limited("max_pushes_per_second")
	return FailTooManyPushes
}

// parsePush reads a push to the caller's namespace.
func (a *API) parsePush(fields input.Fields, ns *namespace.Namespace) (push.Request, error) {
	req, err := a.o.Rules.Parse(fields, ns)
	if errors.Is(err, push.ErrTooLarge) {
		a.o.Observer.Limited("max_push_bytes")
	}
	return req, err
}

// retryAfter tells the caller to come back, in whole seconds.
func retryAfter(c *gin.Context, wait time.Duration) {
	c.Writer.Header().Set("Retry-After", strconv.FormatInt(max(1, int64((wait+time.Second-1)/time.Second)), 10))
}

// SetAllowedOrigins changes whose pages may read the answers; "*" for all.
// Safe for concurrent use.
func (a *API) SetAllowedOrigins(allowed []string) {
	o := newOrigins(allowed)
	a.origins.Store(&o)
}
