package main

import (
	"context"
	"time"

	"github.com/lightpush/lightpush/internal/admin"
	"github.com/lightpush/lightpush/internal/node"
	"github.com/lightpush/lightpush/logic/api"
	"github.com/lightpush/lightpush/logic/report"
)

// logic is the role that serves the REST API and keeps the store tidy.
type logic struct {
	api       *api.API
	sweeper   *node.Sweeper
	generated string // the administrator's password, when it was generated now
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
	l.api, err = api.New(api.Options{
		Namespaces: b.namespaces,
		Push:       b.push,
		Admin:      auth,
		Rules:      b.rules,
		Reports: report.New(b.store, report.Options{
			HistoryMax:    b.cfg.PushMessageListMaxLimit,
			OnlineListMax: b.cfg.ReportOnlineListMaxLimit,
			AckDetailMax:  b.cfg.ReportPushAckDetailMaxLimit,
		}),
		JSONLimit:         int64(b.cfg.RestBodyLimit),
		FormLimit:         int64(b.cfg.FormBodyLimit),
		TrustedProxies:    b.cfg.TrustedProxies,
		AllowedOrigins:    b.cfg.AllowedOrigins,
		FailuresPerMinute: b.cfg.AuthFailuresPerMinute,
		RoomsMax:          b.cfg.RoomsPerRequestMax,
		Ready:             b.ready,
		Logger:            b.log,
		Observer:          apiMetrics{b.metrics},
	})
	if err != nil {
		return nil, err
	}
	l.sweeper = node.NewSweeper(b.store, id, min(sweepInterval, b.cfg.NodeLease/2),
		func(node string, clients int) {
			b.metrics.NodesSwept.Inc()
			b.metrics.ClientsSwept.Add(float64(clients))
			b.log.Warn().Str("node", node).Int("clients", clients).Msg("a node has died; its clients are offline now")
		},
		func(err error) { b.log.Error().Err(err).Msg("sweep dead nodes") })
	l.sweeper.Start()
	return l, nil
}

func (l *logic) stop() { l.sweeper.Close() }
