package console

import (
	"context"
	"slices"
	"strconv"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

// Bounds of the page of one device.
const (
	deviceRooms   = 1000
	deviceInbox   = 200
	deviceHistory = 300 // messages of the namespace that are looked at
	deviceRecent  = 50
)

// DevicePage is all that is known of one device.
type DevicePage struct {
	ID     string        `json:"id"`
	Record client.Record `json:"record"`
	Online bool          `json:"online"`
	Node   string        `json:"node"`
	Since  int64         `json:"since"` // of the connection, ms; 0 when offline
	Rooms  []string      `json:"rooms"`
	Mutes  []string      `json:"mutes"`
	Inbox  []Waiting     `json:"inbox"`  // newest first
	Recent []Recent      `json:"recent"` // newest first
}

// Recent is a message to a room of the device and what became of it there.
type Recent struct {
	ID       string     `json:"id"`
	Room     string     `json:"room"`
	SendDate int64      `json:"sendDate"` // ms
	State    push.State `json:"state"`
	At       int64      `json:"at"` // ms; 0 where nothing has kept it
	Reason   string     `json:"reason"`
}

// Judge says what became of a message for a device: its record as far as
// DeviceMarks reads it, what is kept of the device, and since when, ms, it has
// been connected, 0 for not.
type Judge func(record map[string]string, id string, mark push.Mark, since int64) (state push.State, reason string, at int64)

// Device shows one device; client.ErrUnknown when there is none of that id.
func (b *Browser) Device(ctx context.Context, ns, id string, judge Judge) (DevicePage, error) {
	record, err := b.store.Client(ctx, ns, id)
	if err != nil {
		return DevicePage{}, err
	}
	if len(record) == 0 {
		return DevicePage{}, client.ErrUnknown
	}
	p := DevicePage{ID: id, Record: record, Recent: []Recent{}}
	devices, err := b.store.Devices(ctx, ns, []string{id})
	if err != nil {
		return DevicePage{}, err
	}
	d := devices[0]
	p.Online, p.Node, p.Since = d.Online, d.Node, d.Since
	if p.Rooms, err = b.store.DeviceRooms(ctx, ns, id, deviceRooms); err != nil {
		return DevicePage{}, err
	}
	if p.Mutes, err = b.store.Mutes(ctx, ns, id); err != nil {
		return DevicePage{}, err
	}
	if p.Inbox, err = b.store.DeviceInbox(ctx, ns, id, deviceInbox); err != nil {
		return DevicePage{}, err
	}
	for _, list := range []*[]string{&p.Rooms, &p.Mutes} {
		if *list == nil {
			*list = []string{}
		}
	}
	return p, b.addRecent(ctx, ns, &p, judge)
}

// addRecent looks through the latest messages of the namespace for those to
// rooms of the device, and those it got before it left theirs.
func (b *Browser) addRecent(ctx context.Context, ns string, p *DevicePage, judge Judge) error {
	ids, err := b.store.MessageIDs(ctx, ns)
	if err != nil {
		return err
	}
	ids = ids[:min(len(ids), deviceHistory)]
	records, marks, err := b.store.DeviceMarks(ctx, ns, p.ID, ids)
	if err != nil {
		return err
	}
	for i, m := range ids {
		if records[i] == nil || len(p.Recent) == deviceRecent {
			continue
		}
		name := records[i]["room"]
		if _, member := slices.BinarySearch(p.Rooms, name); !member && !marks[i].Acked && marks[i].Fate.State == "" {
			continue
		}
		state, reason, at := judge(records[i], p.ID, marks[i], p.Since)
		sent, _ := strconv.ParseInt(records[i]["sendDate"], 10, 64)
		p.Recent = append(p.Recent, Recent{ID: strconv.FormatInt(m, 10), Room: name, SendDate: sent, State: state, At: at, Reason: reason})
	}
	return nil
}
