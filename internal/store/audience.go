package store

import (
	"context"
	"fmt"

	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/push"
)

// Audience reads one step of the devices of a platform that have joined a room
// and not left it; count is about how many. A device may come twice. Those
// that are in the audience from the first step to the last are all seen.
func (s *Store) Audience(ctx context.Context, ns, room, platform string, cursor uint64, count int) (clients []string, next uint64, err error) {
	scan := do("SSCAN", s.keys.room(ns, room).total(platformOf(platform)), cursor, "COUNT", max(count, 1))
	if s.opt.Dialer != nil {
		// The cursor of the embedded store is a place in a list, which
		// moves when a device leaves: it takes everything in one step.
		scan.args[len(scan.args)-1] = 1 << 30
	}
	if err := s.run(ctx, scan); err != nil {
		return nil, 0, fmt.Errorf("list audience of %s %s: %w", ns, room, err)
	}
	clients, next = scan.page()
	return clients, next, nil
}

// InAudience tells which devices have joined a room and not left it.
func (s *Store) InAudience(ctx context.Context, ns, room, platform string, clients []string) ([]bool, error) {
	acks, rooms := make([]push.Ack, len(clients)), make([]string, len(clients))
	for i, c := range clients {
		acks[i], rooms[i] = push.Ack{Namespace: ns, ClientID: c, Platform: platform}, room
	}
	return s.Members(ctx, acks, rooms)
}

// perDevice bounds the commands that leave together for the devices of a step.
const perDevice = 200

// Recipients reads what decides about devices.
func (s *Store) Recipients(ctx context.Context, ns, room string, clients []string) ([]push.Recipient, error) {
	list := make([]push.Recipient, 0, len(clients))
	for len(clients) > 0 {
		n := min(len(clients), perDevice/2)
		ops := make([]*op, 0, 2*n)
		for _, c := range clients[:n] {
			ops = append(ops,
				do("HMGET", s.keys.client(ns, c), "~gen", "leaveMessage", "device_token", "~node", "~on"),
				do("SISMEMBER", s.keys.mutes(ns, c), room))
		}
		if err := s.run(ctx, ops...); err != nil {
			return nil, fmt.Errorf("read %d devices of %s: %w", n, ns, err)
		}
		for i, c := range clients[:n] {
			v := ops[2*i].list()
			if len(v) != 5 {
				return nil, fmt.Errorf("read device %s: unexpected reply %v", c, v)
			}
			list = append(list, push.Recipient{
				ClientID: c, Known: v[0] != nil, OptOut: toText(v[1]) == "false", Token: toText(v[2]),
				Node: toText(v[3]), Gen: toInt(v[4]), Muted: ops[2*i+1].integer() == 1,
			})
		}
		clients = clients[n:]
	}
	return list, nil
}

// Direct sends one message to single devices on their nodes: at[i] is the node
// of clients[i]. Devices and nodes that are gone are no error.
func (s *Store) Direct(ctx context.Context, m *push.Message, clients, at []string) error {
	payload := m.Event(s.opt.EventFull)
	for len(clients) > 0 {
		n := min(len(clients), perDevice)
		ops := make([]*op, n)
		for i, c := range clients[:n] {
			entry := bus.EncodeDirect(&push.Direct{Namespace: m.Namespace, ClientID: c, MessageID: m.ID, Payload: payload})
			ops[i] = do(bus.DirectCommand(bus.StreamKey(s.opt.Prefix, at[i]), s.opt.StreamMaxLen, entry)...)
		}
		if err := s.run(ctx, ops...); err != nil {
			return fmt.Errorf("send message %d to %d devices: %w", m.ID, n, err)
		}
		clients, at = clients[n:], at[n:]
	}
	return nil
}

// DropToken removes a push token the service has refused, unless the device
// has a new one by now.
func (s *Store) DropToken(ctx context.Context, ns, clientID, token string) (dropped bool, err error) {
	drop := clientUntoken.call([]string{s.keys.client(ns, clientID)}, token)
	if err := s.run(ctx, drop); err != nil {
		return false, fmt.Errorf("drop token of %s: %w", clientID, err)
	}
	return drop.integer() == 1, nil
}
