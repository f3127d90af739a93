package api

import (
	"context"
	"errors"

	"github.com/lightpush/lightpush/internal/client"
)

// errNoID ends in a space, as it always did.
var errNoID = errors.New("param id can not find ")

// clientIDMax bounds a client id a caller names, in bytes.
const clientIDMax = 4096

// client reads the record of a device when the body names nothing but its id,
// and changes it otherwise (light-push-wire.md 1.4.6). Devices of other
// namespaces are unknown ones (B32).
func (a *API) client(ctx context.Context, c *call) (any, error) {
	fields, err := c.form()
	if err != nil {
		return nil, err
	}
	id, _, err := fields.Text("id", clientIDMax)
	switch {
	case err != nil:
		return nil, err
	case id == "":
		return nil, errNoID
	}
	update, err := client.ParseUpdate(a.o.Rules.Names, fields)
	if err != nil {
		return nil, err
	}
	if len(update.Fields) == 0 {
		return a.o.Devices.Client(ctx, c.ns.Key, id)
	}
	if err := a.o.Devices.UpdateClient(ctx, c.ns.Key, id, "", update); err != nil {
		return nil, err
	}
	return nothing{}, nil
}
