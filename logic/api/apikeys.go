package api

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lightpush/lightpush/internal/apikey"
	clientauth "github.com/lightpush/lightpush/internal/auth"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/namespace"
)

// AccessOptions are what the routes about who may connect and call need.
type AccessOptions struct {
	Revocations *clientauth.Revocations
	Keys        KeyUse
}

// KeyUse remembers when API keys were used.
type KeyUse interface {
	TouchAPIKey(ctx context.Context, id string, at time.Time) error
	// APIKeyUse returns ms, 0 for never, in the order of ids.
	APIKeyUse(ctx context.Context, ids []string) ([]int64, error)
	ForgetAPIKey(ctx context.Context, id string) error
}

// withAccess is a handler that needs AccessOptions.
func withAccess(handle func(*API, context.Context, *call) (any, error)) func(*API, context.Context, *call) (any, error) {
	return func(a *API, ctx context.Context, c *call) (any, error) {
		if a.o.Access == nil {
			return nil, FailUnavailable
		}
		return handle(a, ctx, c)
	}
}

// bearer is the scheme of API keys in the Authorization header.
const bearer = "Bearer "

// authorizeKey checks an API key and what it allows: reading, pushing, or
// everything the password of its namespace does.
func (a *API) authorizeKey(c *gin.Context, ex *exchange, s scope, text string, changes bool) (*namespace.Namespace, error) {
	if !a.o.Namespaces.Ready() {
		return nil, namespace.ErrUnavailable
	}
	named, id, parseErr := apikey.Parse(text)
	budget := "api key"
	if _, exists := a.o.Namespaces.Get(named); exists {
		budget += " " + named
	}
	var ns *namespace.Namespace
	var key apikey.Key
	wait, err := a.failures.attempt(attemptKey{address: ex.address, name: budget}, func() error {
		found, ok := a.o.Namespaces.Get(named)
		if parseErr != nil || !ok {
			return FailAPIKey
		}
		if key, ok = apikey.Find(found.APIKeys, id, text); !ok {
			return FailAPIKey
		}
		ns = found
		return nil
	}, isWrongCredential)
	if err := a.loginResult(c, false, err, wait); err != nil {
		return nil, err
	}
	ex.caller = ns.Key + " key " + key.ID
	ex.actor, ex.role = ns.Key+" "+key.Name, console.Reader
	if key.Scope == apikey.Admin {
		ex.role = console.Owner
	}
	a.touchKey(c, key.ID)
	if s != tenant || !keyAllows(key.Scope, c, changes) {
		return nil, FailKeyScope
	}
	return ns, nil
}

func keyAllows(s apikey.Scope, c *gin.Context, changes bool) bool {
	if s == apikey.Admin {
		return true
	}
	switch c.FullPath() {
	case "/api/auth/login": // changes nothing: it checks the credential
		return true
	case "/api/auth/push":
		return s == apikey.Push || !changes
	}
	return s == apikey.Read && !changes
}

// keyUses are the keys whose use was noted lately, so that a key that pushes a
// thousand times a second costs the store one write a minute.
type keyUses struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const (
	touchEvery   = time.Minute
	touchTimeout = 500 * time.Millisecond
	touchedMax   = 10_000
)

func (u *keyUses) due(id string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, ok := u.last[id]; ok && now.Sub(last) < touchEvery {
		return false
	}
	if len(u.last) >= touchedMax || u.last == nil {
		u.last = map[string]time.Time{}
	}
	u.last[id] = now
	return true
}

func (a *API) touchKey(c *gin.Context, id string) {
	now := a.o.Now()
	if a.o.Access == nil || !a.keyUses.due(id, now) {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), touchTimeout)
	defer cancel()
	if err := a.o.Access.Keys.TouchAPIKey(ctx, id, now); err != nil {
		a.o.Logger.Warn().Err(err).Str("key", id).Msg("note use of api key")
	}
}

// shownKey is a key as the API answers it.
type shownKey struct {
	ID      string       `json:"id"`
	Name    string       `json:"name"`
	Scope   apikey.Scope `json:"scope"`
	Created int64        `json:"created"`   // ms
	Used    int64        `json:"last_used"` // ms, about a minute exact; 0: never
	By      string       `json:"by"`
	Key     string       `json:"key,omitempty"` // once, in the answer to its creation
}

// keysPage is the size of a page unless one is named: all fit.
const keysPage = 100

// listKeys lists keys in the order they were made, without their texts.
func (a *API) listKeys(ctx context.Context, c *call) (any, error) {
	query := c.gin.Request.URL.Query()
	size := min(positive(query, "size", keysPage), keysPage)
	from := min((min(positive(query, "page", 1), apikey.Max+1)-1)*size, len(c.ns.APIKeys))
	keys := c.ns.APIKeys[from:min(from+size, len(c.ns.APIKeys))]
	list := make([]shownKey, len(keys))
	ids := make([]string, len(list))
	for i, k := range keys {
		ids[i] = k.ID
		list[i] = shownKey{ID: k.ID, Name: k.Name, Scope: k.Scope, Created: k.Created, By: k.By}
	}
	used, err := a.o.Access.Keys.APIKeyUse(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Used = used[i]
	}
	return struct {
		List  []shownKey `json:"list"`
		Total int        `json:"total"`
	}{list, len(c.ns.APIKeys)}, nil
}

func (a *API) createKey(ctx context.Context, c *call) (any, error) {
	fields, err := c.form()
	if err != nil {
		return nil, err
	}
	name, _, err := fields.Text("name", apikey.NameMax)
	if err != nil {
		return nil, err
	}
	if name == "" || strings.ContainsFunc(name, isControl) {
		return nil, &input.FieldError{Field: "name", Problem: "must be a text without control characters"}
	}
	scope, _, err := fields.Text("scope", 16)
	if err != nil || !apikey.ValidScope(apikey.Scope(scope)) {
		return nil, &input.FieldError{Field: "scope", Problem: "must be push, read or admin"}
	}
	k, text := apikey.New(c.ns.Key, name, apikey.Scope(scope), c.actor, a.o.Now().UnixMilli())
	if err := a.o.Namespaces.AddAPIKey(ctx, c.ns.Key, k, a.o.Now()); err != nil {
		return nil, err
	}
	a.o.Logger.Info().Str("request", c.id).Str("by", c.caller).Str("namespace", c.ns.Key).Str("key", k.ID).Str("scope", scope).Msg("api key created")
	c.note("apikey.create", c.ns.Key, k.ID, scope+" "+name)
	return shownKey{ID: k.ID, Name: k.Name, Scope: k.Scope, Created: k.Created, By: k.By, Key: text}, nil
}

func (a *API) removeKey(ctx context.Context, c *call) (any, error) {
	fields, err := c.form()
	if err != nil {
		return nil, err
	}
	id, _, err := fields.Text("id", apikey.NameMax)
	if err != nil {
		return nil, err
	}
	if err := a.o.Namespaces.RemoveAPIKey(ctx, c.ns.Key, id, a.o.Now()); err != nil {
		return nil, err
	}
	if err := a.o.Access.Keys.ForgetAPIKey(ctx, id); err != nil { // the key is gone all the same
		a.o.Logger.Warn().Err(err).Str("key", id).Msg("forget api key")
	}
	a.o.Logger.Info().Str("request", c.id).Str("by", c.caller).Str("namespace", c.ns.Key).Str("key", id).Msg("api key removed")
	c.note("apikey.remove", c.ns.Key, id, "")
	return empty{}, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
