// Package metrics names every figure the service reports to Prometheus, once.
// Packages report through small observer interfaces of their own; cmd
// connects those to this package.
//
// It imports only the Prometheus client. A Set is safe for concurrent use.
package metrics

import (
	"net/http"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Set are all metrics of one process.
type Set struct {
	registry *prometheus.Registry

	SessionsOpened *prometheus.CounterVec // by protocol
	SessionsClosed *prometheus.CounterVec // by reason
	Upgrades       prometheus.Counter
	Refused        *prometheus.CounterVec // engine requests, by error code
	SlowClients    prometheus.Counter
	FramesRefused  *prometheus.CounterVec // WebSockets closed, by violation of RFC 6455
	FastClients    prometheus.Counter
	Incomplete     prometheus.Counter
	Packets        *prometheus.CounterVec // by direction
	PacketBytes    *prometheus.CounterVec // by direction
	Panics         prometheus.Counter

	Relayed           *prometheus.CounterVec // requests for sessions of other nodes, by kind and outcome
	RelayRefused      prometheus.Counter
	HandshakesRefused *prometheus.CounterVec // by reason
	Drained           prometheus.Counter

	Connects        *prometheus.CounterVec // devices let in, by platform and whether a session was recovered
	Deliveries      *prometheus.CounterVec // by way
	DeliverySeconds prometheus.Histogram
	Acks            *prometheus.CounterVec // by platform
	MessagesDropped *prometheus.CounterVec // by reason

	PushSeconds    prometheus.Histogram
	CommitSize     prometheus.Histogram
	CommitSeconds  prometheus.Histogram
	CommitFailures prometheus.Counter
	ReceiptsLost   prometheus.Counter

	RedisSeconds prometheus.Histogram
	RedisErrors  prometheus.Counter

	Requests       *prometheus.CounterVec   // by route and status
	RequestSeconds *prometheus.HistogramVec // by route
	LoginFailures  *prometheus.CounterVec   // by account kind

	Callbacks        *prometheus.CounterVec   // by kind and result
	Jobs             *prometheus.CounterVec   // attempts, by queue and outcome
	OfflineDevices   *prometheus.CounterVec   // decisions about devices, by platform and state
	Notifications    *prometheus.HistogramVec // of push services, by service and outcome
	JobSeconds       *prometheus.HistogramVec // by queue
	CanarySeconds    *prometheus.HistogramVec // age of canaries that came, by who wrote them
	CanaryFailures   *prometheus.CounterVec   // by failure
	StreamGaps       prometheus.Counter
	NodesSwept       prometheus.Counter
	ClientsSwept     prometheus.Counter
	ClientsForgotten prometheus.Counter
	Purges           *prometheus.CounterVec // by kind
	StoreErrors      prometheus.Counter
	ClientsRefused   *prometheus.CounterVec // by reason
	RequestsLimited  *prometheus.CounterVec // by limit
}

const prefix = "lightpush_"

// New returns a Set with the Go runtime's and the process's own metrics.
func New() *Set {
	s := &Set{registry: prometheus.NewRegistry()}
	s.registry.MustRegister(collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(
		collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/sched/(latencies|pauses/total/gc):seconds$`)},
	)), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	s.SessionsOpened = s.counters("sessions_opened_total", "Engine.IO sessions opened.", "protocol")
	s.SessionsClosed = s.counters("sessions_closed_total", "Engine.IO sessions closed.", "reason")
	s.Upgrades = s.counter("upgrades_total", "Sessions upgraded from polling to WebSocket.")
	s.Refused = s.counters("engine_refused_total", "Engine.IO requests answered with an error.", "code")
	s.SlowClients = s.counter("slow_clients_total", "Sessions closed because too much waited for them, or for too long.")
	s.FramesRefused = s.counters("frames_refused_total", "WebSockets closed because of what their client sent.", "violation")
	s.FastClients = s.counter("fast_clients_total", "Times a session was not read for a while because it brought more than was handled.")
	s.Incomplete = s.counter("requests_incomplete_total", "Connections that ended before they brought a whole request.")
	s.Packets = s.counters("packets_total", "Engine.IO packets.", "direction")
	s.PacketBytes = s.counters("packet_bytes_total", "Content of Engine.IO packets.", "direction")
	s.Panics = s.counter("panics_total", "Panics in the handling of a client.")

	s.Relayed = s.counters("relayed_total", "Requests for sessions of other nodes.", "kind", "outcome")
	s.RelayRefused = s.counter("relay_refused_total", "Requests that claimed to come from another node and did not.")
	s.HandshakesRefused = s.counters("handshakes_refused_total", "New connections answered 503.", "reason")
	s.Drained = s.counter("drained_total", "Clients sent away because this node stops.")

	s.Connects = s.counters("connects_total", "Devices let into their namespaces.", "platform", "recovered")
	s.Deliveries = s.counters("deliveries_total", "Messages handed to connections, once per connection.", "way")
	s.DeliverySeconds = s.histogram("delivery_seconds", "From the acceptance of a push to its writing to the connections of this node.",
		[]float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30})
	s.Acks = s.counters("acks_total", "Messages confirmed by devices.", "platform")
	s.MessagesDropped = s.counters("messages_dropped_total", "Messages that were dropped.", "reason")

	s.PushSeconds = s.histogram("push_seconds", "From the acceptance of a push to its storing, waiting included.", prometheus.ExponentialBuckets(0.0001, 2, 17))
	s.CommitSize = s.histogram("push_commit_size", "Pushes per group commit.", prometheus.ExponentialBuckets(1, 2, 10))
	s.CommitSeconds = s.histogram("push_commit_seconds", "Time of a group commit.", prometheus.ExponentialBuckets(0.0001, 2, 16))
	s.CommitFailures = s.counter("push_commit_failures_total", "Group commits that failed.")
	s.ReceiptsLost = s.counter("receipts_dropped_total", "Deliveries and acks dropped because too many waited for the store.")

	s.RedisSeconds = s.histogram("redis_seconds", "Round trips to Redis as the service waits for them, a pipeline being one.", prometheus.ExponentialBuckets(0.00005, 2, 17))
	s.RedisErrors = s.counter("redis_errors_total", "Round trips to Redis that failed.")

	s.Requests = s.counters("requests_total", "REST requests.", "route", "status")
	s.RequestSeconds = s.histograms("request_seconds", "Time of REST requests.", prometheus.ExponentialBuckets(0.0001, 2, 16), "route")
	s.LoginFailures = s.counters("login_failures_total", "Refused credentials of the REST API.", "account")

	s.Callbacks = s.counters("callbacks_total", "Callbacks to business systems.", "callback", "result")
	s.OfflineDevices = s.counters("offline_devices_total", "Decisions of the offline worker about devices.", "platform", "state")
	s.Notifications = s.histograms("notification_seconds", "Time of a notification until its outcome, repeats included.", prometheus.ExponentialBuckets(0.001, 2, 16), "service", "outcome")
	s.Jobs = s.counters("queue_attempts_total", "Attempts at jobs of the queues.", "queue", "outcome")
	s.JobSeconds = s.histograms("queue_attempt_seconds", "Time of an attempt at a job.", prometheus.ExponentialBuckets(0.001, 2, 16), "queue")
	s.CanarySeconds = s.histograms("canary_seconds", "Age of the canaries that arrive in this node's stream; that of others by two clocks.",
		prometheus.ExponentialBuckets(0.0005, 2, 16), "from")
	s.CanaryFailures = s.counters("canary_failures_total", "Intervals in which the canary found messages not to flow.", "failure")
	s.StreamGaps = s.counter("stream_gaps_total", "Times this node may have missed messages.")
	s.NodesSwept = s.counter("nodes_swept_total", "Dead nodes cleared by this process.")
	s.ClientsSwept = s.counter("clients_swept_total", "Clients of dead nodes taken offline by this process.")
	s.ClientsForgotten = s.counter("clients_forgotten_total", "Clients removed by this process because they were not seen for long.")
	s.Purges = s.counters("namespace_purges_total", "Namespaces cleared or removed by this process.", "purge")
	s.StoreErrors = s.counter("store_errors_total", "Failures of the store in the background.")
	s.ClientsRefused = s.counters("clients_refused_total", "Clients refused or sent away by a token, a signature, a revocation or a limit.", "reason")
	s.RequestsLimited = s.counters("requests_limited_total", "Requests and handshakes refused by a limit.", "limit")
	return s
}

// Gauge adds a figure that is asked for when it is scraped; f must be quick
// and safe for concurrent use.
func (s *Set) Gauge(name, help string, f func() float64) {
	s.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, f))
}

// Counter adds a count that somebody else keeps; f as for Gauge.
func (s *Set) Counter(name, help string, f func() float64) {
	s.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: prefix + name, Help: help}, f))
}

// Gauges adds figures with labels that are asked for when they are scraped. f
// gives each of them once, with as many values as there are labels.
func (s *Set) Gauges(name, help string, labels []string, f func(give func(value float64, values ...string))) {
	s.registry.MustRegister(gaugesFunc{prometheus.NewDesc(prefix+name, help, labels, nil), f})
}

// Info adds a figure that is always 1 and says something by its labels.
func (s *Set) Info(name, help string, labels map[string]string) {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help, ConstLabels: labels})
	g.Set(1)
	s.registry.MustRegister(g)
}

// Known makes figures of a label appear as zeros before anything is counted:
// the first increase of one that is not there is no increase to Prometheus.
// Each set of values is one figure.
func Known(c interface {
	GetMetricWithLabelValues(...string) (prometheus.Counter, error)
}, sets ...[]string) {
	for _, values := range sets {
		_, _ = c.GetMetricWithLabelValues(values...) // fails on the wrong number only, which the tests would see
	}
}

// Each are the values of one label, for Known.
func Each[T ~string](values ...T) (sets [][]string) {
	for _, v := range values {
		sets = append(sets, []string{string(v)})
	}
	return sets
}

// Pairs are all combinations of the values of two labels, for Known.
func Pairs[A, B ~string](first []A, second []B) (sets [][]string) {
	for _, a := range first {
		for _, b := range second {
			sets = append(sets, []string{string(a), string(b)})
		}
	}
	return sets
}

type gaugesFunc struct {
	desc *prometheus.Desc
	f    func(give func(value float64, values ...string))
}

// Describe implements prometheus.Collector.
func (g gaugesFunc) Describe(out chan<- *prometheus.Desc) { out <- g.desc }

// Collect implements prometheus.Collector.
func (g gaugesFunc) Collect(out chan<- prometheus.Metric) {
	g.f(func(value float64, values ...string) {
		out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value, values...)
	})
}

// Handler serves the metrics in the Prometheus text format.
func (s *Set) Handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
	})
}

func (s *Set) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	s.registry.MustRegister(c)
	return c
}

func (s *Set) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	s.registry.MustRegister(c)
	return c
}

func (s *Set) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets})
	s.registry.MustRegister(h)
	return h
}

func (s *Set) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}, labels)
	s.registry.MustRegister(h)
	return h
}
