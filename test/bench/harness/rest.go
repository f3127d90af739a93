package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/lightpush/lightpush/internal/simulator/stats"
	"github.com/lightpush/lightpush/test/bench/app"
)

// rest is the business system: it pushes over the REST API.
type rest struct {
	base   string
	client *http.Client
}

// pushers is how many requests may be under way at a steady rate; tolerant
// ones have more, for the time when nobody answers.
const (
	pushers         = 64
	tolerantPushers = 1024
)

func newREST(address string) *rest {
	return &rest{"http://" + address, &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: pushers, DisableCompression: true},
	}}
}

func (r *rest) do(ctx context.Context, method, url, user, password string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("rest: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if user != "" {
		request.SetBasicAuth(user, password)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("rest: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("rest: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("rest: %s %s: %s: %.200s", method, url, answer.Status, text)
	}
	return text, nil
}

func (r *rest) get(ctx context.Context, url, user, password string) ([]byte, error) {
	return r.do(ctx, http.MethodGet, url, user, password, nil)
}

func (r *rest) createNamespace(ctx context.Context) error {
	body, _ := json.Marshal(map[string]string{"key": app.Namespace, "auth_passwd": namespacePassword}) // always marshals
	_, err := r.do(ctx, http.MethodPost, r.base+"/api/admin/namespace/save", "admin", adminPassword, body)
	return err
}

// push sends message n and returns its id.
func (r *rest) push(ctx context.Context, room string, n int) (int64, error) {
	body, _ := json.Marshal(struct {
		Room string   `json:"room"`
		Data app.Data `json:"pushData"`
	}{room, app.NewData(n, padding)}) // always marshals
	text, err := r.do(ctx, http.MethodPost, r.base+"/api/auth/push", app.Namespace, namespacePassword, body)
	if err != nil {
		return 0, err
	}
	var answer struct {
		ID int64 `json:"id"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, fmt.Errorf("rest: push answered %.100q: %w", text, err)
	}
	return answer.ID, nil
}

// pushAtOnce sends n messages in as many requests.
func (r *rest) pushAtOnce(ctx context.Context, room string, n int) ([]int64, error) {
	ids, errs := make([]int64, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { ids[i], errs[i] = r.push(ctx, room, i) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// rate is an open loop: a slow answer does not delay what follows, until
// pushers are under way.
func (r *rest) rate(ctx context.Context, p pace) (pushing, error) {
	var (
		mu           sync.Mutex
		answer, slip stats.Histogram
		refused      []int
		last         error
	)
	due := make(chan int, p.n)
	start := time.Now()
	var all sync.WaitGroup
	workers := pushers
	if p.tolerant {
		workers = min(p.n, tolerantPushers)
	}
	for range workers {
		all.Go(func() {
			for i := range due {
				sent := time.Now()
				late := sent.Sub(start) - time.Duration(float64(i)/p.perSecond*float64(time.Second))
				room, place := p.target(i)
				_, err := r.push(ctx, room, place)
				took := time.Since(sent)
				mu.Lock()
				answer.Record(took)
				slip.Record(late)
				if err != nil {
					refused = append(refused, i)
					last = err
				}
				mu.Unlock()
			}
		})
	}
	app.Pace(p.n, p.perSecond, func() bool { return ctx.Err() != nil }, func(i int) { due <- i })
	close(due)
	all.Wait()
	if len(refused) > p.n/10 && !p.tolerant {
		return pushing{}, fmt.Errorf("%d of %d pushes failed, the last: %w", len(refused), p.n, last)
	}
	return pushing{Answer: answer.Summary(), Slip: slip.Summary(), Failed: len(refused), refused: refused}, ctx.Err()
}

// acked returns how many devices have confirmed a message.
func (r *rest) acked(ctx context.Context, id int64) (int, error) {
	text, err := r.get(ctx, r.base+"/api/auth/report/push/"+strconv.FormatInt(id, 10), app.Namespace, namespacePassword)
	if err != nil {
		return 0, err
	}
	var report struct {
		AckCount string `json:"ackCount"`
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return 0, fmt.Errorf("rest: report %.100q: %w", text, err)
	}
	n, err := strconv.Atoi(report.AckCount)
	if err != nil {
		return 0, fmt.Errorf("rest: report %.100q: %w", text, err)
	}
	return n, nil
}
