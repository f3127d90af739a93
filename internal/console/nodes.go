package console

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// Heartbeat is what a process says of itself.
type Heartbeat struct {
	ID         string  `json:"id"`
	Role       string  `json:"role"`
	Address    string  `json:"address"`
	Version    string  `json:"version"`
	Started    int64   `json:"started"` // ms
	At         int64   `json:"at"`      // of this record, ms
	Lease      int64   `json:"lease"`   // ms left; 0 when it has run out
	Clients    int64   `json:"clients"`
	Sessions   int64   `json:"sessions"`
	Lag        Lag     `json:"lag"`
	Memory     int64   `json:"memory"` // bytes held from the system
	Goroutines int64   `json:"goroutines"`
	CPU        float64 `json:"cpu"` // cores in use since the record before
}

// Lag is how far a node is behind its stream.
type Lag struct {
	Entries int64 `json:"entries"`
	Ms      int64 `json:"ms"`
}

// HeartbeatStore keeps the last record of every process.
type HeartbeatStore interface {
	PutHeartbeat(ctx context.Context, id string, record []byte) error
	Heartbeats(ctx context.Context) (map[string][]byte, error)
	DropHeartbeats(ctx context.Context, ids []string) error
	// Nodes are the ends of the leases of nodes.
	Nodes(ctx context.Context) (map[string]time.Time, error)
}

const (
	heartbeatTimeout = 3 * time.Second
	// heartbeatGone is when a process that says nothing is no longer shown.
	heartbeatGone = 10 * time.Minute
)

// Pulse publishes the heartbeat of this process.
type Pulse struct {
	store   HeartbeatStore
	id      string
	every   time.Duration
	read    func() Heartbeat
	onError func(error)

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// NewPulse returns a Pulse that publishes what read says of the process of that
// id at an interval. read is called by the Pulse's goroutine only; onError may
// be nil.
func NewPulse(store HeartbeatStore, id string, every time.Duration, read func() Heartbeat, onError func(error)) *Pulse {
	if onError == nil {
		onError = func(error) {}
	}
	p := &Pulse{store: store, id: id, every: every, read: read, onError: onError}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Start starts the goroutine; Close ends it.
func (p *Pulse) Start() { p.wg.Go(p.run) }

// Close takes the process off the list.
func (p *Pulse) Close() {
	p.cancel()
	p.wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), heartbeatTimeout)
	defer cancel()
	_ = p.store.DropHeartbeats(ctx, []string{p.id}) // else it is shown as gone for a while
}

func (p *Pulse) run() {
	ticker := time.NewTicker(p.every)
	defer ticker.Stop()
	for {
		if err := p.beat(); err != nil && p.ctx.Err() == nil {
			p.onError(err)
		}
		select {
		case <-p.ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (p *Pulse) beat() error {
	h := p.read()
	h.ID = p.id
	record, err := json.Marshal(h)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, heartbeatTimeout)
	defer cancel()
	return p.store.PutHeartbeat(ctx, p.id, record)
}

// Nodes lists the processes by role and id. beat is the interval of their
// heartbeats: one without a lease of its own counts as gone after three.
func Nodes(ctx context.Context, store HeartbeatStore, now time.Time, beat time.Duration) ([]Heartbeat, error) {
	records, err := store.Heartbeats(ctx)
	if err != nil {
		return nil, err
	}
	leases, err := store.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	list := []Heartbeat{}
	var gone []string
	for id, record := range records {
		var h Heartbeat
		if json.Unmarshal(record, &h) != nil || h.ID != id || now.Sub(time.UnixMilli(h.At)) > heartbeatGone {
			gone = append(gone, id)
			continue
		}
		end, ok := leases[id]
		if !ok {
			end = time.UnixMilli(h.At).Add(3 * beat)
		}
		h.Lease = max(0, end.Sub(now).Milliseconds())
		list = append(list, h)
	}
	for id, end := range leases { // of another version, or not yet heard of
		if _, ok := records[id]; !ok {
			list = append(list, Heartbeat{ID: id, Role: "connector", Lease: max(0, end.Sub(now).Milliseconds())})
		}
	}
	slices.SortFunc(list, func(a, b Heartbeat) int { return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.ID, b.ID)) })
	return list, store.DropHeartbeats(ctx, gone)
}

// RedisHealth is the state of the store's server, or of all servers of a
// cluster together.
type RedisHealth struct {
	OK               bool     `json:"ok"`
	Latency          float64  `json:"latency"` // of a ping, ms
	Version          string   `json:"version"` // "" when it does not tell
	Mode             string   `json:"mode"`    // single, sentinel, cluster, embedded
	UsedMemory       int64    `json:"usedMemory"`
	MaxMemory        int64    `json:"maxMemory"` // bytes; 0 for no limit
	Policy           string   `json:"policy"`
	Persistence      string   `json:"persistence"`
	OpsPerSecond     int64    `json:"opsPerSecond"`
	ConnectedClients int64    `json:"connectedClients"`
	Warnings         []string `json:"warnings"`
}

// RedisStore tells how the store's server is.
type RedisStore interface {
	RedisHealth(ctx context.Context) RedisHealth
}
