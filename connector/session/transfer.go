package session

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/room"
)

// Bounds of the transfers of one node.
const (
	// transferLanes work beside each other; a namespace has one of them.
	transferLanes = 8
	// transfersMax is how many may wait in a lane; then the bus waits.
	transfersMax = 1_024
	// transferWidth is how many connections of one transfer move at once.
	transferWidth = 64
	// transferPatience is how long the move of a connection is tried again
	// while the store does not answer.
	transferPatience = time.Minute
)

// transfers are the changes of membership the bus has asked for.
type transfers struct {
	seed  maphash.Seed
	lanes [transferLanes]chan room.Transfer
}

// startTransfers starts the goroutines, which end with the hub.
func (h *Hub) startTransfers() {
	h.transfers.seed = maphash.MakeSeed()
	for i := range h.transfers.lanes {
		lane := make(chan room.Transfer, transfersMax)
		h.transfers.lanes[i] = lane
		h.background.Go(func() {
			for {
				select {
				case t := <-lane:
					h.transfer(t)
				case <-h.closing.Done():
					return
				}
			}
		})
	}
}

// Transfer changes the rooms of connections of this node, in the background:
// each change is one of the store, too. Transfers of a namespace are done in
// the order of the calls, and whoever asked is told when all of one is done.
func (h *Hub) Transfer(t room.Transfer) {
	lane := h.transfers.lanes[maphash.String(h.transfers.seed, t.Namespace)%transferLanes]
	select {
	case lane <- t:
	case <-h.closing.Done(): // every connection is on its way out
	}
}

// transferNotice is what the clients hear (light-push-wire.md 2.8).
type transferNotice struct {
	TargetRoom  string   `json:"targetRoom"`
	SourceRooms []string `json:"sourceRooms"`
	Type        string   `json:"type"`
	Namespace   string   `json:"namespace"`
}

func (h *Hub) transfer(t room.Transfer) {
	notice, _ := json.Marshal(transferNotice{t.Target, t.Sources, t.Type, t.Namespace}) // strings always marshal
	var failed sync.Map
	width := make(turns, transferWidth)
	var moving sync.WaitGroup
	for _, d := range h.concerned(t) {
		give, err := width.take(h.closing)
		if err != nil {
			break
		}
		moving.Go(func() {
			defer give()
			if err := d.transferred(t, json.RawMessage(notice)); err != nil {
				failed.Store(d.member.ClientID, err)
			}
		})
	}
	moving.Wait()
	failed.Range(func(id, err any) bool {
		h.opts.Logger.Error().Any("error", err).Any("client", id).Str("room", t.Target).Msg("transfer")
		return true
	})
	if t.Done == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if err := h.opts.Clients.TransferDone(ctx, t.Done); err != nil {
		h.opts.Logger.Warn().Err(err).Msg("confirm transfer")
	}
}

// concerned are the connections whose membership may change.
func (h *Hub) concerned(t room.Transfer) (list []*device) {
	if t.Type == room.TransferLeave {
		for _, id := range t.Clients {
			if d := h.device(t.Namespace, id); d != nil {
				list = append(list, d)
			}
		}
		return list
	}
	tenant, ok := h.existingTenant(t.Namespace)
	if !ok || t.Type != room.TransferJoin || len(t.Sources) == 0 {
		return nil
	}
	for _, s := range tenant.To(t.Sources...).Sockets() {
		if d, ok := s.Data.(*device); ok {
			list = append(list, d)
		}
	}
	return list
}

// transferred moves one connection and tells it, if that changes anything.
func (d *device) transferred(t room.Transfer, notice json.RawMessage) error {
	move, event := d.join, "joinRoom"
	if t.Type == room.TransferLeave {
		move, event = d.leave, "leaveRoom"
	}
	end := time.Now().Add(transferPatience)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		if d.socket.In(t.Target) == (event == "joinRoom") {
			return nil // nothing to change, or it was done by the device itself
		}
		err := move([]string{t.Target})
		switch {
		case err == nil:
			_ = d.socket.Emit(event, notice)
			return nil
		case errors.Is(err, errConflict) || errors.Is(err, socketio.ErrClosed):
			return nil // what is left of it is changed with the offline devices
		case time.Now().After(end):
			return err
		}
		select {
		case <-time.After(pause):
		case <-d.hub.closing.Done():
			return err
		}
	}
}

// depart marks a connection that ends, behind whatever changes its rooms now,
// so that nothing changes them later, and returns all rooms to be released.
func (d *device) depart(rooms []string) []string {
	d.changing.Lock()
	defer d.changing.Unlock()
	d.gone = true
	return union(slices.Clone(rooms), d.socket.Rooms())
}

// enterAgain registers the connection once more, unless it has ended.
func (d *device) enterAgain(ctx context.Context) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	if d.gone {
		return nil
	}
	waiting, err := d.register(ctx, d.socket.Rooms())
	if waiting { // it came while the device was taken for offline
		d.hub.background.Go(d.inboxAgain)
	}
	return err
}
