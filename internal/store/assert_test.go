package store_test

import (
	"github.com/lightpush/lightpush/connector/session"
	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/maintenance"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/node"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
	"github.com/lightpush/lightpush/internal/store"
	"github.com/lightpush/lightpush/logic/report"
)

var (
	_ push.Store        = (*store.Store)(nil)
	_ push.ReceiptStore = (*store.Store)(nil)
	_ namespace.Store   = (*store.Store)(nil)
	_ node.Store        = (*store.Store)(nil)
	_ session.Presence  = (*store.Store)(nil)
	_ session.Recovery  = (*store.Store)(nil)
	_ report.Store      = (*store.Store)(nil)
	_ queue.Store       = (*store.Store)(nil).Queues()
	_ maintenance.Store = (*store.Store)(nil)
	_ console.Store     = (*store.Store)(nil)
	_ session.Nodes     = (*bus.Sender)(nil)
)
