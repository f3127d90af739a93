package api

import (
	"context"
	"strings"

	"github.com/lightpush/lightpush/internal/client"
)

// device shows all that is known of one device. Devices of other namespaces
// are unknown ones.
func (a *API) device(ctx context.Context, c *call, p *consoleParts) (any, error) {
	id := c.gin.Request.URL.Query().Get("id")
	switch {
	case id == "":
		return nil, errNoID
	case len(id) > clientIDMax:
		return nil, client.ErrUnknown
	}
	return p.browser.Device(ctx, c.ns.Key, id, a.o.Reports.Judge)
}

// kickDevice ends the connection of a device, wherever it is. The device may
// come back: its library does not by itself.
func (a *API) kickDevice(ctx context.Context, c *call, p *consoleParts) (any, error) {
	id, err := deviceID(c)
	if err != nil {
		return nil, err
	}
	if err := p.Store.KickDevice(ctx, c.ns.Key, id); err != nil {
		return nil, err
	}
	c.note("device.kick", "", id, "")
	return empty{}, nil
}

// muteDevice changes the rooms of which a device gets no notifications.
func (a *API) muteDevice(ctx context.Context, c *call, p *consoleParts) (any, error) {
	id, err := deviceID(c)
	if err != nil {
		return nil, err
	}
	change, err := client.ParseMutes(a.o.Rules.Names, c.fields, a.o.RoomsMax)
	if err != nil {
		return nil, err
	}
	if len(change.Add)+len(change.Remove) == 0 {
		return empty{}, nil
	}
	if err := p.Store.ChangeMutes(ctx, c.ns.Key, id, change.Add, change.Remove); err != nil {
		return nil, err
	}
	var detail []string
	for _, room := range change.Add {
		detail = append(detail, "+"+room)
	}
	for _, room := range change.Remove {
		detail = append(detail, "-"+room)
	}
	c.note("device.mute", "", id, strings.Join(detail, " "))
	return empty{}, nil
}

func deviceID(c *call) (string, error) {
	fields, err := c.form()
	if err != nil {
		return "", err
	}
	id, _, err := fields.Text("id", clientIDMax)
	if err == nil && id == "" {
		err = errNoID
	}
	return id, err
}
