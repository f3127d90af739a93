package session

import (
	"bytes"
	"context"
	"errors"

	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/input"
)

var answerForbidden = answer{Status: 403, Msg: "Forbidden"}

// data reads the first argument of an event as an object; nothing, null and
// "" are an empty one. A callback is no argument: it may stand anywhere.
func (d *device) data(e *socketio.Event) (input.Fields, *answer) {
	raw := bytes.TrimSpace(e.Args.Raw(0))
	switch string(raw) {
	case "", "null", `""`:
		return nil, nil
	}
	fields, err := input.FromJSON(raw)
	if err != nil {
		return nil, &answer{Status: 400, Msg: "data must be an object"}
	}
	return fields, nil
}

// info reads the record of the device when no field is given, and changes it
// otherwise (light-push-wire.md 2.7, B48). clientId names another device of
// the same user; nobody reaches further (B35).
func (d *device) info(e *socketio.Event) {
	fields, bad := d.data(e)
	if bad != nil {
		_ = e.Ack(*bad)
		return
	}
	id, ok, err := fields.Text("clientId", clientIDMax)
	if err != nil {
		_ = e.Ack(answer{Status: 400, Msg: err.Error()})
		return
	}
	if !ok || id == "" {
		id = d.member.ClientID
	}
	update, err := client.ParseUpdate(d.hub.opts.Names, fields)
	if err != nil {
		_ = e.Ack(answer{Status: 400, Msg: err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if len(update.Fields) == 0 {
		d.readInfo(ctx, e, id)
		return
	}
	update.Fields["userId"], update.Fields["nspName"] = d.member.UserID, d.member.Namespace
	switch err := d.hub.opts.Clients.UpdateClient(ctx, d.member.Namespace, id, d.member.UserID, update); {
	case err == nil:
		_ = e.Ack(answerOK)
	default:
		d.refuse(e, err, "info")
	}
}

// clientIDMax bounds a client id a caller names, in bytes.
const clientIDMax = 4096

func (d *device) readInfo(ctx context.Context, e *socketio.Event, id string) {
	record, err := d.hub.opts.Clients.Client(ctx, d.member.Namespace, id)
	switch {
	case err != nil:
		d.refuse(e, err, "info")
		return
	case record["userid"] != d.member.UserID:
		_ = e.Ack(answerForbidden)
		return
	}
	reply := make(map[string]any, len(record)+2)
	for field, value := range record {
		reply[field] = value
	}
	reply["status"], reply["msg"] = 200, "ok"
	_ = e.Ack(reply)
}

// refuse answers a failed operation on records. An id the caller may not name
// and one that does not exist look the same.
func (d *device) refuse(e *socketio.Event, err error, what string) {
	switch {
	case errors.Is(err, client.ErrForbidden), errors.Is(err, client.ErrUnknown):
		_ = e.Ack(answerForbidden)
	case errors.Is(err, client.ErrMutesFull):
		_ = e.Ack(answer{Status: 400, Msg: err.Error()})
	default:
		d.hub.opts.Logger.Error().Err(err).Str("client", d.member.ClientID).Msg(what)
		_ = e.Ack(answer{Status: 503, Msg: errStore.Error()})
	}
}

// apns reads the rooms this device has muted for APNs, or changes them; only
// for iOS (2.7, B8).
func (d *device) apns(e *socketio.Event) {
	if d.member.Platform != client.IOS {
		_ = e.Ack(answerForbidden)
		return
	}
	fields, bad := d.data(e)
	if bad != nil {
		_ = e.Ack(*bad)
		return
	}
	change, err := client.ParseMutes(d.hub.opts.Names, fields, d.hub.opts.Limits.RoomsPerRequest)
	if err != nil {
		_ = e.Ack(answer{Status: 400, Msg: err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if change.Absent() {
		rooms, err := d.hub.opts.Clients.Mutes(ctx, d.member.Namespace, d.member.ClientID)
		if err != nil {
			d.refuse(e, err, "apns")
			return
		}
		if rooms == nil {
			rooms = []string{}
		}
		_ = e.Ack(rooms)
		return
	}
	if err := d.hub.opts.Clients.ChangeMutes(ctx, d.member.Namespace, d.member.ClientID, change.Add, change.Remove); err != nil {
		d.refuse(e, err, "apns")
		return
	}
	_ = e.Ack(answerOK)
}

// discovered is the answer of discover.
type discovered struct {
	List   []map[string]string `json:"list"`
	Status int                 `json:"status"`
	Msg    string              `json:"msg"`
}

// discover lists the connected devices around a position: the one given, or
// the one the record of this device remembers (4.12, B48).
func (d *device) discover(e *socketio.Event) {
	fields, bad := d.data(e)
	if bad != nil {
		_ = e.Ack(*bad)
		return
	}
	area, at, err := client.ParseArea(fields)
	if err != nil {
		_ = e.Ack(answer{Status: 400, Msg: err.Error()})
		return
	}
	area.Namespace, area.ClientID = d.member.Namespace, d.member.ClientID
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if at == nil {
		record, err := d.hub.opts.Clients.Client(ctx, d.member.Namespace, d.member.ClientID)
		if err != nil {
			d.refuse(e, err, "discover")
			return
		}
		at = record.Position()
	}
	result := discovered{List: []map[string]string{}, Status: 200, Msg: "ok"}
	if at == nil {
		_ = e.Ack(result)
		return
	}
	area.Around = *at
	neighbours, err := d.hub.opts.Clients.Nearby(ctx, area)
	if err != nil {
		d.refuse(e, err, "discover")
		return
	}
	for _, n := range neighbours {
		result.List = append(result.List, n.Public())
	}
	_ = e.Ack(result)
}
