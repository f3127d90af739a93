package main

import (
	"runtime"
	"strconv"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/gate"
	"github.com/lightpush/lightpush/connector/relay"
	"github.com/lightpush/lightpush/connector/session"
	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/connector/wsframe"
	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/metrics"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
	"github.com/lightpush/lightpush/logic/offline/provider"
)

// gauges registers what can be asked at any time, and the zeros of what will be
// counted.
func (p *process) gauges(set *metrics.Set) {
	b := p.backend
	set.Info("build_info", "What this process is.", map[string]string{
		"version": version(), "go": runtime.Version(), "role": p.roleName(), "node": p.node,
	})
	set.Gauge("ready", "1 while this process can serve, as /readyz says.", func() float64 { return oneIf(len(p.reasons()) == 0) })
	set.Gauge("push_queue", "Pushes that wait for a group commit.", func() float64 { return float64(b.committer.Queued()) })
	set.Gauge("namespaces", "Namespaces known to this process.", func() float64 { return float64(len(b.namespaces.List())) })
	set.Gauges("redis_connections", "Connections to Redis, those of stream readers not among them.", []string{"state"}, func(give func(float64, ...string)) {
		used, idle, _ := b.store.Pool()
		give(float64(used), "used")
		give(float64(idle), "idle")
	})
	set.Counter("redis_pool_timeouts_total", "Times no connection to Redis became free in time.", func() float64 {
		_, _, timeouts := b.store.Pool()
		return float64(timeouts)
	})
	if b.embedded != nil {
		set.Gauge("embedded_log_bytes", "Size of the embedded store's log.", func() float64 { return float64(b.embedded.Stats().LogBytes) })
		set.Gauge("embedded_failed", "1 while the embedded store refuses writes.", func() float64 { return oneIf(b.embedded.Stats().Failed) })
	}
	knownOfCanary(set)
	if p.logic != nil {
		set.Queues(queueFigures(b))
		knownOfLogic(set)
	}
	if p.connector != nil {
		p.connector.gauges(set)
		knownOfConnector(set)
	}
}

func (p *process) roleName() string {
	if p.role == roleAll {
		return "all"
	}
	return string(p.role)
}

func (c *connector) gauges(set *metrics.Set) {
	b := c.b
	set.Gauges("sessions", "Open Engine.IO sessions.", []string{"protocol", "transport"}, func(give func(float64, ...string)) {
		for _, n := range c.server.Engine().Counts() {
			give(float64(n.Sessions), strconv.Itoa(int(n.Protocol)), n.Transport)
		}
	})
	set.Gauges("devices", "Admitted devices.", []string{"platform"}, func(give func(float64, ...string)) {
		for _, platform := range client.Platforms {
			give(float64(c.hub.DevicesOn(platform)), platform)
		}
	})
	set.Gauge("draining", "1 while this node sends its clients away.", func() float64 { return oneIf(b.draining.Load()) })
	if relay := c.entrance.relay; relay != nil {
		set.Gauge("relay_active", "Requests and WebSockets of other nodes' sessions that pass through here.", func() float64 { return float64(relay.Active()) })
		set.Gauge("relay_tunnels", "WebSockets of other nodes' sessions that pass through here.", func() float64 { return float64(relay.Tunnels()) })
	}
	set.Gauge("receipt_queue", "Deliveries and acks that wait to be recorded.", func() float64 { return float64(c.receipts.Queued()) })
	set.Gauge("stream_backlog", "Entries of this node's stream that are not handled yet.", func() float64 { return float64(c.reader.Stats().Backlog) })
	set.Gauge("stream_lag_seconds", "How much older the last entry handled is than the newest in this node's stream.", func() float64 { return c.reader.Stats().Behind.Seconds() })
	set.Counter("stream_entries_total", "Entries of this node's stream that were handled.", func() float64 { return float64(c.reader.Stats().Entries) })
	set.Counter("stream_errors_total", "Failed reads of this node's stream.", func() float64 { return float64(c.reader.Stats().Errors) })
	set.Gauge("node_lease_held", "1 while this node's lease is fresh.", func() float64 { return oneIf(c.lease.Held()) })
}

// Reasons for which messages are dropped, beside those of the hub.
const (
	dropUnreadable = "unreadable" // an entry of the stream
	dropInboxFull  = "inbox_full"
)

// knownOfConnector makes what a connector counts appear before it happens.
func knownOfConnector(set *metrics.Set) {
	metrics.Known(set.SessionsOpened, metrics.Each("3", "4")...)
	metrics.Known(set.SessionsClosed, metrics.Each(
		engineio.ReasonTransportClose, engineio.ReasonTransportError, engineio.ReasonParseError, engineio.ReasonPingTimeout,
		engineio.ReasonForcedClose, engineio.ReasonForcedServerClose, engineio.ReasonServerShutdown, engineio.ReasonSlowClient,
		engineio.ReasonReceiverPanic, socketio.ReasonServerNamespace,
	)...)
	for code := engineio.CodeUnknownTransport; code <= engineio.CodeUnsupportedProtocol; code++ {
		metrics.Known(set.Refused, []string{strconv.Itoa(int(code))})
	}
	for _, violation := range wsframe.Violations {
		metrics.Known(set.FramesRefused, []string{violation.Text})
	}
	metrics.Known(set.Packets, metrics.Each("in", "out")...)
	metrics.Known(set.PacketBytes, metrics.Each("in", "out")...)
	metrics.Known(set.RequestsLimited, metrics.Each("connections_per_node", "connections_per_address", "handshakes_per_second")...)
	metrics.Known(set.HandshakesRefused, metrics.Each(gate.Rate, gate.Leaving)...)
	for reason := range knownReasons {
		metrics.Known(set.ClientsRefused, []string{reason})
	}
	metrics.Known(set.ClientsRefused, []string{reasonOther}, []string{reasonCallback})
	metrics.Known(set.Connects, metrics.Pairs(client.Platforms[:], []string{"true", "false"})...)
	metrics.Known(set.MessagesDropped, metrics.Each(session.DropEncode, dropUnreadable)...)
	metrics.Known(set.Relayed, metrics.Pairs(
		[]relay.Kind{relay.Poll, relay.Post, relay.Upgrade},
		[]relay.Outcome{relay.Relayed, relay.Unknown, relay.Dead, relay.Gone, relay.Busy})...)
	metrics.Known(set.Callbacks, metrics.Pairs([]string{callback.KindConnect},
		[]string{callback.ResultAccepted, callback.ResultRefused, callback.ResultNoAnswer, callback.ResultSkipped})...)
}

// knownOfLogic is the same for the REST API and the queues.
func knownOfLogic(set *metrics.Set) {
	metrics.Known(set.RequestsLimited, metrics.Each("requests_per_second", "max_pushes_per_second", "max_push_bytes")...)
	metrics.Known(set.LoginFailures, metrics.Each("namespace", "admin")...)
	metrics.Known(set.Callbacks, metrics.Pairs([]string{callback.KindDisconnect},
		[]string{callback.ResultDelivered, callback.ResultNoAnswer, callback.ResultRepeat, callback.ResultDelayed})...)
	metrics.Known(set.Jobs, metrics.Pairs(queue.Names[:],
		[]queue.Outcome{queue.OutcomeDone, queue.OutcomeDropped, queue.OutcomeAgain, queue.OutcomeFailed, queue.OutcomeBuried})...)
	for _, name := range queue.Names {
		set.JobSeconds.WithLabelValues(name)
	}
	metrics.Known(set.OfflineDevices, metrics.Pairs(client.Platforms[:], []push.State{
		push.StateInbox, push.StateAPNs, push.StateAPNsFailed, push.StateNoToken, push.StateMuted, push.StateOptOut, push.StateLive, push.StatePending,
	})...)
	for o := provider.Sent; o <= provider.Unavailable; o++ {
		set.Notifications.WithLabelValues("apns", o.String())
	}
	metrics.Known(set.MessagesDropped, metrics.Each(dropInboxFull)...)
	metrics.Known(set.Purges, metrics.Each(namespace.PurgeRealtime, namespace.PurgeClear, namespace.PurgeFlush)...)
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
