package main

import (
	"strconv"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/internal/metrics"
	"github.com/lightpush/lightpush/logic/api"
)

// engineMetrics reports the engine to the metrics.
type engineMetrics struct {
	engineio.NopObserver
	*metrics.Set
	door    *door
	onPanic func(value any, stack []byte)
}

func (m engineMetrics) SessionOpened(s *engineio.Session) {
	m.door.opened(s)
	m.SessionsOpened.WithLabelValues(strconv.Itoa(int(s.Protocol()))).Inc()
}

func (m engineMetrics) SessionClosed(s *engineio.Session, reason engineio.Reason) {
	m.door.closed(s)
	m.SessionsClosed.WithLabelValues(string(reason)).Inc()
}

func (m engineMetrics) SessionUpgraded(*engineio.Session) { m.Upgrades.Inc() }

func (m engineMetrics) RequestRefused(code engineio.Code) {
	m.Refused.WithLabelValues(strconv.Itoa(int(code))).Inc()
}

func (m engineMetrics) Overflowed(*engineio.Session) { m.SlowClients.Inc() }

func (m engineMetrics) FrameRefused(violation string) {
	m.FramesRefused.WithLabelValues(violation).Inc()
}

func (m engineMetrics) Paused(*engineio.Session) { m.FastClients.Inc() }

func (m engineMetrics) Received(packets, bytes int) {
	m.Packets.WithLabelValues("in").Add(float64(packets))
	m.PacketBytes.WithLabelValues("in").Add(float64(bytes))
}

func (m engineMetrics) Sent(packets, bytes int) {
	m.Packets.WithLabelValues("out").Add(float64(packets))
	m.PacketBytes.WithLabelValues("out").Add(float64(bytes))
}

func (m engineMetrics) Panicked(_ *engineio.Session, value any, stack []byte) {
	m.onPanic(value, stack)
}

// apiMetrics reports the REST API.
type apiMetrics struct{ *metrics.Set }

func (m apiMetrics) Answered(route, _ string, status, code int, took time.Duration) {
	if code == api.FailTooManyRequests.Code {
		m.RequestsLimited.WithLabelValues("requests_per_second").Inc()
	}
	if route == "" {
		route = "unknown"
	}
	m.Requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.RequestSeconds.WithLabelValues(route).Observe(took.Seconds())
}

func (m apiMetrics) LoginFailed(admin, _ bool) {
	account := "namespace"
	if admin {
		account = "admin"
	}
	m.LoginFailures.WithLabelValues(account).Inc()
}

// gauges registers what can be asked at any time.
func (p *process) gauges(set *metrics.Set) {
	b := p.backend
	set.Gauge("push_queue", "Pushes that wait for a group commit.", func() float64 { return float64(b.committer.Queued()) })
	set.Gauge("namespaces", "Namespaces known to this process.", func() float64 { return float64(len(b.namespaces.List())) })
	if b.embedded != nil {
		set.Gauge("embedded_log_bytes", "Size of the embedded store's log.", func() float64 { return float64(b.embedded.Stats().LogBytes) })
		set.Gauge("embedded_failed", "1 while the embedded store refuses writes.", func() float64 {
			if b.embedded.Stats().Failed {
				return 1
			}
			return 0
		})
	}
	if p.logic != nil {
		set.Queues(queueFigures(b))
	}
	c := p.connector
	if c == nil {
		return
	}
	set.Gauge("sessions", "Open Engine.IO sessions.", func() float64 { return float64(c.server.Engine().Len()) })
	set.Gauge("draining", "1 while this node sends its clients away.", func() float64 {
		if b.draining.Load() {
			return 1
		}
		return 0
	})
	if relay := c.entrance.relay; relay != nil {
		set.Gauge("relay_active", "Requests and WebSockets of other nodes' sessions that pass through here.", func() float64 { return float64(relay.Active()) })
		set.Gauge("relay_tunnels", "WebSockets of other nodes' sessions that pass through here.", func() float64 { return float64(relay.Tunnels()) })
	}
	set.Gauge("devices", "Admitted devices.", func() float64 { return float64(c.hub.Devices()) })
	set.Gauge("receipt_queue", "Deliveries and acks that wait to be recorded.", func() float64 { return float64(c.receipts.Queued()) })
	set.Gauge("stream_backlog", "Entries of this node's stream that are not handled yet.", func() float64 { return float64(c.reader.Stats().Backlog) })
	set.Gauge("node_lease_held", "1 while this node's lease is fresh.", func() float64 {
		if c.lease.Held() {
			return 1
		}
		return 0
	})
}
