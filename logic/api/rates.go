package api

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lightpush/lightpush/internal/limits"
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
}

func newRates(perSecond int, now func() time.Time) *rates {
	r := &rates{budgets: limits.NewRates[string](callersMax, now)}
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
	c.Writer.Header().Set("Retry-After", strconv.FormatInt(max(1, int64((wait+time.Second-1)/time.Second)), 10))
	return FailTooManyRequests
}

// SetAllowedOrigins changes whose pages may read the answers; empty or "*" for
// all. Safe for concurrent use.
func (a *API) SetAllowedOrigins(allowed []string) {
	o := newOrigins(allowed)
	a.origins.Store(&o)
}
