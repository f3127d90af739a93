package main

import (
	"context"
	"sync"
	"time"

	"github.com/lightpush/lightpush/internal/admin"
	"github.com/lightpush/lightpush/internal/canary"
	"github.com/lightpush/lightpush/internal/maintenance"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/node"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/store"
	"github.com/lightpush/lightpush/logic/api"
	"github.com/lightpush/lightpush/logic/report"
	"github.com/lightpush/lightpush/logic/schedule"
)

// logic is the role that serves the REST API and keeps the store tidy.
type logic struct {
	api       *api.API
	docs      *api.Docs
	sweeper   *node.Sweeper
	schedule  *schedule.Scheduler
	upkeep    *maintenance.Service
	farewells *farewells
	offline   *deliveries
	console   *consoleRole
	canary    *canary.Logic // nil with canary_interval 0, and beside a connector
	generated string        // the administrator's password, when it was generated now
}

// sweepInterval is how often dead nodes are looked for.
const sweepInterval = 5 * time.Second

func startLogic(ctx context.Context, b *backend, id string) (*logic, error) {
	l := &logic{}
	var auth *admin.Auth
	var err error
	if b.cfg.AdminPasswd.IsEmpty() {
		auth, l.generated, err = admin.Generated(ctx, b.store, b.cfg.AdminName, b.namespaces.Verifier())
	} else {
		auth = admin.Configured(b.cfg.AdminName, b.cfg.AdminPasswd.Reveal())
	}
	if err != nil {
		return nil, err
	}
	if l.docs, err = api.NewDocs(); err != nil {
		return nil, err
	}
	l.upkeep = maintenance.New(maintenanceOptions(b, id))
	service, err := newAPNs(b)
	if err != nil {
		return nil, err
	}
	if l.console, err = newConsoleRole(b, id, service); err != nil {
		return nil, err
	}
	l.api, err = api.New(api.Options{
		Console:     l.console.options,
		APNs:        service,
		Maintenance: l.upkeep,
		Access:      &api.AccessOptions{Revocations: b.access.revocations, Keys: b.store},
		Namespaces:  b.namespaces,
		Push:        b.push,
		Batches:     batches{b.push, b.store},
		BatchMax:    b.cfg.RestBatchMax,
		Devices:     b.store,
		Queues:      b.store.Queues(),
		Admin:       auth,
		Rules:       b.rules,
		Reports: report.New(b.store, report.Options{
			HistoryMax:    b.cfg.PushMessageListMaxLimit,
			OnlineListMax: b.cfg.ReportOnlineListMaxLimit,
			AckDetailMax:  b.cfg.ReportPushAckDetailMaxLimit,

			OfflinePlatforms: b.cfg.OfflinePlatforms,
		}),
		JSONLimit:         int64(b.cfg.RestBodyLimit),
		FormLimit:         int64(b.cfg.FormBodyLimit),
		TrustedProxies:    b.cfg.TrustedProxies,
		AllowedOrigins:    b.cfg.AllowedOrigins,
		FailuresPerMinute: b.cfg.AuthFailuresPerMinute,
		RoomsMax:          b.cfg.RoomsPerRequestMax,
		RequestsPerSecond: b.cfg.RequestsPerSecond,
		Ready:             b.ready,
		Logger:            b.log,
		Observer:          apiMetrics{b.metrics},
	})
	if err != nil {
		return nil, err
	}
	l.sweeper = node.NewSweeper(b.store, id, min(sweepInterval, b.cfg.NodeLease/2), b.cfg.NodeLease,
		func(node string, clients int) {
			b.metrics.NodesSwept.Inc()
			b.metrics.ClientsSwept.Add(float64(clients))
			b.log.Warn().Str("node", node).Int("clients", clients).Msg("a node has died; its clients are offline now")
		},
		func(err error) { b.log.Error().Err(err).Msg("sweep dead nodes") })
	l.schedule = schedule.New(b.store, id, func(job string, err error) {
		b.log.Error().Err(err).Str("job", job).Msg("housekeeping")
	})
	if err := l.schedule.Add(b.cfg.HousekeepingHourly, "rooms", 10*time.Minute, b.reconcileRooms); err != nil {
		return nil, err
	}
	if err := l.schedule.Add(b.cfg.HousekeepingDaily, "clients", 6*time.Hour, l.upkeep.Sweep); err != nil {
		return nil, err
	}
	if l.offline, err = startDeliveries(b, id, service); err != nil {
		return nil, err
	}
	l.farewells = startFarewells(b, id)
	l.upkeep.Start()
	l.sweeper.Start()
	l.schedule.Start()
	l.console.sampler.Start()
	return l, nil
}

// reconcileRooms corrects the rooms that namespaces list as having somebody
// online; a process that died between two steps may have left them wrong.
func (b *backend) reconcileRooms(ctx context.Context) error {
	for _, ns := range b.namespaces.List() {
		fixed, err := b.store.ReconcileRooms(ctx, ns.Key)
		if err != nil {
			return err
		}
		if fixed > 0 {
			b.log.Info().Str("namespace", ns.Key).Int("rooms", fixed).Msg("corrected the list of rooms")
		}
	}
	return nil
}

// stop ends the background work; jobs that do not end before ctx go back to
// their queues.
func (l *logic) stop(ctx context.Context) {
	if l.canary != nil {
		l.canary.Close()
	}
	l.schedule.Close()
	l.console.close()
	l.upkeep.Close()
	l.sweeper.Close()
	var workers sync.WaitGroup // side by side: each may take until ctx ends
	workers.Go(func() { l.farewells.stop(ctx) })
	workers.Go(func() { l.offline.stop(ctx) })
	workers.Wait()
}

func maintenanceOptions(b *backend, id string) maintenance.Options {
	return maintenance.Options{
		Store: b.store, Namespaces: b.namespaces, ID: id,
		LegacyAfter: b.cfg.ClientLegacyExpire,
		OnError: func(ns string, err error) {
			b.log.Error().Err(err).Str("namespace", ns).Msg("maintenance; will be tried again")
		},
		OnPurged: func(ns string, p namespace.Purge, took time.Duration) {
			b.metrics.Purges.WithLabelValues(string(p)).Inc()
			b.log.Info().Str("namespace", ns).Str("purge", string(p)).Dur("took", took).Msg("namespace is cleared")
		},
		OnForgotten: func(ns string, clients int) {
			b.metrics.ClientsForgotten.Add(float64(clients))
			b.log.Info().Str("namespace", ns).Int("clients", clients).Msg("forgot clients that were not seen for long")
		},
	}
}

// batches is what the API needs to accept several pushes at once.
type batches struct {
	*push.Service
	*store.Store
}
