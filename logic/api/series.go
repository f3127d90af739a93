package api

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/input"
)

// series are the figures of the caller's namespace over time.
func (a *API) series(ctx context.Context, c *call, p *consoleParts) (any, error) {
	return a.readSeries(ctx, p, c.ns.Key, c.gin.Request.URL.Query())
}

// adminSeries are those of all namespaces together.
func (a *API) adminSeries(ctx context.Context, c *call, p *consoleParts) (any, error) {
	return a.readSeries(ctx, p, console.Total, c.gin.Request.URL.Query())
}

func (a *API) readSeries(ctx context.Context, p *consoleParts, ns string, query url.Values) (any, error) {
	hours, err := within(query, "hours", 1, 1, int(console.SeriesKept/time.Hour))
	if err != nil {
		return nil, err
	}
	step, err := within(query, "step", 1, 1, 60)
	if err == nil && !slices.Contains(console.SeriesSteps, step) {
		err = &input.FieldError{Field: "step", Problem: "must be 1, 5, 15 or 60"}
	}
	if err != nil {
		return nil, err
	}
	return console.ReadSeries(ctx, p.Store, ns, a.o.Now(), hours, step)
}

// within reads a whole number of the query, unset when it is not given.
func within(query url.Values, key string, unset, least, most int) (int, error) {
	text := query.Get(key)
	if text == "" {
		return unset, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, &input.FieldError{Field: key, Problem: fmt.Sprintf("must be a whole number from %d to %d", least, most)}
	}
	return n, nil
}
