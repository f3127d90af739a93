package api

import (
	"context"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/namespace"
)

// Names of what a session travels in.
const (
	sessionCookie   = "lightpush_session"
	csrfHeader      = "X-CSRF-Token"
	namespaceHeader = "X-Namespace"
)

const (
	// loginTextMax bounds a name or a password, in bytes.
	loginTextMax = 4096
	cookieMaxAge = 12 * 60 * 60 // s, as long as a session lives at most
	prefixMax    = 200
)

// sessionAnswer is what the page may know of its session.
type sessionAnswer struct {
	Role      console.Role `json:"role"`
	Name      string       `json:"name"`
	Namespace string       `json:"namespace"`
	CSRF      string       `json:"csrf"`
	Expires   int64        `json:"expires"` // ms, unless it is used again
}

func newSessionAnswer(s console.Session, expires time.Time) sessionAnswer {
	return sessionAnswer{Role: s.Role, Name: s.Name, Namespace: s.Namespace, CSRF: s.CSRF, Expires: expires.UnixMilli()}
}

// openSession logs in to the console. Only JSON is taken: a form of another
// site could log its visitor in.
func (a *API) openSession(ctx context.Context, c *call, p *consoleParts) (any, error) {
	mediaType, _, _ := mime.ParseMediaType(c.gin.Request.Header.Get("Content-Type"))
	if mediaType != "application/json" || foreignSite(c.gin.Request) {
		return nil, FailBadRequest
	}
	name, _, err := c.fields.Text("name", loginTextMax)
	if err != nil {
		return nil, err
	}
	password, _, err := c.fields.Text("password", loginTextMax)
	if err != nil {
		return nil, err
	}
	prefix, given, err := c.fields.Text("prefix", prefixMax)
	switch {
	case err != nil:
		return nil, err
	case given && !prefixForm.MatchString(prefix):
		return nil, &input.FieldError{Field: "prefix", Problem: "must be the path before /api"}
	case !given:
		prefix = c.prefix
	}
	account, credential, err := a.logIn(c, p, name, password)
	if err != nil {
		a.auditFailure(c, p, name, err)
		return nil, err
	}
	c.actor, c.role = account.Name, account.Role
	token, opened, expires, err := p.sessions.Open(ctx, account, credential)
	if err != nil {
		return nil, err
	}
	c.gin.Writer.Header().Set("Cache-Control", "no-store")
	a.setCookie(c.gin, token, prefix, cookieMaxAge)
	c.note("login", account.Namespace, "", "")
	return newSessionAnswer(opened, expires), nil
}

// logIn finds whose name it is and checks the password, within the limit of
// failed logins that all credentials share.
func (a *API) logIn(c *call, p *consoleParts, name, password string) (account console.Account, credential string, err error) {
	accounts := []struct {
		auth AdminAuth
		role console.Role
	}{{a.o.Admin, console.Admin}, {p.Viewer, console.Viewer}}
	for _, known := range accounts {
		if known.auth == nil || !known.auth.Named(name) {
			continue
		}
		wait, err := a.failures.attempt(attemptKey{address: c.address, admin: true, name: name}, func() error {
			if password == "" || !known.auth.Verify(name, password) {
				return FailAdmin
			}
			return nil
		}, isWrongCredential)
		err = a.loginResult(c.gin, true, err, wait)
		return console.Account{Role: known.role, Name: name}, known.auth.Mark(), err
	}
	key := name
	if !strings.HasPrefix(key, "/") {
		key = "/" + key
	}
	if !a.o.Namespaces.Ready() {
		return account, "", namespace.ErrUnavailable
	}
	budget := key
	if _, exists := a.o.Namespaces.Get(key); !exists {
		budget = ""
	}
	var access namespace.Access
	wait, err := a.failures.attempt(attemptKey{address: c.address, name: budget}, func() (err error) {
		_, access, err = a.o.Namespaces.Login(key, password)
		return err
	}, isWrongCredential)
	if err := a.loginResult(c.gin, false, err, wait); err != nil {
		return account, "", err
	}
	account = console.Account{Role: console.Owner, Name: key, Namespace: key}
	if access == namespace.AccessLook {
		account.Role = console.Reader
	}
	credential, _ = a.credentialOf(account)
	return account, credential, nil
}

// credentialOf is what the password of an account is checked against now.
func (a *API) credentialOf(account console.Account) (string, bool) {
	switch account.Role {
	case console.Admin:
		return a.o.Admin.Mark(), a.o.Admin.Named(account.Name)
	case console.Viewer:
		if v := a.console.Viewer; v != nil {
			return v.Mark(), v.Named(account.Name)
		}
		return "", false
	}
	ns, ok := a.o.Namespaces.Get(account.Namespace)
	if !ok {
		return "", false
	}
	if account.Role == console.Owner {
		return ns.PasswdHash, ns.PasswdHash != ""
	}
	return ns.ViewerHash, account.Role == console.Reader && ns.ViewerHash != ""
}

// showSession tells the page of its session.
func (a *API) showSession(ctx context.Context, c *call, _ *consoleParts) (any, error) {
	found, expires, err := a.session(ctx, c.gin)
	if err != nil {
		return nil, err
	}
	return newSessionAnswer(found, expires), nil
}

// closeSession logs out. Without a session there is nothing to do.
func (a *API) closeSession(ctx context.Context, c *call, p *consoleParts) (any, error) {
	found, _, err := a.session(ctx, c.gin)
	switch {
	case err == nil && !found.FitsCSRF(c.gin.Request.Header.Get(csrfHeader)):
		return nil, FailCSRF
	case err == nil:
		if err := p.sessions.Close(ctx, sessionToken(c.gin)); err != nil {
			return nil, err
		}
	case failureOf(err) != FailSession:
		return nil, err
	}
	prefix := c.prefix
	if c.fields != nil {
		if given, ok, err := c.fields.Text("prefix", prefixMax); err == nil && ok && prefixForm.MatchString(given) {
			prefix = given
		}
	}
	a.setCookie(c.gin, "", prefix, -1)
	return empty{}, nil
}

// session finds the session of a request. Errors: FailSession, FailCSRF for a
// page of another origin, else the store's.
func (a *API) session(ctx context.Context, c *gin.Context) (console.Session, time.Time, error) {
	c.Writer.Header().Set("Cache-Control", "no-store")
	switch token := sessionToken(c); {
	case foreignSite(c.Request):
		return console.Session{}, time.Time{}, FailCSRF
	case token == "" || a.console == nil:
		return console.Session{}, time.Time{}, FailSession
	case !a.o.Namespaces.Ready():
		return console.Session{}, time.Time{}, namespace.ErrUnavailable
	default:
		return a.console.sessions.Find(ctx, token, a.credentialOf)
	}
}

func sessionToken(c *gin.Context) string {
	cookie, err := c.Request.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// authorizeSession lets the cookie of the console stand in for a credential.
// changes says that the request does more than look.
func (a *API) authorizeSession(c *gin.Context, s scope, changes bool) (*namespace.Namespace, error) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.o.Timeout)
	defer cancel()
	found, _, err := a.session(ctx, c)
	if err != nil {
		return nil, err
	}
	ex := exchangeOf(c)
	ex.actor, ex.role, ex.session = found.Name, found.Role, true
	ex.caller = string(found.Role) + " " + found.Name
	switch {
	case s == admin && !found.Role.Everywhere():
		return nil, FailRole
	case changes && !found.Role.Writes():
		return nil, FailRole
	case changes && !found.FitsCSRF(c.Request.Header.Get(csrfHeader)):
		return nil, FailCSRF
	case s == admin:
		return nil, nil
	}
	key, err := url.PathUnescape(c.Request.Header.Get(namespaceHeader))
	switch {
	case err != nil:
		return nil, namespace.ErrNotFound
	case !found.Role.Everywhere() && key != "" && key != found.Namespace:
		return nil, FailRole
	case !found.Role.Everywhere():
		key = found.Namespace
	}
	ns, ok := a.o.Namespaces.Get(key)
	if !ok {
		return nil, namespace.ErrNotFound
	}
	if found.Role.Everywhere() {
		ex.caller += " for " + ns.Key
	}
	return ns, nil
}

// prefixForm is what may stand before /api in the path of a browser.
var prefixForm = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)

func (a *API) setCookie(c *gin.Context, token, prefix string, maxAge int) {
	http.SetCookie(c.Writer, &http.Cookie{
		Name: sessionCookie, Value: token, MaxAge: maxAge,
		// Not the root: what else lives on this host, sockets among it, has
		// no business with it.
		Path:     prefix + "/api/",
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: a.overTLS(c.Request),
	})
}

// overTLS believes X-Forwarded-Proto of trusted proxies only.
func (a *API) overTLS(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	for _, trusted := range a.o.TrustedProxies {
		if trusted.Contains(peer.Addr().Unmap()) {
			proto, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
			return strings.EqualFold(strings.TrimSpace(proto), "https")
		}
	}
	return false
}

// foreignSite reports that a page of another origin asks, as far as its browser
// tells. A cookie that is SameSite=Strict still comes with requests of pages on
// sibling hosts, which must not read answers either.
func foreignSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return false // changes need the token anyway
	}
	u, err := url.Parse(origin)
	return err != nil || (!strings.EqualFold(u.Host, r.Host) && !strings.EqualFold(u.Host, r.Header.Get("X-Forwarded-Host")))
}
