package main

import (
	"crypto/rand"
	"encoding/hex"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/lightpush/lightpush/internal/admin"
	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/logic/api"
	"github.com/lightpush/lightpush/logic/offline"
	"github.com/lightpush/lightpush/logic/offline/apns"
)

// consoleRole is the part of the logic role that the web console needs.
type consoleRole struct {
	options *api.ConsoleOptions
	sampler *console.Sampler
	tester  *callback.Tester
}

func newConsoleRole(b *backend, id string, service *apns.Provider) (*consoleRole, error) {
	explainer, err := offline.NewExplainer(offlineOptions(b, service), b.store)
	if err != nil {
		return nil, err
	}
	tester := callback.NewTester(callbackOptions(b))
	o := &api.ConsoleOptions{
		Store: b.store, Explain: explainer, Callbacks: tester, OfflinePlatforms: b.cfg.OfflinePlatforms, Beat: pulseEvery(b),
	}
	if b.cfg.ViewerName != "" {
		o.Viewer = admin.Configured(b.cfg.ViewerName, b.cfg.ViewerPasswd.Reveal())
	}
	var unique [4]byte // a restart under the same name is another process
	_, _ = rand.Read(unique[:])
	sampler := console.NewSampler(b.store, func() []string {
		var keys []string
		for _, ns := range b.namespaces.List() {
			keys = append(keys, ns.Key)
		}
		return keys
	}, id+"-"+hex.EncodeToString(unique[:]), nil, func(err error) { b.log.Error().Err(err).Msg("figures of the minute") })
	return &consoleRole{options: o, sampler: sampler, tester: tester}, nil
}

// close may be called without a start of the sampler.
func (c *consoleRole) close() {
	c.sampler.Close()
	c.tester.Close()
}

// pulseEvery is the interval of heartbeats: with the beats of a node's lease.
func pulseEvery(b *backend) time.Duration { return b.cfg.NodeLease / 3 }

// newPulse publishes what this process says of itself.
func newPulse(p *process, address string) *console.Pulse {
	started, role := time.Now(), p.roleName()
	var cpu cpuMeter
	return console.NewPulse(p.backend.store, p.node, pulseEvery(p.backend), func() console.Heartbeat {
		h := console.Heartbeat{
			Role: role, Address: address, Version: version(), Started: started.UnixMilli(), At: time.Now().UnixMilli(),
			Memory: heldMemory(), Goroutines: int64(runtime.NumGoroutine()), CPU: cpu.use(),
		}
		if c := p.connector; c != nil {
			stats := c.reader.Stats()
			h.Clients, h.Sessions = int64(c.hub.Devices()), int64(c.server.Engine().Len())
			h.Lag = console.Lag{Entries: stats.Backlog, Ms: stats.Behind.Milliseconds()}
		}
		return h
	}, func(err error) { p.log.Warn().Err(err).Msg("publish heartbeat") })
}

// heldMemory is what the runtime holds of the system, in bytes.
func heldMemory() int64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}

// cpuMeter measures the processor time of this process between two looks.
type cpuMeter struct {
	at   time.Time
	used time.Duration
}

// use is the number of cores in use since the last call, 0 at the first.
func (m *cpuMeter) use() (cores float64) {
	now, used := time.Now(), processTime()
	if passed := now.Sub(m.at); !m.at.IsZero() && passed > 0 {
		cores = float64(int64(1000*(used-m.used)/passed)) / 1000
	}
	m.at, m.used = now, used
	return max(cores, 0)
}
