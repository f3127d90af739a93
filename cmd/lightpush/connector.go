package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/connector/browserclient"
	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/relay"
	"github.com/lightpush/lightpush/connector/session"
	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/address"
	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/canary"
	"github.com/lightpush/lightpush/internal/config"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/node"
	"github.com/lightpush/lightpush/internal/push"
)

// connector is the role that terminates Socket.IO clients.
type connector struct {
	b         *backend
	node      string
	server    *socketio.Server
	entrance  *entrance
	door      *door
	origins   origins
	hub       *session.Hub
	receipts  *push.Receipts
	callbacks *callback.Caller
	reader    *bus.Reader
	lease     *node.Lease
	canary    *canary.Node // nil with canary_interval 0
}

// startConnector brings the node up: its stream first, its lease second, and
// only then may clients come. The port of listen is told to clients;
// certificate is nil without TLS.
func startConnector(ctx context.Context, b *backend, nodeID string, listen net.Addr, certificate *certificate) (c *connector, err error) {
	c = &connector{b: b, node: nodeID}
	defer func() {
		if err != nil {
			c.abort()
		}
	}()
	plan, err := planRelay(ctx, b, nodeID, listen, certificate)
	if err != nil {
		return c, err
	}
	c.origins.set(b.cfg.AllowedOrigins)
	few := b.log.Sample(&zerolog.BurstSampler{Burst: 1, Period: time.Second})
	c.door = newDoor(b.cfg, func(limit string) {
		b.metrics.RequestsLimited.WithLabelValues(limit).Inc()
		few.Warn().Str("limit", limit).Msg("handshakes are refused")
	})
	engine := engineOptions(b.cfg, b, c.door, &c.origins)
	if plan != nil {
		engine.Engine.NewID = relay.NewID(plan.tag)
		plan.advertise(b, nodeID)
	}
	if c.server, err = socketio.NewServer(engine); err != nil {
		return c, err
	}
	c.door.len = c.server.Engine().Len
	if c.entrance, err = newEntrance(b, plan, c.server); err != nil {
		return c, err
	}
	c.callbacks = callback.NewCaller(callbackOptions(b))
	c.receipts = push.NewReceipts(b.store, push.ReceiptsOptions{
		Node:     nodeID,
		Interval: b.cfg.AckFlushInterval,
		OnError:  func(err error) { b.log.Error().Err(err).Msg("record receipts; will be tried again") },
		OnDrop: func(n int) {
			b.metrics.ReceiptsLost.Add(float64(n))
			b.log.Error().Int("receipts", n).Msg("receipts dropped: too many wait for the store")
		},
	})
	c.hub = session.NewHub(c.server, hubOptions(b, c, portOf(listen)))
	c.hub.SetCeilings(ceilings(b.cfg))
	b.access.revocations.OnRevoked(c.hub.Revoked)
	var onCanary func(canary.Note)
	if c.canary = newNodeCanary(b, nodeID); c.canary != nil {
		onCanary = c.canary.Received
	}
	c.reader = bus.NewReader(b.store.Dedicated(), c.hub, bus.ReaderOptions{
		Prefix: b.store.Prefix(), Node: nodeID, OnCanary: onCanary,
		OnGap: func() {
			b.metrics.StreamGaps.Inc()
			b.log.Error().Msg("messages may have been lost: this node's stream was trimmed or removed before it was read")
		},
		OnError: func(err error) {
			if errors.Is(err, bus.ErrEntry) {
				b.metrics.MessagesDropped.WithLabelValues(dropUnreadable).Inc()
			}
			b.log.Error().Err(err).Msg("read stream")
		},
	})
	if b.cfg.NodeID != "" || b.embedded != nil {
		// A stable name: what an earlier process of it left is cleared first.
		sweeper := node.NewSweeper(b.store, nodeID, time.Minute, 0, nil, nil)
		if err = sweeper.SweepNode(ctx, nodeID); err != nil {
			return c, err
		}
	}
	if err = c.reader.Start(ctx); err != nil {
		return c, err
	}
	c.lease = node.NewLease(b.store, nodeID, b.cfg.NodeLease, c.swept, func(err error) {
		b.log.Error().Err(err).Msg("renew node lease")
	})
	if err = c.lease.Start(ctx); err == nil && c.canary != nil {
		c.canary.Start()
	}
	return c, err
}

// swept is for a node that finds itself swept although it lives.
func (c *connector) swept(ctx context.Context, since time.Time) {
	if err := c.reader.Reopen(ctx); err != nil { // the reader will, a moment later
		c.b.log.Error().Err(err).Msg("open the stream again")
	}
	c.hub.Return(ctx, since)
}

func hubOptions(b *backend, c *connector, port int) session.Options {
	host, _ := os.Hostname()
	var recovery session.Recovery
	if b.cfg.RecoveryWindow > 0 {
		recovery = b.store
	}
	return session.Options{
		Recovery: recovery,
		Inbox:    b.store, InboxPlatforms: b.cfg.OfflinePlatforms,
		Node: c.node, System: host, Port: port,
		Namespaces: b.namespaces, Presence: b.store, Clients: b.store, Nodes: b.store.Sender(),
		Push: b.push, Receipts: c.receipts, Callbacks: c.callbacks,
		Names: b.names, Rules: b.rules,
		Limits: session.Limits{
			RoomsPerClient:      b.cfg.ClientRoomsMax,
			RoomsPerRequest:     b.cfg.RoomsPerRequestMax,
			PushInterval:        b.cfg.ClientPushInterval,
			PushRequiresMember:  b.cfg.ClientPushRequireMember,
			PushMayLeaveMessage: b.cfg.ClientPushLeaveMessage,
			JoinForeignUserRoom: b.cfg.JoinForeignUserRoom,
			KickRate:            b.cfg.NamespaceOfflineKickRate,
		},
		Logger:   b.log,
		Access:   sessionAccess(b),
		Observer: newHubMetrics(b.metrics),
		ClientIP: func(remote string, forwarded []string) netip.Addr {
			return address.Client(remote, forwarded, b.cfg.TrustedProxies)
		},
	}
}

func engineOptions(cfg config.Config, b *backend, d *door, o *origins) socketio.Options {
	onPanic := func(value any, stack []byte) {
		b.metrics.Panics.Inc()
		b.log.Error().Interface("panic", value).Bytes("stack", stack).Msg("panic in the handling of a client")
	}
	var recovery *socketio.Recovery
	if cfg.RecoveryWindow > 0 {
		recovery = &socketio.Recovery{ByApplication: true}
	}
	return socketio.Options{
		Recovery: recovery,
		Engine: engineio.Options{
			PingInterval:      cfg.PingInterval,
			PingTimeout:       cfg.PingTimeout,
			UpgradeTimeout:    cfg.UpgradeTimeout,
			MaxPayload:        cfg.MaxPayload,
			PerMessageDeflate: cfg.PermessageDeflate,
			SendBuffer:        cfg.SendBuffer,
			DisablePolling:    !slices.Contains(cfg.Transports, "polling"),
			DisableWebSocket:  !slices.Contains(cfg.Transports, "websocket"),
			AllowOrigin:       o.allows,
			Cookie:            "io",
			KeepHeaders:       []string{"Cookie", "X-Forwarded-For", "Authorization"},
			Observer:          newEngineMetrics(b.metrics, d, onPanic),
		},
		ConnectTimeout: cfg.ConnectTimeout,
		IgnoreRoot:     true,
		OnPanic:        onPanic,
	}
}

// changed is told of namespaces that were saved.
func (c *connector) changed(namespaces []*namespace.Namespace) { c.hub.NamespacesChanged(namespaces) }

// paths mounts the engine where clients look for it.
func (c *connector) paths() map[string]http.Handler {
	engines := map[string]http.Handler{}
	for _, path := range []string{"/socket.io", "/push/socket.io"} {
		engines[path] = browserclient.Before(path, c.door.before(c.entrance.handler))
	}
	return engines
}

// stop sends clients away, writes what they left and takes the node out of
// the cluster.
func (c *connector) stop(ctx context.Context) error {
	if c.entrance.relay != nil {
		c.entrance.relay.Close()
	}
	if c.canary != nil {
		c.canary.Close()
	}
	err := c.server.Shutdown(ctx)
	c.hub.Close()
	c.reader.Close()
	c.receipts.Close()
	c.callbacks.Close()
	c.lease.Stop()
	drop, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.b.cfg.RedisTimeout)
	defer cancel()
	if c.hub.Devices()+c.hub.Abandoned() == 0 { // else the lease runs out and a sweep follows
		if dropErr := c.b.store.Drop(drop, c.node); err == nil {
			err = dropErr
		}
	}
	if err != nil {
		return fmt.Errorf("stop connector: %w", err)
	}
	return nil
}

// abort frees what a failed start has made.
func (c *connector) abort() {
	if c.entrance != nil && c.entrance.relay != nil {
		c.entrance.relay.Close()
	}
	if c.hub != nil {
		c.hub.Close()
	}
	if c.reader != nil {
		c.reader.Close()
	}
	if c.receipts != nil {
		c.receipts.Close()
	}
	if c.callbacks != nil {
		c.callbacks.Close()
	}
}
