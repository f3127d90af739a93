package report

import (
	"context"
	"slices"

	"github.com/lightpush/lightpush/internal/room"
)

// Totals is who is online in several namespaces together.
type Totals struct {
	Users   int64 `json:"userCount"`
	Rooms   int64 `json:"roomCount"`
	Clients int64 `json:"clientCount"`
}

// Presence are the figures of one namespace; rooms do not count user rooms,
// Total counts every device ever seen.
type Presence struct {
	Rooms   int64 `json:"roomCount"`
	Users   int64 `json:"userCount"`
	Clients int64 `json:"clientCount"`
	Total   int64 `json:"totalClientCount"`
}

// NamespaceOnline is the presence of a namespace with, when asked for, the
// names behind each figure. A list is nil, and absent from the answer, when
// it was not asked for or is longer than Options.OnlineListMax.
type NamespaceOnline struct {
	Presence
	RoomList   *[]string `json:"room,omitempty"`
	ClientList *[]string `json:"client,omitempty"`
	UserList   *[]string `json:"user,omitempty"`
}

// RoomOnline is the presence of one room; the lists are as in NamespaceOnline.
type RoomOnline struct {
	Name         string    `json:"name"`
	Users        int64     `json:"userCount"`
	Clients      int64     `json:"clientCount"`
	Total        int64     `json:"totalClientCount"`
	IOS          int64     `json:"iosClientCount"`
	TotalIOS     int64     `json:"totalIOSClientCount"`
	Android      int64     `json:"androidClientCount"`
	TotalAndroid int64     `json:"totalAndroidClientCount"`
	ClientList   *[]string `json:"client,omitempty"`
	UserList     *[]string `json:"user,omitempty"`
}

// Presence returns the figures of each of the namespaces, in their order.
func (r *Reports) Presence(ctx context.Context, namespaces []string) ([]Presence, error) {
	list := make([]Presence, len(namespaces))
	err := r.each(ctx, len(namespaces), func(ctx context.Context, i int) error {
		online, err := r.store.Online(ctx, namespaces[i])
		if err != nil {
			return err
		}
		list[i] = Presence{Rooms: online.Rooms, Users: online.Users, Clients: online.Clients, Total: online.Total}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Totals sums the figures of the namespaces.
func (r *Reports) Totals(ctx context.Context, namespaces []string) (sum Totals, err error) {
	list, err := r.Presence(ctx, namespaces)
	if err != nil {
		return Totals{}, err
	}
	for _, p := range list {
		sum.Users += p.Users
		sum.Rooms += p.Rooms
		sum.Clients += p.Clients
	}
	return sum, nil
}

// Namespace returns the presence of ns.
func (r *Reports) Namespace(ctx context.Context, ns string, detail bool) (NamespaceOnline, error) {
	list, err := r.Presence(ctx, []string{ns})
	if err != nil {
		return NamespaceOnline{}, err
	}
	online := NamespaceOnline{Presence: list[0]}
	if !detail {
		return online, nil
	}
	err = r.lists(ctx, []listing{
		{online.Rooms, &online.RoomList, func(ctx context.Context) ([]string, error) { return r.store.OnlineRooms(ctx, ns) }},
		{online.Clients, &online.ClientList, func(ctx context.Context) ([]string, error) { return r.store.OnlineClients(ctx, ns) }},
		{online.Users, &online.UserList, func(ctx context.Context) ([]string, error) { return r.store.OnlineUsers(ctx, ns) }},
	})
	if err != nil {
		return NamespaceOnline{}, err
	}
	return online, nil
}

// Rooms returns the presence of each of the rooms, in their order; a room
// nobody is in has zeros. The caller bounds the number of rooms.
func (r *Reports) Rooms(ctx context.Context, ns string, rooms []string, detail bool) ([]RoomOnline, error) {
	counts, err := r.store.RoomCounts(ctx, ns, rooms)
	if err != nil {
		return nil, err
	}
	list := make([]RoomOnline, len(rooms))
	var wanted []listing
	for i, name := range rooms {
		var count room.Count
		if i < len(counts) {
			count = counts[i]
		}
		list[i] = RoomOnline{
			Name: name, Users: count.Users,
			Clients: count.Online.Sum(), Total: count.Total.Sum(),
			IOS: count.Online.IOS, TotalIOS: count.Total.IOS,
			Android: count.Online.Android, TotalAndroid: count.Total.Android,
		}
		wanted = append(wanted,
			listing{list[i].Clients, &list[i].ClientList, func(ctx context.Context) ([]string, error) { return r.store.RoomClients(ctx, ns, name) }},
			listing{list[i].Users, &list[i].UserList, func(ctx context.Context) ([]string, error) { return r.store.RoomUsers(ctx, ns, name) }},
		)
	}
	if !detail {
		return list, nil
	}
	if err := r.lists(ctx, wanted); err != nil {
		return nil, err
	}
	return list, nil
}

// listing is one list of names that may be read because count is small.
type listing struct {
	count int64
	into  **[]string
	read  func(context.Context) ([]string, error)
}

// lists fills in the listings. A list whose figure is above the limit is not
// even read; one that has grown over it meanwhile is left out too.
func (r *Reports) lists(ctx context.Context, wanted []listing) error {
	limit := r.limits.OnlineListMax
	return r.each(ctx, len(wanted), func(ctx context.Context, i int) error {
		w := wanted[i]
		names := []string{}
		switch {
		case w.count > int64(limit):
			return nil
		case w.count > 0:
			found, err := w.read(ctx)
			if err != nil {
				return err
			}
			names = append(names, found...)
		}
		if len(names) <= limit {
			slices.Sort(names)
			*w.into = &names
		}
		return nil
	})
}
