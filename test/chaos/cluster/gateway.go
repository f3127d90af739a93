//go:build linux

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/lightpush/lightpush/test/apnsgateway"
)

// gateway is Apple's side: it accepts most notifications, and throttles, fails or breaks off a few of them.
type gateway struct {
	*apnsgateway.Gateway

	mu   sync.Mutex
	rng  *rand.Rand
	take func(token string, marker int64)
}

// gatewayFaults is the part of the requests that is not accepted at once.
const gatewayFaults = 0.05

func startGateway(seed uint64) (*gateway, error) {
	g := &gateway{rng: rand.New(rand.NewPCG(seed, 1<<42))}
	var err error
	g.Gateway, err = apnsgateway.Start(apnsgateway.Options{Respond: g.respond, Forget: true})
	return g, err
}

func (g *gateway) respond(r apnsgateway.Request) apnsgateway.Answer {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rng.Float64() < gatewayFaults {
		return []apnsgateway.Answer{
			{Status: http.StatusTooManyRequests, Reason: "TooManyRequests"},
			{Status: http.StatusServiceUnavailable, Reason: "ServiceUnavailable"},
			{Status: http.StatusInternalServerError, Reason: "InternalServerError"},
			{Fault: apnsgateway.Reset},
			{Fault: apnsgateway.Drop},
		}[g.rng.IntN(5)]
	}
	var body struct {
		Marker int64 `json:"m"`
	}
	_ = json.Unmarshal(r.Body, &body) // a notification without a marker counts for push 0, which nobody sent
	if g.take != nil {
		g.take(r.Token, body.Marker)
	}
	return apnsgateway.Answer{}
}

// Notified implements ring.Service.
func (c *Cluster) Notified(take func(token string, marker int64)) {
	c.gateway.mu.Lock()
	defer c.gateway.mu.Unlock()
	c.gateway.take = take
}

// trustGateway makes the settings by which the service finds and trusts the gateway.
func (c *Cluster) trustGateway() ([]string, error) {
	file := filepath.Join(c.options.Dir, "gateway.pem")
	if err := os.WriteFile(file, c.gateway.Authority().PEM(), 0o600); err != nil {
		return nil, err
	}
	return []string{"LIGHTPUSH_APNS_HOST=" + c.gateway.URL(), "LIGHTPUSH_APNS_CA_FILE=" + file}, nil
}

// saveProfile gives the installation its default APNs profile.
func (c *Cluster) saveProfile() error {
	key, _, err := apnsgateway.NewTokenKey()
	if err != nil {
		return err
	}
	return c.admin("/api/admin/namespace/save", map[string]any{"key": "/", "auth_passwd": "chaos-root", "apns_list": []any{map[string]any{
		"name": "default", "apns_env": "production", "apns_topic": "org.example.chaos",
		"token_key": key, "token_keyId": "CHAOSKEY01", "token_teamId": "CHAOSTEAM1",
	}}})
}

// queueFigures are those of GET /api/admin/queue.
type queueFigures struct {
	Name                          string
	Waiting, Ready, Working, Dead int64
}

func (c *Cluster) queues(ctx context.Context) ([]queueFigures, error) {
	answer, err := c.request(ctx, http.MethodGet, "/api/admin/queue", "admin", adminPassword, nil)
	if err != nil {
		return nil, err
	}
	var list []queueFigures
	err = json.Unmarshal(answer, &list)
	return list, err
}

// Idle implements ring.Service.
func (c *Cluster) Idle(ctx context.Context) (idle bool, waiting string) {
	list, err := c.queues(ctx)
	if err != nil {
		return false, err.Error()
	}
	idle = true
	for _, q := range list {
		if q.Waiting+q.Ready+q.Working > 0 {
			idle = false
		}
	}
	return idle, fmt.Sprintf("%+v", list)
}

// Buried is an error when jobs were given up.
func (c *Cluster) Buried() error {
	list, err := c.queues(context.Background())
	if err != nil {
		return err
	}
	for _, q := range list {
		if q.Dead == 0 {
			continue
		}
		jobs, err := c.request(context.Background(), http.MethodGet, "/api/admin/queue/dead?queue="+q.Name, "admin", adminPassword, nil)
		if err != nil {
			return err
		}
		return fmt.Errorf("%d jobs of the queue %s were given up: %.2000s", q.Dead, q.Name, jobs)
	}
	return nil
}
