package api

import "context"

// health says whether this process can serve (light-push-wire.md 1.4.1, B56).
func (a *API) health(context.Context, *call) (any, error) {
	if err := a.o.Ready(); err != nil {
		return nil, &unready{err}
	}
	return plain("hello"), nil
}

// unready keeps the reason for the log and hides whatever it wraps from the
// table of failures.
type unready struct{ reason error }

func (u *unready) Error() string { return "not ready: " + u.reason.Error() }

// login only checks the credential, which has happened before.
func (a *API) login(context.Context, *call) (any, error) { return empty{}, nil }
