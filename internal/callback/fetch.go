package callback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Fetcher gets published texts, as key sets, under the rules of callbacks: the
// same networks, no redirect to another host, bounded time and size. Safe for
// concurrent use.
type Fetcher struct{ http *http.Client }

// NewFetcher returns a Fetcher; Close it.
func NewFetcher(o Options) *Fetcher {
	o.setDefaults()
	return &Fetcher{http: newClient(o).http}
}

// Close drops idle connections; no call may be under way.
func (f *Fetcher) Close() { f.http.CloseIdleConnections() }

var errFetchSize = errors.New("answer is too large")

// Fetch returns the body of an answer 200, of at most limit bytes.
func (f *Fetcher) Fetch(ctx context.Context, url string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", withoutAddress(err))
	}
	req.Header.Set("Accept", "application/json")
	resp, err := f.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", withoutAddress(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch: status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("fetch: %w", err)
	case int64(len(body)) > limit:
		return nil, fmt.Errorf("fetch: %w", errFetchSize)
	}
	return body, nil
}
