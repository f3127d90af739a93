package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/room"
)

// devices is a Devices in memory that keeps what it is asked for.
type devices struct {
	mu      sync.Mutex
	records map[string]client.Record // by namespace and client id
	calls   []string
	fail    error
}

func newDevices() *devices {
	return &devices{records: map[string]client.Record{
		"/demo|/demo#bob#web-b1":   {"userid": "bob", "first_connect_time": "1795165788212", "last_connect_time": "1795165788212", "leaveMessage": ""},
		"/other|/other#bob#web-b1": {"userid": "bob", "device_token": "secret"},
	}}
}

func (d *devices) Client(_ context.Context, ns, id string) (client.Record, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r, ok := d.records[ns+"|"+id]; ok {
		return r, d.fail
	}
	return client.Record{}, d.fail
}

func (d *devices) UpdateClient(_ context.Context, ns, id, owner string, u client.Update) error {
	var fields []string
	for field, value := range u.Fields {
		fields = append(fields, field+"="+value)
	}
	slices.Sort(fields)
	at := ""
	if u.Position != nil {
		at = fmt.Sprintf(" at %g %g", u.Position.Longitude, u.Position.Latitude)
	}
	return d.called(ns+"|"+id, "update %s %s %q %s%s", ns, id, owner, strings.Join(fields, " "), at)
}

func (d *devices) MuteRoom(_ context.Context, ns, room string, add, remove []string) error {
	return d.called("", "mute %s %s %v %v", ns, room, add, remove)
}

func (d *devices) SetRoomLeaveMessage(_ context.Context, ns, room, value string) error {
	return d.called("", "leaveMessage %s %s %q", ns, room, value)
}

func (d *devices) Transfer(_ context.Context, t room.Transfer) error {
	return d.called("", "transfer %s %s %v %s", t.Namespace, t.Target, t.Sources, t.Type)
}

func (d *devices) called(key, format string, args ...any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.records[key]; key != "" && !ok {
		return fmt.Errorf("update: %w", client.ErrUnknown)
	}
	if d.fail != nil {
		return d.fail
	}
	d.calls = append(d.calls, fmt.Sprintf(format, args...))
	return nil
}

// take returns the calls since the last take.
func (d *devices) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := d.calls
	d.calls = nil
	return calls
}
