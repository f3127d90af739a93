package console

import (
	"context"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/room"
)

// BrowseStore reads lists in bounded steps. Those of one walk begin and end
// with cursor 0 and give about count entries, those that contain q; an entry
// may come twice.
type BrowseStore interface {
	// RoomsStep walks the rooms with somebody online, user rooms excluded.
	RoomsStep(ctx context.Context, ns, q string, cursor uint64, count int) (names []string, next uint64, err error)
	// UsersStep walks the users online.
	UsersStep(ctx context.Context, ns, q string, cursor uint64, count int) (users []User, next uint64, err error)
	// OnlineStep walks the devices online, SeenStep those ever seen.
	OnlineStep(ctx context.Context, ns, q string, cursor uint64, count int) (ids []string, next uint64, err error)
	SeenStep(ctx context.Context, ns, q string, cursor uint64, count int) (ids []string, next uint64, err error)
	// SeenBefore lists devices by their last connect, the newest first, from
	// those at a time (ms; 0 for now) on, behind the first skip of them.
	SeenBefore(ctx context.Context, ns string, until int64, skip, count int) (ids []string, times []int64, err error)
	// MembersStep walks who is online in a room, Audience the devices of a
	// platform that have joined it and not left.
	MembersStep(ctx context.Context, ns, room string, cursor uint64, count int) (members []Member, next uint64, err error)
	Audience(ctx context.Context, ns, room, platform string, cursor uint64, count int) (clients []string, next uint64, err error)
	// MembersOf tells who of the devices is online in a room.
	MembersOf(ctx context.Context, ns, room string, ids []string) ([]Member, error)
	RoomCounts(ctx context.Context, ns string, rooms []string) ([]room.Count, error)
	// OnlineSince tells since when devices are online, ms; 0 for offline.
	OnlineSince(ctx context.Context, ns string, ids []string) ([]int64, error)
	// Devices reads devices; an unknown one has no user.
	Devices(ctx context.Context, ns string, ids []string) ([]Device, error)

	Client(ctx context.Context, ns, id string) (client.Record, error)
	Mutes(ctx context.Context, ns, id string) ([]string, error)
	DeviceRooms(ctx context.Context, ns, id string, limit int) ([]string, error)
	DeviceInbox(ctx context.Context, ns, id string, limit int) ([]Waiting, error)
	MessageIDs(ctx context.Context, ns string) ([]int64, error)
	DeviceMarks(ctx context.Context, ns, id string, messages []int64) (records []map[string]string, marks []push.Mark, err error)
	MessageHeads(ctx context.Context, ids []int64) ([]*MessageHead, error)
}

// Room is one line of a list of rooms.
type Room struct {
	Name   string    `json:"name"`
	Online Platforms `json:"online"`
	Total  Platforms `json:"total"` // devices that joined and did not leave
	Users  int64     `json:"users"` // online
}

// User is a user who is online with so many devices.
type User struct {
	ID      string `json:"id"`
	Devices int64  `json:"devices"`
}

// Member is a device of a room.
type Member struct {
	ID       string `json:"id"`
	UserID   string `json:"userid"`
	Platform string `json:"platform"`
	Online   bool   `json:"online"`
	Since    int64  `json:"since"` // of its connection, ms; 0 when it is offline
	Node     string `json:"-"`
}

// Device is one line of a list of devices.
type Device struct {
	ID             string `json:"id"`
	UserID         string `json:"userid"`
	Platform       string `json:"platform"`
	Online         bool   `json:"online"`
	Node           string `json:"node"`
	LastConnect    int64  `json:"lastConnect"`    // ms
	LastDisconnect int64  `json:"lastDisconnect"` // ms; 0 for never
	Since          int64  `json:"-"`              // of its connection, ms
}

// Waiting is an entry of an inbox.
type Waiting struct {
	ID       string `json:"id"`
	Room     string `json:"room"`
	SendDate int64  `json:"sendDate"` // ms
	ExpireAt int64  `json:"expireAt"` // ms
}

// Page is a part of a list; Cursor is that of the next one, "" at the end. A
// page may have fewer entries than asked for, or none, and still have a cursor.
type Page[T any] struct {
	List   []T    `json:"list"`
	Cursor string `json:"cursor"`
}

func page[T any](list []T, next string) Page[T] {
	if list == nil {
		list = []T{}
	}
	return Page[T]{List: list, Cursor: next}
}

// Query asks for a page of a list.
type Query struct {
	Namespace string
	Q         string // what entries contain, ignoring the case of ASCII letters
	Cursor    string
	Size      int // PageDefault when below 1, at most PageMost

	// Of devices only.
	Online   bool // only those online
	Offline  bool // only those offline; not with Online
	Platform string
	User     string
}

func (q *Query) size() int {
	if q.Size < 1 {
		return PageDefault
	}
	return min(q.Size, PageMost)
}

// count is how much one step looks at.
func (q *Query) count(filtered bool) int {
	if filtered {
		return walkCount
	}
	return q.size()
}

// Browser walks what a namespace has.
type Browser struct {
	store     BrowseStore
	platforms []string // whose devices have an inbox
}

// NewBrowser returns a Browser. offlinePlatforms are those with an inbox.
func NewBrowser(store BrowseStore, offlinePlatforms []string) *Browser {
	return &Browser{store: store, platforms: offlinePlatforms}
}

// Rooms lists rooms with somebody online; the room whose whole name is Q comes
// first, also when everybody in it is offline. Errors: ErrCursor, else the
// store's.
func (b *Browser) Rooms(ctx context.Context, q Query) (Page[Room], error) {
	names, next, err := Walk[string]{
		Phases: 1, Size: q.size(), Count: q.count(q.Q != ""),
		Step: func(ctx context.Context, _ int, scan uint64, count int) ([]string, uint64, error) {
			return b.store.RoomsStep(ctx, q.Namespace, q.Q, scan, count)
		},
		Fits: func(name string) bool { return name != q.Q && contains(name, q.Q) },
	}.Run(ctx, q.Cursor)
	if err != nil {
		return Page[Room]{}, err
	}
	list, err := b.rooms(ctx, q.Namespace, names)
	if err == nil && q.Q != "" && q.Cursor == "" {
		var exact Room
		if exact, err = b.Room(ctx, q.Namespace, q.Q); exact.Online != (Platforms{}) || exact.Total != (Platforms{}) {
			list = append([]Room{exact}, list...)
		}
	}
	return page(list, next), err
}

// Room shows one room; zeros when nobody ever joined it.
func (b *Browser) Room(ctx context.Context, ns, name string) (Room, error) {
	list, err := b.rooms(ctx, ns, []string{name})
	if err != nil {
		return Room{}, err
	}
	return list[0], nil
}

func (b *Browser) rooms(ctx context.Context, ns string, names []string) ([]Room, error) {
	if len(names) == 0 {
		return nil, nil
	}
	counts, err := b.store.RoomCounts(ctx, ns, names)
	if err != nil {
		return nil, err
	}
	list := make([]Room, len(names))
	for i, name := range names {
		list[i] = Room{Name: name, Users: counts[i].Users, Online: platformsOf(counts[i].Online), Total: platformsOf(counts[i].Total)}
	}
	return list, nil
}

func platformsOf(p room.PerPlatform) Platforms {
	return Platforms{Web: p.Web, IOS: p.IOS, Android: p.Android}
}

// Members lists the devices of a room: who is online in it, or with Online
// false everybody who joined it and did not leave. Errors as Rooms.
func (b *Browser) Members(ctx context.Context, name string, q Query) (Page[Member], error) {
	if q.Online {
		return b.onlineMembers(ctx, name, q)
	}
	type listed struct{ id, platform string }
	found, next, err := Walk[listed]{
		Phases: len(client.Platforms), Size: q.size(), Count: q.count(q.Q != ""),
		Step: func(ctx context.Context, phase int, scan uint64, count int) ([]listed, uint64, error) {
			platform := client.Platforms[phase]
			if q.Platform != "" && q.Platform != platform {
				return nil, 0, nil
			}
			ids, next, err := b.store.Audience(ctx, q.Namespace, name, platform, scan, count)
			list := make([]listed, len(ids))
			for i, id := range ids {
				list[i] = listed{id, platform}
			}
			return list, next, err
		},
		Fits: func(l listed) bool { return contains(l.id, q.Q) },
	}.Run(ctx, q.Cursor)
	if err != nil {
		return Page[Member]{}, err
	}
	ids := make([]string, len(found))
	for i, l := range found {
		ids[i] = l.id
	}
	members, err := b.store.MembersOf(ctx, q.Namespace, name, ids)
	if err != nil {
		return Page[Member]{}, err
	}
	devices, err := b.store.Devices(ctx, q.Namespace, ids)
	if err != nil {
		return Page[Member]{}, err
	}
	for i := range members {
		members[i].Platform = found[i].platform
		if members[i].UserID == "" {
			members[i].UserID = devices[i].UserID
		}
	}
	return page(members, next), nil
}

func (b *Browser) onlineMembers(ctx context.Context, name string, q Query) (Page[Member], error) {
	members, next, err := Walk[Member]{
		Phases: 1, Size: q.size(), Count: q.count(q.Q != "" || q.Platform != ""),
		Step: func(ctx context.Context, _ int, scan uint64, count int) ([]Member, uint64, error) {
			return b.store.MembersStep(ctx, q.Namespace, name, scan, count)
		},
		Fits: func(m Member) bool {
			return (q.Platform == "" || q.Platform == m.Platform) && contains(m.ID, q.Q)
		},
	}.Run(ctx, q.Cursor)
	return page(members, next), err
}

// Users lists the users online. Errors as Rooms.
func (b *Browser) Users(ctx context.Context, q Query) (Page[User], error) {
	users, next, err := Walk[User]{
		Phases: 1, Size: q.size(), Count: q.count(q.Q != ""),
		Step: func(ctx context.Context, _ int, scan uint64, count int) ([]User, uint64, error) {
			return b.store.UsersStep(ctx, q.Namespace, q.Q, scan, count)
		},
		Fits: func(u User) bool { return contains(u.ID, q.Q) },
	}.Run(ctx, q.Cursor)
	return page(users, next), err
}
