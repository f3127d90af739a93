package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/lightpush/lightpush/internal/apikey"
	clientauth "github.com/lightpush/lightpush/internal/auth"
	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
	"github.com/lightpush/lightpush/logic/report"
)

// Failure is the answer to a request that was refused: an HTTP status, a
// number that stays the same over releases, and a text. Texts of light-push
// are kept to the letter (light-push-wire.md 1.1).
type Failure struct {
	Status int    `json:"-"`
	Code   int    `json:"code"`
	Msg    string `json:"msg"`
}

func (f *Failure) Error() string { return f.Msg }

// CodeValidation is the code of every refused field and of every rule of the
// domain, as in light-push; the text says which. The caller should show the
// text and must not repeat the request unchanged.
const CodeValidation = 9999

// All other refusals.
var (
	// Credentials: the caller must change them.
	FailNeedAuthorization = &Failure{http.StatusBadRequest, 1001, "need authorization"}
	FailUnknownNamespace  = &Failure{http.StatusBadRequest, 1002, "namespace not found"}
	FailPassword          = &Failure{http.StatusUnauthorized, 1003, "passwd error"}
	FailAdmin             = &Failure{http.StatusUnauthorized, 1004, "auth error"}
	// Too many failed logins for this name from this address: repeat after
	// Retry-After seconds, with the right credential.
	FailTooManyLogins = &Failure{http.StatusTooManyRequests, 1005, "too many failed logins, try again later"}
	// The cookie of the console names no session (any more): log in again.
	FailSession = &Failure{http.StatusUnauthorized, 1006, "session expired"}
	// A change by cookie without its token, or a page of another origin.
	FailCSRF = &Failure{http.StatusForbidden, 1007, "csrf token invalid"}
	FailRole = &Failure{http.StatusForbidden, 1008, "role may not do this"}

	// An API key that is none, or is no more.
	FailAPIKey = &Failure{http.StatusUnauthorized, 1009, "api key invalid"}
	// The scope of the API key does not hold this.
	FailKeyScope = &Failure{http.StatusForbidden, 1010, "api key may not do this"}
	// Too many requests with this credential: repeat after Retry-After seconds.
	FailTooManyRequests = &Failure{http.StatusTooManyRequests, 1011, "too many requests, try again later"}

	// Too many pushes of this namespace: repeat after Retry-After seconds.
	FailTooManyPushes = &Failure{http.StatusTooManyRequests, 1012, "too many pushes of this namespace, try again later"}

	// The request itself: the caller must change it.
	FailBadRequest = &Failure{http.StatusBadRequest, 1101, "Bad Request"}
	FailNotFound   = &Failure{http.StatusNotFound, 1102, "Not Found"}
	FailTooLarge   = &Failure{http.StatusRequestEntityTooLarge, 1103, "request entity too large"}

	// Too many test notifications of this namespace: repeat after
	// Retry-After seconds.
	FailTooManyTests = &Failure{http.StatusTooManyRequests, 1104, "too many test notifications, try again later"}

	// Idempotency-Key: the first is no key at all; of the second an attempt is
	// under way or has died, repeat after Retry-After seconds; the third was
	// used for another request, and nothing was done.
	FailKey      = &Failure{http.StatusBadRequest, 1105, "Idempotency-Key must be 1 to 255 printable characters of ASCII"}
	FailKeyBusy  = &Failure{http.StatusConflict, 1106, "a request with this Idempotency-Key is under way, try again later"}
	FailKeyReuse = &Failure{http.StatusUnprocessableEntity, 1107, "this Idempotency-Key was used for another request"}

	// pushData has more bytes than the namespace allows.
	FailPushData = &Failure{http.StatusRequestEntityTooLarge, 1108, push.ErrTooLarge.Error()}

	// The server: repeat after Retry-After seconds. Overloaded means that
	// nothing was done; after Unavailable a push may have been accepted.
	FailOverloaded  = &Failure{http.StatusServiceUnavailable, 1201, "too many requests are waiting, try again later"}
	FailUnavailable = &Failure{http.StatusServiceUnavailable, 1202, "service temporarily unavailable"}
	// The namespace is being cleared: nothing was done, repeat after
	// Retry-After seconds.
	FailBusy = &Failure{http.StatusServiceUnavailable, 1203, "namespace is being cleared, try again later"}
	// Another transfer of the namespace is under way: nothing was done,
	// repeat after Retry-After seconds.
	FailTransferBusy = &Failure{http.StatusServiceUnavailable, 1204, "another transfer of this namespace is under way, try again later"}
	// A fault of the server; the log has the details under X-Request-Id.
	FailInternal = &Failure{http.StatusInternalServerError, 1500, "internal error"}
)

// Failures lists the failures with a code of their own, for the documentation
// test.
var Failures = []*Failure{
	FailNeedAuthorization, FailUnknownNamespace, FailPassword, FailAdmin, FailTooManyLogins, FailSession, FailCSRF, FailRole,
	FailAPIKey, FailKeyScope, FailTooManyRequests, FailTooManyPushes,
	FailBadRequest, FailNotFound, FailTooLarge, FailTooManyTests, FailKey, FailKeyBusy, FailKeyReuse, FailPushData,
	FailOverloaded, FailUnavailable, FailBusy, FailTransferBusy, FailInternal,
}

// errTextBody is the answer to a text/plain body: light-push could not add
// the namespace to a body that is no object.
var errTextBody = errors.New("namespace can not be empty")

// known maps the sentinel values of the domain. Their own text is answered,
// never the text of an error that wraps them.
var known = []struct {
	err     error
	failure *Failure // nil: CodeValidation with the text of err
}{
	{err: errTextBody},
	{push.ErrRoomMissing, nil},
	{push.ErrRoomInvalid, nil},
	{push.ErrPushData, nil},
	{push.ErrExcept, nil},
	{push.ErrExpireInvalid, nil},
	{push.ErrTooLarge, FailPushData},
	{push.ErrOverloaded, FailOverloaded},
	{push.ErrClosed, FailOverloaded},
	{push.ErrOnceBusy, FailKeyBusy},
	{push.ErrOnceOther, FailKeyReuse},
	{errNoID, nil},
	{errNoRoom, nil},
	{client.ErrUnknown, nil},
	{room.ErrTransferMissing, nil},
	{room.ErrTargetInvalid, nil},
	{room.ErrSourceInvalid, nil},
	{room.ErrTransferType, nil},
	{room.ErrBusy, FailTransferBusy},
	{namespace.ErrLost, nil},
	{namespace.ErrOffline, nil},
	{namespace.ErrKeyMissing, nil},
	{namespace.ErrKeyInvalid, nil},
	{namespace.ErrNoPassword, nil},
	{namespace.ErrNotFound, FailUnknownNamespace},
	{namespace.ErrPassword, FailPassword},
	{namespace.ErrUnavailable, FailUnavailable},
	{namespace.ErrNotOffline, nil},
	{namespace.ErrBusy, FailBusy},
	{errNoKey, nil},
	{apikey.ErrUnknown, nil},
	{apikey.ErrFull, nil},
	{clientauth.ErrRevocationsFull, nil},
	{report.ErrNoMessage, nil},
	{report.ErrCursor, nil},
	{report.ErrState, nil},
	{console.ErrCursor, nil},
	{console.ErrSession, FailSession},
	{callback.ErrNoCallback, nil},
	{client.ErrMutesFull, nil},
	{input.ErrSyntax, FailBadRequest},
	{input.ErrNotObject, FailBadRequest},
	{context.DeadlineExceeded, FailUnavailable},
	{context.Canceled, FailUnavailable},
}

// failureOf finds the answer to err. Everything the domain has no name for
// comes from a store, so it is FailUnavailable: the caller may repeat, and a
// failure never looks like a success.
func failureOf(err error) *Failure {
	var failure *Failure
	if errors.As(err, &failure) {
		return failure
	}
	for _, k := range known {
		if !errors.Is(err, k.err) {
			continue
		}
		if k.failure != nil {
			return k.failure
		}
		return invalid(k.err.Error())
	}
	var field *input.FieldError
	if errors.As(err, &field) {
		return invalid(field.Error())
	}
	var aps *push.APSDataError
	if errors.As(err, &aps) {
		return invalid(aps.Error())
	}
	return FailUnavailable
}

func invalid(text string) *Failure {
	return &Failure{Status: http.StatusBadRequest, Code: CodeValidation, Msg: text}
}
