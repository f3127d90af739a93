package api

import (
	"context"
	"errors"
	"net/url"
	"time"

	"golang.org/x/time/rate"

	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/logic/offline"
)

// Explainer tells what a push would do, without doing it.
type Explainer interface {
	Explain(ctx context.Context, m *push.Message, cursor string, size int) (offline.Explanation, error)
}

// CallbackTester makes a callback to see its answer. Error:
// callback.ErrNoCallback.
type CallbackTester interface {
	Test(ctx context.Context, ns *namespace.Namespace, kind string, query url.Values) (callback.Probed, error)
}

// ConsoleOptions are what the routes of the console need. Store is required;
// without the others their routes answer FailUnavailable.
type ConsoleOptions struct {
	Store            console.Store
	Viewer           AdminAuth // of the account that only looks; nil: there is none
	Explain          Explainer
	Callbacks        CallbackTester
	OfflinePlatforms []string      // whose devices have an inbox
	Beat             time.Duration // of the heartbeats of processes; 5 s
}

// consoleParts is the console behind an API; nil when there is none.
type consoleParts struct {
	ConsoleOptions
	sessions *console.Sessions
	audit    *console.Audit
	browser  *console.Browser
	// attempts bounds what failed logins may write to the audit log.
	attempts *rate.Limiter
	tests    *probes
}

// Failed logins that are written to the audit log: so many at once, and one
// more every interval. They must not push out what they are to be seen beside.
const (
	auditedFailures     = 20
	auditedFailureEvery = time.Minute
)

func newConsole(o *Options) (*consoleParts, error) {
	if o.Console == nil {
		return nil, nil
	}
	if o.Console.Store == nil {
		return nil, errors.New("api: Options.Console.Store is missing")
	}
	p := &consoleParts{
		ConsoleOptions: *o.Console,
		sessions:       console.NewSessions(o.Console.Store, o.Now),
		audit:          console.NewAudit(o.Console.Store),
		browser:        console.NewBrowser(o.Console.Store, o.Console.OfflinePlatforms),
		attempts:       rate.NewLimiter(rate.Every(auditedFailureEvery), auditedFailures),
		tests:          newProbes(o.ProbesPerMinute),
	}
	if p.Beat <= 0 {
		p.Beat = 5 * time.Second
	}
	return p, nil
}

// withConsole is a handler that needs the console.
func withConsole(handle func(*API, context.Context, *call, *consoleParts) (any, error)) func(*API, context.Context, *call) (any, error) {
	return func(a *API, ctx context.Context, c *call) (any, error) {
		if a.console == nil {
			return nil, FailUnavailable
		}
		return handle(a, ctx, c, a.console)
	}
}
