package api

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/lightpush/lightpush/internal/apikey"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/namespace"
)

// authorizationMax bounds the header, in bytes; a name and a password of the
// greatest length fit.
const authorizationMax = 4096

// authorize checks the credential a scope asks for and returns the caller's
// namespace on tenant routes (light-push-wire.md 1.2).
//
// Without an Authorization header the cookie of the console stands in for it;
// changes says that the request does more than look.
func (a *API) authorize(c *gin.Context, s scope, changes bool) (*namespace.Namespace, error) {
	if s == public {
		return nil, nil
	}
	header := c.Request.Header.Get("Authorization")
	if header == "" {
		if _, err := c.Request.Cookie(sessionCookie); err == nil {
			return a.authorizeSession(c, s, changes)
		}
		return nil, FailNeedAuthorization
	}
	ex := exchangeOf(c)
	if text, ok := strings.CutPrefix(header, bearer); ok && apikey.IsText(text) {
		return a.authorizeKey(c, ex, s, text, changes)
	}
	name, password, ok := parseCredential(header)
	if s == admin {
		if !ok {
			name = ""
		}
		return nil, a.authorizeAdmin(c, ex, name, password)
	}
	if name, key, ok := cutNamespace(name); ok {
		return a.authorizeDeputy(c, ex, name, key, password)
	}
	return a.authorizeTenant(c, ex, name, password)
}

func (a *API) authorizeTenant(c *gin.Context, ex *exchange, name, password string) (*namespace.Namespace, error) {
	if !a.o.Namespaces.Ready() {
		return nil, namespace.ErrUnavailable
	}
	// Names that do not exist share one budget per address, so that trying
	// many of them neither escapes the limit nor fills its memory.
	budget := name
	if _, exists := a.o.Namespaces.Get(name); !exists {
		budget = ""
	}
	var ns *namespace.Namespace
	wait, err := a.failures.attempt(attemptKey{address: ex.address, name: budget}, func() (err error) {
		ns, err = a.o.Namespaces.Authenticate(name, password)
		return err
	}, isWrongCredential)
	if err := a.loginResult(c, false, err, wait); err != nil {
		return nil, err
	}
	ex.caller, ex.actor, ex.role = ns.Key, ns.Key, console.Owner
	return ns, nil
}

func (a *API) authorizeAdmin(c *gin.Context, ex *exchange, name, password string) error {
	wait, err := a.failures.attempt(attemptKey{address: ex.address, admin: true, name: name}, func() error {
		if name == "" || password == "" || !a.o.Admin.Verify(name, password) {
			return FailAdmin
		}
		return nil
	}, isWrongCredential)
	if err := a.loginResult(c, true, err, wait); err != nil {
		return err
	}
	ex.caller, ex.actor, ex.role = "admin", name, console.Admin
	return nil
}

// authorizeDeputy lets the administrator act for a namespace without its
// password, which nobody can read (B33).
func (a *API) authorizeDeputy(c *gin.Context, ex *exchange, name, key, password string) (*namespace.Namespace, error) {
	if !a.o.Namespaces.Ready() {
		return nil, namespace.ErrUnavailable
	}
	if err := a.authorizeAdmin(c, ex, name, password); err != nil {
		return nil, err
	}
	ns, ok := a.o.Namespaces.Get(key)
	if !ok {
		return nil, namespace.ErrNotFound
	}
	ex.caller = "admin for " + ns.Key
	return ns, nil
}

// cutNamespace reads the name an administrator uses to act for a namespace,
// admin@/demo. No namespace has such a name: theirs begin with a slash.
func cutNamespace(name string) (admin, key string, ok bool) {
	at := strings.Index(name, "@/")
	if at <= 0 || name[0] == '/' {
		return "", "", false
	}
	return name[:at], name[at+1:], true
}

func isWrongCredential(err error) bool {
	return errors.Is(err, namespace.ErrNotFound) || errors.Is(err, namespace.ErrPassword) || errors.Is(err, FailAdmin) ||
		errors.Is(err, FailAPIKey)
}

// loginResult counts a failed login and says when to come back after too many.
func (a *API) loginResult(c *gin.Context, admin bool, err error, wait time.Duration) error {
	limited := errors.Is(err, FailTooManyLogins)
	if limited {
		seconds := max(1, int64((wait+time.Second-1)/time.Second))
		c.Writer.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	if limited || isWrongCredential(err) {
		a.o.Observer.LoginFailed(admin, limited)
		// Not the name: passwords are typed there, too.
		ex := exchangeOf(c)
		a.refusals.Warn().Str("request", ex.id).Stringer("address", ex.address).Bool("admin", admin).Bool("limited", limited).Msg("login failed")
	}
	return err
}

// standardAlphabet is the other alphabet of base64 in terms of the usual one.
var standardAlphabet = strings.NewReplacer("-", "+", "_", "/")

// parseCredential reads an Authorization header: the word "Basic " is
// optional and case-sensitive, the rest is base64 (either alphabet, with or
// without padding) of name and password around the first colon (B31). A
// header that says nothing readable gives ok false and empty texts, which
// never authenticate.
func parseCredential(header string) (name, password string, ok bool) {
	if len(header) > authorizationMax {
		return "", "", false
	}
	encoded := strings.TrimSpace(strings.TrimPrefix(header, "Basic "))
	encoded = standardAlphabet.Replace(strings.TrimRight(encoded, "="))
	decoded, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil || !utf8.Valid(decoded) {
		return "", "", false
	}
	name, password, _ = strings.Cut(string(decoded), ":")
	return name, password, name != ""
}
