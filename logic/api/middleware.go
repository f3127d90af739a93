package api

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/internal/address"
	"github.com/lightpush/lightpush/internal/console"
)

// exchange is what is known of a request besides its contents.
type exchange struct {
	id      string // X-Request-Id
	started time.Time
	address netip.Addr // of the client; zero when unknown
	caller  string     // namespace or "admin" once authenticated
	code    int        // of the refusal, 0 for a success
	err     error      // why it was refused, for the log
	body    []byte     // of the request, once it was read
	message int64      // the first that was accepted, 0 for none

	prefix  string       // before /api in the path that was asked for
	actor   string       // name of the account
	role    console.Role // of the account
	session bool         // it came with the cookie of the console
	noted   *noted       // for the audit log; nil for nothing
}

const exchangeKey = "lightpush.exchange"

func exchangeOf(c *gin.Context) *exchange { return c.MustGet(exchangeKey).(*exchange) }

// begin frames every request: id, common headers, recovery, access log.
func (a *API) begin(c *gin.Context) {
	ex := &exchange{
		id: newRequestID(), started: time.Now(),
		address: address.Client(c.Request.RemoteAddr, c.Request.Header.Values("X-Forwarded-For"), a.o.TrustedProxies),
	}
	ex.prefix, _ = c.Request.Context().Value(prefixKey{}).(string)
	c.Set(exchangeKey, ex)
	h := c.Writer.Header()
	h.Set("X-Request-Id", ex.id)
	a.origins.Load().setHeaders(h, c.Request.Header.Get("Origin"))
	defer a.finish(c, ex)
	defer a.recover(c, ex)
	c.Next()
}

// recover turns a panic into FailInternal, if nothing was answered yet.
func (a *API) recover(c *gin.Context, ex *exchange) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
		panic(cause)
	}
	a.o.Logger.Error().Str("request", ex.id).Str("route", c.FullPath()).
		Str("panic", fmt.Sprint(cause)).Bytes("stack", debug.Stack()).Msg("request handler panicked")
	c.Abort()
	if !c.Writer.Written() {
		a.refuse(c, FailInternal)
	}
}

// finish tells the observer and the access log. Refusals are expected and
// logged like successes; only faults of the server stand out.
func (a *API) finish(c *gin.Context, ex *exchange) {
	took := time.Since(ex.started)
	status := c.Writer.Status()
	a.o.Observer.Answered(c.FullPath(), c.Request.Method, status, ex.code, took)
	level := zerolog.DebugLevel
	if status >= http.StatusInternalServerError {
		level = zerolog.WarnLevel
	}
	event := a.o.Logger.WithLevel(level)
	if !event.Enabled() {
		return
	}
	if ex.address.IsValid() {
		event.Stringer("address", ex.address)
	}
	if ex.err != nil {
		event.Err(ex.err)
	}
	if ex.message != 0 {
		event.Int64("message_id", ex.message)
	}
	event.Str("request", ex.id).Str("method", c.Request.Method).Str("route", c.FullPath()).
		Str("caller", ex.caller).Int("status", status).Int("code", ex.code).Dur("took", took).
		Msg("request")
}

func newRequestID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
