package session

import (
	"context"
	"time"

	"github.com/lightpush/lightpush/connector/engineio"
	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/client"
)

// disconnected is called once for every admitted socket, behind its last
// event.
func (h *Hub) disconnected(s *socketio.Socket, reason engineio.Reason) {
	d := s.Data.(*device)
	d.unwatch()
	d.forget(d.member, s.Rooms(), socketio.Recoverable(reason) || d.superseded.Load())
	h.opts.Logger.Debug().Str("client", d.member.ClientID).Str("reason", string(reason)).Msg("disconnected")
}

// forget takes the connection out of the hub and of the store, which makes its
// disconnect callback due unless m was refused. A release is compared by
// generation, so that one that comes late harms nobody; while the store does
// not answer it is repeated until the hub closes, after which the sweep of
// this node sets things right.
func (d *device) forget(m client.Member, rooms []string, recoverable bool) {
	h := d.hub
	rooms = d.depart(rooms)
	key := deviceKey{d.member.Namespace, d.member.ClientID}
	h.mu.Lock()
	if h.devices[key] == d {
		h.setLocked(key, nil)
	}
	h.mu.Unlock()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := d.release(m, rooms, recoverable)
		if err == nil {
			return
		}
		select {
		case <-h.closing.Done():
			h.abandoned.Add(1)
			h.opts.Logger.Error().Err(err).Str("client", d.member.ClientID).Msg("release presence")
			return
		case <-time.After(pause):
		}
	}
}

func (d *device) release(m client.Member, rooms []string, recoverable bool) error {
	give, err := d.hub.turns.take(d.hub.closing)
	if err != nil {
		return err
	}
	defer give()
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	return d.hub.opts.Presence.Release(ctx, m, rooms, client.ReasonNetwork, recoverable)
}

// Close ends what runs in the background; releases that wait for the store
// give up. Call it when the server has been shut down.
func (h *Hub) Close() {
	h.close()
	h.background.Wait()
}

// Abandoned is the number of connections that have ended but are still listed
// under this node: their releases gave up.
func (h *Hub) Abandoned() int { return int(h.abandoned.Load()) }

// Kick ends connections of a client id that are older than a newer one
// elsewhere.
func (h *Hub) Kick(k client.Kick) {
	h.mu.Lock()
	d := h.devices[deviceKey{k.Namespace, k.ClientID}]
	h.mu.Unlock()
	if d != nil && d.member.Gen < k.Gen {
		d.supersede()
	}
}

// supersede ends a connection in favour of a newer one.
func (d *device) supersede() {
	d.superseded.Store(true)
	d.socket.Disconnect(false)
}

// Resync registers everything this node holds again, after the node has found
// itself swept while it was cut off. Connections whose device has meanwhile
// come back elsewhere are ended.
func (h *Hub) Resync(ctx context.Context) {
	h.mu.Lock()
	all := make([]*device, 0, len(h.devices))
	for _, d := range h.devices {
		all = append(all, d)
	}
	h.mu.Unlock()
	for _, d := range all {
		if ctx.Err() != nil {
			return
		}
		enter, cancel := context.WithTimeout(ctx, storeTimeout)
		err := d.enterAgain(enter)
		cancel()
		switch {
		case err == nil:
		case isSuperseded(err):
			d.supersede()
		default:
			h.opts.Logger.Error().Err(err).Str("client", d.member.ClientID).Msg("register presence again")
		}
	}
}
