package api

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
)

// Maintenance removes data in the background. Both wait until they are done or
// ctx ends, whatever comes first; done tells which. Errors:
// namespace.ErrNotOffline, namespace.ErrBusy, else the store's.
type Maintenance interface {
	Purge(ctx context.Context, key string, p namespace.Purge) (done bool, err error)
	ForgetLegacy(ctx context.Context, key string) (ids []string, done bool, err error)
}

// maintenanceWait is how long an answer waits for the work; Options.Timeout
// and proxies must allow for more.
const maintenanceWait = 8 * time.Second

// errNoKey is light-push's refusal of a maintenance call without a namespace.
var errNoKey = errors.New("can not find key")

// unfinished is an answer with status 202: what it says is so far, the rest is
// done in the background.
type unfinished struct{ answer any }

// MarshalJSON implements json.Marshaler.
func (u unfinished) MarshalJSON() ([]byte, error) { return json.Marshal(u.answer) }

// clearRealtime forgets who is online where (light-push-wire.md 1.4.11).
func (a *API) clearRealtime(ctx context.Context, c *call) (any, error) {
	key, err := a.namedInBody(c)
	if err != nil {
		return nil, err
	}
	return a.purge(ctx, c, key, namespace.PurgeRealtime)
}

// clearNamespace removes everything but the configuration.
func (a *API) clearNamespace(ctx context.Context, c *call) (any, error) {
	key, err := a.namedInPath(c)
	if err != nil {
		return nil, err
	}
	return a.purge(ctx, c, key, namespace.PurgeClear)
}

// flushNamespace removes everything.
func (a *API) flushNamespace(ctx context.Context, c *call) (any, error) {
	key, err := a.namedInPath(c)
	if err != nil {
		return nil, err
	}
	return a.purge(ctx, c, key, namespace.PurgeFlush)
}

func (a *API) purge(ctx context.Context, c *call, key string, p namespace.Purge) (any, error) {
	if a.o.Maintenance == nil {
		return nil, FailUnavailable
	}
	ctx, cancel := context.WithTimeout(ctx, maintenanceWait)
	defer cancel()
	done, err := a.o.Maintenance.Purge(ctx, key, p)
	if err != nil {
		return nil, err
	}
	a.o.Logger.Info().Str("request", c.id).Str("namespace", key).Str("purge", string(p)).Bool("done", done).Msg("namespace cleared")
	c.note("namespace."+string(p), key, "", "")
	if !done {
		return unfinished{empty{}}, nil
	}
	return empty{}, nil
}

// clearLegacy forgets devices that were not seen for long and tells which.
func (a *API) clearLegacy(ctx context.Context, c *call) (any, error) {
	key, err := a.namedInBody(c)
	if err != nil {
		return nil, err
	}
	if a.o.Maintenance == nil {
		return nil, FailUnavailable
	}
	ctx, cancel := context.WithTimeout(ctx, maintenanceWait)
	defer cancel()
	ids, done, err := a.o.Maintenance.ForgetLegacy(ctx, key)
	if err != nil {
		return nil, err
	}
	a.o.Logger.Info().Str("request", c.id).Str("namespace", key).Int("clients", len(ids)).Bool("done", done).Msg("legacy clients forgotten")
	c.note("namespace.clear-legacy", key, "", strconv.Itoa(len(ids))+" clients")
	if !done {
		return unfinished{ids}, nil
	}
	return ids, nil
}

func (a *API) namedInBody(c *call) (string, error) {
	fields, err := c.form()
	if err != nil {
		return "", err
	}
	key, _, err := fields.Text("namespace", nameTextMax)
	if err != nil {
		return "", err
	}
	return a.maintained(key)
}

func (a *API) namedInPath(c *call) (string, error) { return a.maintained(c.gin.Param("key")) }

// nameTextMax bounds a namespace's name before its own limit is looked at.
const nameTextMax = 4096

// maintained is the key of a namespace, given with or without its slash (B45).
// What cannot be one is as unknown as one that does not exist.
func (a *API) maintained(given string) (string, error) {
	if given == "" {
		return "", errNoKey
	}
	key, err := namespace.ParseKey(a.o.Rules.Names, given)
	if err != nil {
		return "", namespace.ErrNotOffline
	}
	return key, nil
}
