package api

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
	"github.com/lightpush/lightpush/logic/report"
)

// Pusher makes a validated push durable and returns its id. With an error of
// the store the push may have been accepted all the same.
type Pusher interface {
	Push(ctx context.Context, ns *namespace.Namespace, req push.Request) (id int64, err error)
}

// Devices keeps the records of devices and who belongs to which room. A device
// of another namespace is an unknown one. MuteRoom, SetRoomLeaveMessage and
// Transfer may take long, work in bounded steps, and can be repeated.
type Devices interface {
	// Client reads a record; it is empty for an unknown device.
	Client(ctx context.Context, ns, clientID string) (client.Record, error)
	// UpdateClient changes a record; client.ErrUnknown. owner "" is anybody.
	UpdateClient(ctx context.Context, ns, clientID, owner string, u client.Update) error
	MuteRoom(ctx context.Context, ns, room string, add, remove []string) error
	SetRoomLeaveMessage(ctx context.Context, ns, room, value string) error
	Transfer(ctx context.Context, t room.Transfer) error
}

// AdminAuth checks the administrator's credential, in constant time; empty
// passwords never fit.
type AdminAuth interface {
	Verify(name, password string) bool
	// Named reports that the account has that name.
	Named(name string) bool
	// Mark stands for the credential that is valid now and changes with it;
	// as secret as a password.
	Mark() string
}

// Observer hears of every answer, for metrics. Implementations must be fast
// and safe for concurrent use.
type Observer interface {
	// Answered: route is the pattern, as "/api/auth/report/push/:id", or ""
	// for an unknown path; code is 0 for a success.
	Answered(route, method string, status, code int, took time.Duration)
	// LoginFailed: admin tells the administrator's login from a
	// namespace's; limited that the credential was not even looked at.
	LoginFailed(admin, limited bool)
	// Limited: a limit has refused a request; it has the name of its key in
	// the configuration or of its field in the namespace.
	Limited(limit string)
}

// Options of an API. Namespaces, Push, Reports, Devices and Admin are required; other
// zero values take the defaults named.
type Options struct {
	Namespaces *namespace.Registry
	Push       Pusher
	Reports    *report.Reports
	Devices    Devices
	Admin      AdminAuth
	Rules      push.Rules
	// Maintenance removes data; nil: its routes answer FailUnavailable.
	Maintenance Maintenance
	// Batches accepts batches of pushes, and pushes with a key; nil: they are
	// answered FailUnavailable.
	Batches Batches
	// BatchMax is how many pushes one batch may have; 500.
	BatchMax int

	// Queues are the durable queues; nil: their routes answer FailUnavailable.
	Queues Queues

	// Console is what the web console needs; nil: its routes answer
	// FailUnavailable and there are no sessions.
	Console *ConsoleOptions

	// Access is about who may connect and call; nil: its routes answer
	// FailUnavailable.
	Access *AccessOptions
	// RequestsPerSecond of one credential; 0 for no limit.
	RequestsPerSecond int

	// APNs sends test notifications; nil: their route answers FailUnavailable.
	APNs Prober
	// ProbesPerMinute of one namespace; 10, negative for no limit.
	ProbesPerMinute int

	JSONLimit int64         // bytes of a JSON body; 1 MiB
	FormLimit int64         // bytes of a form or text body; 56 KiB
	ListMax   int           // namespaces of one page of the list; 500
	RoomsMax  int           // rooms one request may name; 100
	Timeout   time.Duration // of one request behind its body; 10 s

	// TrustedProxies may name the client's address in X-Forwarded-For;
	// nobody else may.
	TrustedProxies []netip.Prefix
	// AllowedOrigins of browsers; "*" for all, empty for none but the
	// server's own, which need no leave.
	AllowedOrigins []string
	// FailuresPerMinute of logins per name and address; 30, negative for
	// no limit.
	FailuresPerMinute int

	// Ready tells why the process can not serve, nil when it can; unset,
	// loaded namespaces are enough.
	Ready    func() error
	Logger   zerolog.Logger
	Observer Observer         // may be nil
	Now      func() time.Time // wall clock; time.Now
}

// API is the http.Handler of all routes.
type API struct {
	o        Options
	engine   *gin.Engine
	paths    paths
	origins  atomic.Pointer[origins]
	failures *failures
	probes   *probes
	console  *consoleParts // nil when there is none
	rates    *rates
	keyUses  keyUses
	refusals zerolog.Logger // sampled: guessing must not become a flood of lines
}

// New returns the handler, or an error that names what o lacks.
func New(o Options) (*API, error) {
	switch {
	case o.Namespaces == nil:
		return nil, errors.New("api: Options.Namespaces is missing")
	case o.Push == nil:
		return nil, errors.New("api: Options.Push is missing")
	case o.Reports == nil:
		return nil, errors.New("api: Options.Reports is missing")
	case o.Devices == nil:
		return nil, errors.New("api: Options.Devices is missing")
	case o.Admin == nil:
		return nil, errors.New("api: Options.Admin is missing")
	case o.Rules.Names.Pattern == nil:
		return nil, errors.New("api: Options.Rules.Names is missing")
	}
	o.setDefaults()
	a := &API{
		o:        o,
		paths:    newPaths(routes),
		failures: newFailures(o.FailuresPerMinute, o.Now),
		probes:   newProbes(o.ProbesPerMinute),
		rates:    newRates(o.RequestsPerSecond, o.Now),
		refusals: o.Logger.Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Second}),
	}
	a.SetAllowedOrigins(o.AllowedOrigins)
	var err error
	if a.console, err = newConsole(&o); err != nil {
		return nil, err
	}
	a.engine = a.newEngine()
	return a, nil
}

func (o *Options) setDefaults() {
	if o.JSONLimit <= 0 {
		o.JSONLimit = 1 << 20
	}
	if o.FormLimit <= 0 {
		o.FormLimit = 56 << 10
	}
	if o.ListMax <= 0 {
		o.ListMax = 500
	}
	if o.BatchMax <= 0 {
		o.BatchMax = 500
	}
	if o.RoomsMax <= 0 {
		o.RoomsMax = 100
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.ProbesPerMinute == 0 {
		o.ProbesPerMinute = 10
	}
	if o.FailuresPerMinute == 0 {
		o.FailuresPerMinute = 30
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ready == nil {
		registry := o.Namespaces
		o.Ready = func() error {
			if !registry.Ready() {
				return namespace.ErrUnavailable
			}
			return nil
		}
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
}

type silent struct{}

func (silent) Answered(string, string, int, int, time.Duration) {}
func (silent) LoginFailed(bool, bool)                           {}
func (silent) Limited(string)                                   {}

func (a *API) newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.RedirectTrailingSlash = false
	e.RedirectFixedPath = false
	e.HandleMethodNotAllowed = false // a wrong method is a 404 (light-push-wire.md 1.1)
	e.UseRawPath = true              // so that a parameter may hold an encoded slash
	e.Use(a.begin)
	for _, r := range routes {
		e.Handle(r.method, r.path, a.serve(r))
		if r.method == http.MethodGet {
			e.Handle(http.MethodHead, r.path, a.serve(r))
		}
	}
	e.NoRoute(a.unknown)
	return e
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.engine.ServeHTTP(w, a.paths.canonical(r))
}
