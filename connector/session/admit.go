package session

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"

	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/auth"
	"github.com/lightpush/lightpush/internal/callback"
	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
)

// errConflict is told to a connection that lost its client id to a newer one
// before it was ready.
var errConflict = errors.New("socket.id conflict")

// errStore is all a client learns of a store that does not answer.
var errStore = errors.New("service unavailable")

// admit is the middleware of every tenant: handshake rules, connect callback,
// presence. Membership is registered before the CONNECT answer, so that no
// push to the user can fall between (B2); the engine holds what is delivered
// meanwhile. A refused client leaves nothing behind (B19).
func (h *Hub) admit(ctx context.Context, s *socketio.Socket) error {
	err := h.tryAdmit(ctx, s)
	if err != nil && ctx.Err() == nil { // else the client has gone before it was answered
		h.noteRefusal(s.Namespace().Name(), err)
	}
	return err
}

func (h *Hub) tryAdmit(ctx context.Context, s *socketio.Socket) error {
	key := s.Namespace().Name()
	ns, ok := h.opts.Namespaces.Get(key)
	if !ok {
		return refuse(namespace.ErrUnknown)
	}
	hs := s.Handshake()
	values := mergeAuth(hs.Query, hs.Auth)
	handshake, err := client.ParseHandshake(h.opts.Names, key, values)
	if err != nil {
		return refuse(err)
	}
	granted, err := h.authenticate(ctx, ns, &handshake, values, hs.Engine)
	if err != nil {
		return err
	}
	d := &device{
		hub: h, socket: s, uuid: handshake.UUID,
		member: client.Member{
			Namespace: key,
			ClientID:  handshake.ID(),
			UserID:    handshake.UserID,
			Platform:  handshake.Platform,
			Node:      h.opts.Node,
		},
	}
	d.announce(handshake)
	rooms, err := d.callback(ctx, ns, handshake, values, &granted)
	if err != nil {
		return err
	}
	if h.blocks(key, d.member.UserID, "", "") { // the callback may have named somebody else
		return refuse(auth.ErrRevoked)
	}
	rooms = union(d.callbackRooms(granted.rooms), rooms)
	d.access = newAccess(granted)
	if err := h.admitOne(d); err != nil {
		return err
	}
	// The callback may have taken long.
	if now, ok := h.opts.Namespaces.Get(key); !ok {
		return refuse(namespace.ErrUnknown)
	} else if now.Offline {
		return refuse(namespace.ErrOffline)
	}
	s.Data = d
	waiting, err := d.enter(ctx, append([]string{room.ForUser(d.member.UserID)}, rooms...))
	if err == nil {
		d.keepInfo(ctx, granted.info)
	}
	if err != nil || !waiting {
		return err
	}
	return d.fetchInbox(ctx)
}

// mergeAuth adds the members of SIO5's auth object to the query; the URL wins
// (B18).
func mergeAuth(query url.Values, auth json.RawMessage) url.Values {
	var members map[string]json.RawMessage
	if auth == nil || json.Unmarshal(auth, &members) != nil || len(members) == 0 {
		return query
	}
	merged := make(url.Values, len(query)+len(members))
	for k, v := range query {
		merged[k] = v
	}
	for k, raw := range members {
		if _, ok := merged[k]; ok {
			continue
		}
		switch raw[0] {
		case '"':
			var text string
			if json.Unmarshal(raw, &text) == nil {
				merged[k] = []string{text}
			}
		case '[', '{':
			merged[k] = []string{"", ""} // counts as repeated: refused where one value is asked for
		case 'n': // null: not given
		default:
			merged[k] = []string{string(raw)}
		}
	}
	return merged
}

// callback asks the business system and returns the rooms it names.
func (d *device) callback(ctx context.Context, ns *namespace.Namespace, hs client.Handshake, values url.Values, g *grant) ([]string, error) {
	if !isSet(ns.ConnectCallback) && !isSet(ns.DisconnectCallback) {
		return nil, nil
	}
	engine := d.socket.Handshake().Engine
	query := tellable(ns, values, engine)
	query.Set("userid", hs.UserID)
	query.Set("platform", hs.Platform)
	request := d.callbackRequest(engine, query)
	var err error
	if d.member.Farewell, err = callback.NewFarewell(ns, request); err != nil {
		return nil, refuse(err)
	}
	if !isSet(ns.ConnectCallback) {
		return nil, nil
	}
	reply, err := d.hub.opts.Callbacks.Connect(ctx, ns, request)
	var status *callback.StatusError
	switch {
	case errors.As(err, &status):
		return nil, refuse(status)
	case err != nil:
		return nil, tryLater(err)
	}
	if err := d.adopt(ns, g, reply); err != nil {
		return nil, err
	}
	if reply.UserID != "" {
		if !d.hub.opts.Names.UserID(reply.UserID) {
			return nil, refuse(client.ErrUserIDInvalid)
		}
		d.member.UserID = reply.UserID
	}
	return d.callbackRooms(reply.Rooms), nil
}

// callbackRooms skips invalid names, which are only logged (2.6).
func (d *device) callbackRooms(rooms []string) []string {
	limit := d.ceilings().Rooms
	var valid []string
	for _, r := range rooms {
		if !d.hub.opts.Names.Room(r) || len(valid) >= limit {
			d.hub.opts.Logger.Warn().Str("namespace", d.member.Namespace).Str("client", d.member.ClientID).
				Msg("connect callback named an invalid room or too many")
			continue
		}
		if !slices.Contains(valid, r) {
			valid = append(valid, r)
		}
	}
	return valid
}

func isSet(s *string) bool { return s != nil && *s != "" }

// enter claims the client id and registers the connection everywhere; waiting
// says that there is something in the inbox of the device. ctx is
// the client's and ends only the wait for a turn: a client that leaves must
// not stop the writes half way.
func (d *device) enter(ctx context.Context, rooms []string) (waiting bool, err error) {
	give, err := d.hub.turns.take(ctx)
	if err != nil {
		return false, tryLater(err) // gone; nobody reads this
	}
	defer give()
	d.changing.Lock() // a transfer waits until the client is in, or gone
	defer d.changing.Unlock()
	write, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	claim, err := d.hub.opts.Presence.Claim(write, d.member)
	if err != nil {
		return false, d.unavailable(err, "claim client id")
	}
	d.member.Gen = claim.Gen
	entered := false
	defer func() { // also when something panics
		if !entered {
			refused := d.member
			refused.Refused = true
			d.hub.background.Go(func() { d.forget(refused, rooms, true) })
		}
	}()
	earlier, err := d.lookBack(write, claim)
	if err != nil {
		return false, d.unavailable(err, "look for the session to recover")
	}
	d.member.PID, d.member.SID = d.socket.PID(), d.socket.ID()
	if earlier != nil {
		rooms, d.recovered = union(rooms, earlier.rooms), true
	} else if d.member.PID != "" {
		d.since = push.TimeOffset(claim.At)
	}
	d.hub.takeOver(write, d, claim.Prev)
	if err := d.socket.Join(rooms...); err != nil {
		return false, tryLater(err) // gone already; nobody reads this
	}
	waiting, err = d.register(write, rooms)
	switch {
	case errors.Is(err, client.ErrSuperseded):
		return false, refuse(errConflict)
	case err != nil:
		return false, d.unavailable(err, "register presence")
	}
	if earlier != nil {
		if err := earlier.catchUp(write); err != nil {
			return false, d.unavailable(err, "recover session")
		}
	}
	entered = true
	return waiting, nil
}

// unavailable refuses a client because of the store. A client that has gone,
// or whose messages were trimmed away in this moment, is no failure of it.
func (d *device) unavailable(err error, what string) error {
	if errors.Is(err, socketio.ErrClosed) || errors.Is(err, push.ErrUnreachable) {
		return tryLater(errStore)
	}
	d.hub.opts.Logger.Error().Err(err).Str("client", d.member.ClientID).Msg(what)
	return tryLater(errStore)
}

// takeOver makes d the connection of its client id on this node and ends the
// one before, wherever it is (B14): the newest wins.
func (h *Hub) takeOver(ctx context.Context, d *device, prev client.Holder) {
	key := deviceKey{d.member.Namespace, d.member.ClientID}
	h.mu.Lock()
	old := h.devices[key]
	if old == nil || old.member.Gen < d.member.Gen {
		h.setLocked(key, d)
	}
	h.mu.Unlock()
	if old != nil && old.member.Gen < d.member.Gen {
		old.supersede()
	}
	if prev.Node == "" || prev.Node == h.opts.Node {
		return
	}
	kick := client.Kick{Namespace: d.member.Namespace, ClientID: d.member.ClientID, Gen: d.member.Gen}
	if err := h.opts.Nodes.Kick(ctx, prev.Node, kick); err != nil {
		// The old connection cannot harm the new one; it ends at its
		// next heartbeat at the latest.
		h.opts.Logger.Warn().Err(err).Str("node", prev.Node).Str("client", d.member.ClientID).Msg("kick previous connection")
	}
}

// connected is the connection handler: the client learns that it is ready.
func (h *Hub) connected(s *socketio.Socket) {
	d := s.Data.(*device)
	d.offerInbox()
	_ = s.Emit("ok", struct {
		System   string `json:"system"`
		Port     int    `json:"port"`
		ClientID string `json:"clientId"`
	}{h.opts.System, h.opts.Port, d.member.ClientID})
	if d.since != "" {
		_ = s.Emit(eventOffset, d.since)
		d.since = ""
	}
	h.opts.Observer.Connected(d.member.Platform, d.recovered)
	h.opts.Logger.Debug().Str("client", d.member.ClientID).Bool("recovered", d.recovered).Msg("connected")
	d.watch()
}
