package api

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/input"
)

// Bounds of the query of a test.
const (
	testQueryMax      = 20
	testQueryValueMax = 1000
)

// testCallback makes a callback of the caller's namespace and shows the real
// answer. It shares the limit of its kind with nothing.
func (a *API) testCallback(ctx context.Context, c *call, p *consoleParts) (any, error) {
	fields, err := c.form()
	if err != nil {
		return nil, err
	}
	if p.Callbacks == nil {
		return nil, FailUnavailable
	}
	kind, _, err := fields.Text("kind", nameTextMax)
	if err != nil {
		return nil, err
	}
	if kind != callback.KindConnect && kind != callback.KindDisconnect {
		return nil, &input.FieldError{Field: "kind", Problem: "must be connect or disconnect"}
	}
	query, err := testQuery(fields)
	if err != nil {
		return nil, err
	}
	if wait := p.tests.take(c.ns.Key, a.o.Now()); wait > 0 {
		c.gin.Writer.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
		return nil, FailTooManyTests
	}
	answer, err := p.Callbacks.Test(ctx, c.ns, kind, query)
	if err != nil {
		return nil, err
	}
	c.note("callback.test", "", kind, strconv.Itoa(answer.Status))
	return answer, nil
}

// testQuery reads what a device would say, with the values every device has.
func testQuery(fields input.Fields) (url.Values, error) {
	query := url.Values{"uuid": {"test"}, "userid": {"test"}, "platform": {"web"}}
	raw, ok := fields.Raw("query")
	if !ok {
		return query, nil
	}
	var given map[string]string
	if json.Unmarshal(raw, &given) != nil || len(given) > testQueryMax {
		return nil, &input.FieldError{Field: "query", Problem: "must be an object of at most " + strconv.Itoa(testQueryMax) + " texts"}
	}
	for key, value := range given {
		if len(key)+len(value) > testQueryValueMax {
			return nil, &input.FieldError{Field: "query", Problem: "has a value that is too long"}
		}
		query.Set(key, value)
	}
	return query, nil
}
