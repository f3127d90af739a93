package console

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
)

// Bounds of the messages of a user.
const (
	userDevices  = 20  // devices that are looked at
	userMessages = 100 // of one page
)

// UserQuery asks for messages to the devices of a user.
type UserQuery struct {
	Namespace string
	User      string
	From, To  int64 // of sending, ms, both included; 0: no bound
	Cursor    string
	Size      int // PageDefault when below 1, at most userMessages
}

// UserPage is a page of the messages to the devices of a user, the newest
// first. It covers the room of the user and the rooms its devices are in now,
// as far as the history of the namespace goes: not what was sent to rooms they
// have left.
type UserPage struct {
	User    string         `json:"user"`
	Devices []UserDevice   `json:"devices"`
	More    bool           `json:"more"`  // the user has more devices than are looked at
	Rooms   int            `json:"rooms"` // that are looked at
	List    []UserMessage  `json:"list"`
	Cursor  string         `json:"cursor"`
	Covers  HistoryCovered `json:"covers"`
}

// HistoryCovered is how far the history of a namespace goes.
type HistoryCovered struct {
	Messages int   `json:"messages"` // it names, some may have expired
	From     int64 `json:"from"`     // ms: when the oldest that exists was sent; 0: there is none, or far too many have expired
}

// UserDevice is a device of a user.
type UserDevice struct {
	ID             string `json:"id"`
	Platform       string `json:"platform"`
	Online         bool   `json:"online"`
	Node           string `json:"node"`
	Since          int64  `json:"since"`          // of its connection, ms; 0 when it is offline
	LastConnect    int64  `json:"lastConnect"`    // ms
	LastDisconnect int64  `json:"lastDisconnect"` // ms; 0 for never
}

// UserMessage is a message to some devices of a user.
type UserMessage struct {
	ID           string        `json:"id"`
	Room         string        `json:"room"`
	SendDate     int64         `json:"sendDate"` // ms
	ExpireAt     int64         `json:"expireAt"` // ms
	LeaveMessage bool          `json:"leaveMessage"`
	Devices      []UserReceipt `json:"devices"`
}

// UserReceipt is what became of a message for one device.
type UserReceipt struct {
	ClientID string     `json:"clientId"`
	Platform string     `json:"platform"`
	State    push.State `json:"state"`
	At       int64      `json:"at"` // ms; 0 where nothing has kept it
	Reason   string     `json:"reason"`
}

// UserMessages lists what was sent to the devices of a user, who may be
// unknown. Errors: ErrCursor, else the store's.
func (b *Browser) UserMessages(ctx context.Context, q UserQuery, judge Judge) (UserPage, error) {
	before, err := messageCursor(q.Cursor)
	if err != nil {
		return UserPage{}, err
	}
	if q.Size < 1 {
		q.Size = PageDefault
	}
	q.Size = min(q.Size, userMessages)
	p := UserPage{User: q.User, Devices: []UserDevice{}, List: []UserMessage{}}
	devices, err := b.devicesOf(ctx, q, &p)
	if err != nil {
		return UserPage{}, err
	}
	rooms := make([][]string, len(devices)) // of each device, sorted
	all := map[string]bool{}
	for i, d := range devices {
		if rooms[i], err = b.store.DeviceRooms(ctx, q.Namespace, d.ID, deviceRooms); err != nil {
			return UserPage{}, err
		}
		own := room.ForUser(q.User)
		if at, in := slices.BinarySearch(rooms[i], own); !in {
			rooms[i] = slices.Insert(rooms[i], at, own)
		}
		for _, name := range rooms[i] {
			all[name] = true
		}
	}
	p.Rooms = len(all)
	ids, err := b.store.MessageIDs(ctx, q.Namespace)
	if err != nil {
		return UserPage{}, err
	}
	if p.Covers, err = b.covered(ctx, q.Namespace, ids); err != nil {
		return UserPage{}, err
	}
	if len(devices) == 0 {
		return p, nil
	}
	found, next, err := b.messagesTo(ctx, q, ids, before, all)
	if err != nil {
		return UserPage{}, err
	}
	p.Cursor = next
	return p, b.addUserReceipts(ctx, q.Namespace, &p, found, devices, rooms, judge)
}

// devicesOf lists devices of a user, as many as are looked at.
func (b *Browser) devicesOf(ctx context.Context, q UserQuery, p *UserPage) ([]Device, error) {
	var ids []string
	for _, platform := range client.Platforms {
		for scan := uint64(0); len(ids) <= userDevices; {
			list, next, err := b.store.Audience(ctx, q.Namespace, room.ForUser(q.User), platform, scan, userDevices+1)
			if err != nil {
				return nil, err
			}
			for _, id := range list {
				if !slices.Contains(ids, id) && len(ids) <= userDevices {
					ids = append(ids, id)
				}
			}
			if scan = next; scan == 0 {
				break
			}
		}
	}
	p.More = len(ids) > userDevices
	devices, err := b.store.Devices(ctx, q.Namespace, ids[:min(len(ids), userDevices)])
	if err != nil {
		return nil, err
	}
	for i, d := range devices {
		if !d.Online {
			devices[i].Since = 0
		}
		p.Devices = append(p.Devices, UserDevice{
			ID: d.ID, Platform: d.Platform, Online: d.Online, Node: d.Node, Since: devices[i].Since,
			LastConnect: d.LastConnect, LastDisconnect: d.LastDisconnect,
		})
	}
	return devices, nil
}

// covered finds the oldest message that exists. Messages expire mostly in the
// order they came, so it looks at the oldest first, for a bounded time.
func (b *Browser) covered(ctx context.Context, ns string, ids []int64) (c HistoryCovered, err error) {
	c.Messages = len(ids)
	for rest, started := ids, time.Now(); len(rest) > 0 && time.Since(started) < walkTime; {
		n := min(len(rest), messageStep)
		heads, err := b.store.MessageHeads(ctx, rest[len(rest)-n:])
		if err != nil {
			return c, err
		}
		for _, h := range slices.Backward(heads) {
			if h != nil && h.Namespace == ns {
				c.From = h.SendDate
				return c, nil
			}
		}
		rest = rest[:len(rest)-n]
	}
	return c, nil
}

// messagesTo finds messages to rooms, the newest first.
func (b *Browser) messagesTo(ctx context.Context, q UserQuery, ids []int64, before int64, rooms map[string]bool) (found []*MessageHead, next string, err error) {
	for before > 0 && len(ids) > 0 && ids[0] >= before {
		ids = ids[1:]
	}
	last := int64(0)
	for started := time.Now(); len(ids) > 0; {
		n := min(len(ids), messageStep)
		heads, err := b.store.MessageHeads(ctx, ids[:n])
		if err != nil {
			return nil, "", err
		}
		i := 0
		for ; i < n && len(found) < q.Size; i++ {
			last = ids[i]
			h := heads[i]
			if h != nil && h.Namespace == q.Namespace && rooms[h.Room] &&
				(q.From == 0 || h.SendDate >= q.From) && (q.To == 0 || h.SendDate <= q.To) {
				found = append(found, h)
			}
		}
		ids = ids[i:]
		if len(found) >= q.Size || time.Since(started) > walkTime {
			break
		}
	}
	if len(ids) > 0 {
		next = strconv.FormatInt(last, 10)
	}
	return found, next, nil
}

// addUserReceipts adds to each message what became of it for the devices that
// are in its room.
func (b *Browser) addUserReceipts(ctx context.Context, ns string, p *UserPage, found []*MessageHead, devices []Device, rooms [][]string, judge Judge) error {
	messages := make([]UserMessage, len(found))
	gone := make([]bool, len(found))
	for i, d := range devices {
		var ids []int64
		var at []int
		for j, h := range found {
			if _, in := slices.BinarySearch(rooms[i], h.Room); in {
				ids, at = append(ids, h.ID), append(at, j)
			}
		}
		records, marks, err := b.store.DeviceMarks(ctx, ns, d.ID, ids)
		if err != nil {
			return err
		}
		for k, j := range at {
			if gone[j] = gone[j] || records[k] == nil; gone[j] {
				continue // it has expired meanwhile
			}
			m := &messages[j]
			m.ExpireAt, _ = strconv.ParseInt(records[k][push.FieldExpireAt], 10, 64)
			r := UserReceipt{ClientID: d.ID, Platform: d.Platform}
			r.State, r.Reason, r.At = judge(records[k], d.ID, marks[k], d.Since)
			m.Devices = append(m.Devices, r)
		}
	}
	for j, h := range found {
		m := &messages[j]
		if gone[j] || len(m.Devices) == 0 {
			continue
		}
		m.ID, m.Room, m.SendDate, m.LeaveMessage = strconv.FormatInt(h.ID, 10), h.Room, h.SendDate, h.Offline
		p.List = append(p.List, *m)
	}
	return nil
}
