package main

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/session"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/metrics"
)

// engineMetrics reports the engine to the metrics.
type engineMetrics struct {
	engineio.NopObserver
	*metrics.Set
	*traffic
	door    *door
	onPanic func(value any, stack []byte)
}

// traffic are the counters that move with every packet. They are looked up
// once: by label that took an eighth of a connector's time in a burst.
type traffic struct{ packetsIn, bytesIn, packetsOut, bytesOut prometheus.Counter }

func newEngineMetrics(set *metrics.Set, d *door, onPanic func(value any, stack []byte)) engineMetrics {
	packets, bytes := set.Packets.WithLabelValues, set.PacketBytes.WithLabelValues
	return engineMetrics{
		Set: set, traffic: &traffic{packets("in"), bytes("in"), packets("out"), bytes("out")}, door: d, onPanic: onPanic,
	}
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
	m.packetsIn.Add(float64(packets))
	m.bytesIn.Add(float64(bytes))
}

func (m engineMetrics) Sent(packets, bytes int) {
	m.packetsOut.Add(float64(packets))
	m.bytesOut.Add(float64(bytes))
}

func (m engineMetrics) Panicked(_ *engineio.Session, value any, stack []byte) {
	m.onPanic(value, stack)
}

// apiMetrics reports the REST API.
type apiMetrics struct{ *metrics.Set }

func (m apiMetrics) Answered(route, _ string, status, code int, took time.Duration) {
	if route == "" {
		route = "unknown"
	}
	m.Requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.RequestSeconds.WithLabelValues(route).Observe(took.Seconds())
}

func (m apiMetrics) Limited(limit string) { m.RequestsLimited.WithLabelValues(limit).Inc() }

func (m apiMetrics) LoginFailed(admin, _ bool) {
	account := "namespace"
	if admin {
		account = "admin"
	}
	m.LoginFailures.WithLabelValues(account).Inc()
}

// hubMetrics reports the push domain of a connector. What comes with every
// message or ack is looked up once.
type hubMetrics struct {
	*metrics.Set
	ways, acks map[string]prometheus.Counter
}

var _ session.Observer = hubMetrics{}

func newHubMetrics(set *metrics.Set) hubMetrics {
	m := hubMetrics{Set: set, ways: map[string]prometheus.Counter{}, acks: map[string]prometheus.Counter{}}
	for _, way := range session.Ways {
		m.ways[way] = set.Deliveries.WithLabelValues(way)
	}
	for _, platform := range client.Platforms {
		m.acks[platform] = set.Acks.WithLabelValues(platform)
	}
	return m
}

func (m hubMetrics) Connected(platform string, recovered bool) {
	m.Connects.WithLabelValues(platform, strconv.FormatBool(recovered)).Inc()
}

func (m hubMetrics) Refused(reason string) {
	m.ClientsRefused.WithLabelValues(reasonLabel(reason)).Inc()
}

func (m hubMetrics) Delivered(way string, n int) { m.ways[way].Add(float64(n)) }
func (m hubMetrics) Written(after time.Duration) { m.DeliverySeconds.Observe(after.Seconds()) }
func (m hubMetrics) Acked(platform string)       { m.acks[platform].Inc() }
func (m hubMetrics) Dropped(cause string)        { m.MessagesDropped.WithLabelValues(cause).Inc() }
