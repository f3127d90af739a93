package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
)

func fields(pairs ...string) client.Update {
	u := client.Update{Fields: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		u.Fields[pairs[i]] = pairs[i+1]
	}
	return u
}

func TestClientRecord(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return at } })
		ctx := t.Context()
		m := device(t, s, "/a", "u1", client.IOS, "n1", "r")
		now := fmt.Sprint(at.UnixMilli())
		want := client.Record{"userid": "u1", "first_connect_time": now, "last_connect_time": now}
		same := func(what string) {
			t.Helper()
			if got := must[client.Record](t)(s.Client(ctx, "/a", m.ClientID)); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		same("new")
		check(t, s.UpdateClient(ctx, "/a", m.ClientID, "", fields("mobile", "1", "leaveMessage", "")))
		want["mobile"], want["leaveMessage"], want["update_date"] = "1", "", now
		same("updated")
		check(t, s.UpdateClient(ctx, "/a", m.ClientID, "u1", fields("mobile", "é\x00")))
		want["mobile"] = "é\x00"
		same("updated by its user")
		for what, tc := range map[string]struct {
			ns, id, owner string
			err           error
		}{
			"unknown":         {"/a", "/a#u9#web-1", "", client.ErrUnknown},
			"other namespace": {"/b", m.ClientID, "", client.ErrUnknown},
			"other user":      {"/a", m.ClientID, "u2", client.ErrForbidden},
		} {
			if err := s.UpdateClient(ctx, tc.ns, tc.id, tc.owner, fields("mobile", "stolen")); !errors.Is(err, tc.err) {
				t.Errorf("%s: %v", what, err)
			}
			if tc.owner != "" {
				continue
			}
			if err := s.ChangeMutes(ctx, tc.ns, tc.id, []string{"x"}, nil); !errors.Is(err, tc.err) {
				t.Errorf("mute %s: %v", what, err)
			}
		}
		for _, id := range []string{"/a#u9#web-1", ""} {
			if got := must[client.Record](t)(s.Client(ctx, "/a", id)); got == nil || len(got) > 0 {
				t.Errorf("%q: %v", id, got)
			}
		}
		if got := must[client.Record](t)(s.Client(ctx, "/b", m.ClientID)); len(got) > 0 {
			t.Errorf("in another namespace: %v", got)
		}
		check(t, s.Release(ctx, m, []string{"r"}, client.ReasonNetwork, false))
		want["last_disconnect_time"], want["disconnect_reason"] = now, "network"
		same("offline")
		for _, key := range keysLeft(t, s) {
			if strings.Contains(key, "u9") || strings.Contains(key, "{/b|") {
				t.Errorf("%s was made for a device that is unknown", key)
			}
		}
	})
}

// TestMutes holds that rooms are muted by their whole names (B8).
func TestMutes(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		m := device(t, s, "/a", "u1", client.IOS, "n1")
		for i, step := range []struct{ add, remove, want []string }{
			{nil, nil, nil},
			{[]string{"r12"}, nil, []string{"r12"}},
			{[]string{"r1", "r12", "r1"}, nil, []string{"r1", "r12"}},
			{nil, []string{"r1"}, []string{"r12"}},
			{[]string{"b"}, []string{"b", "never"}, []string{"r12"}}, // add first
			{nil, []string{"r12"}, nil},
		} {
			check(t, s.ChangeMutes(ctx, "/a", m.ClientID, step.add, step.remove))
			if got := must[[]string](t)(s.Mutes(ctx, "/a", m.ClientID)); !slices.Equal(got, step.want) {
				t.Errorf("step %d: %v, want %v", i, got, step.want)
			}
			record := must[client.Record](t)(s.Client(ctx, "/a", m.ClientID))
			if got := record["no_send_apns"]; got != strings.Join(step.want, ",") {
				t.Errorf("step %d: no_send_apns %q", i, got)
			}
		}
		for at := 0; at < client.MutesMax; at += 100 {
			var add []string
			for i := range 100 {
				add = append(add, fmt.Sprint("m", at+i))
			}
			check(t, s.ChangeMutes(ctx, "/a", m.ClientID, add, nil))
		}
		check(t, s.ChangeMutes(ctx, "/a", m.ClientID, []string{"m1"}, nil)) // nothing new
		if err := s.ChangeMutes(ctx, "/a", m.ClientID, []string{"m2", "more"}, []string{"m3"}); !errors.Is(err, client.ErrMutesFull) {
			t.Errorf("too many: %v", err)
		}
		if got := must[[]string](t)(s.Mutes(ctx, "/a", m.ClientID)); len(got) != client.MutesMax || slices.Contains(got, "more") || !slices.Contains(got, "m3") {
			t.Errorf("%d rooms after too many", len(got))
		}
	})
}

// TestWholeRoom holds that room-apns and room-leave-message reach every device
// that belongs to a room, on any platform, online or not, and no other.
func TestWholeRoom(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		const n = 700 // several steps of one platform
		var ids []string
		for i := range n {
			m := device(t, s, "/a", fmt.Sprint("u", i), client.Platforms[max(0, i+3-n)], "n1", "z")
			ids = append(ids, m.ClientID)
			switch {
			case i%4 == 0:
				check(t, s.Release(ctx, m, []string{"z"}, client.ReasonNetwork, false))
			case i == 1:
				check(t, s.Leave(ctx, m, []string{"z"}))
			}
		}
		outsider := device(t, s, "/a", "out", client.IOS, "n1", "zz")
		foreign := device(t, s, "/b", "u0", client.Web, "n1", "z")
		check(t, s.MuteRoom(ctx, "/a", "z", []string{"z", "y"}, []string{"y"}))
		check(t, s.SetRoomLeaveMessage(ctx, "/a", "z", "false"))
		check(t, s.MuteRoom(ctx, "/a", "nobody", []string{"z"}, nil))
		check(t, s.SetRoomLeaveMessage(ctx, "/a", "nobody", "true"))
		for i, id := range ids {
			record := must[client.Record](t)(s.Client(ctx, "/a", id))
			if in := i != 1; (record["no_send_apns"] == "z") != in || (record["leaveMessage"] == "false") != in || (record["update_date"] != "") != in {
				t.Fatalf("device %d: %v", i, record)
			}
		}
		for _, m := range []client.Member{outsider, foreign} {
			if record := must[client.Record](t)(s.Client(ctx, m.Namespace, m.ClientID)); record["no_send_apns"] != "" || record["leaveMessage"] != "" {
				t.Errorf("%s: %v", m.ClientID, record)
			}
		}
	})
}

func TestNearby(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		ctx := t.Context()
		locate := func(m client.Member, lon, lat float64) {
			t.Helper()
			u := fields("mobile", "1", "device_token", "secret", "system", "s"+m.UserID)
			u.Position = &client.Position{Longitude: lon, Latitude: lat}
			check(t, s.UpdateClient(ctx, m.Namespace, m.ClientID, "", u))
		}
		id := func(user, platform string) client.Member { return device(t, s, "/a", user, platform, "n1") }
		me, mine := id("me", client.Web), id("me", client.IOS)
		near, nearer, far := id("near", client.Web), id("near", client.Android), id("far", client.Web)
		pole, gone := id("pole", client.Web), id("gone", client.Web)
		other := device(t, s, "/b", "other", client.Web, "n1")
		locate(me, 13.4, 52.5)
		locate(mine, 13.41, 52.5)
		locate(near, 13.45, 52.5)
		locate(nearer, 13.43, 52.5)
		locate(far, 14.0, 52.5)
		locate(pole, 0, 90)
		locate(gone, 13.4, 52.5)
		locate(other, 13.4, 52.5)
		check(t, s.Release(ctx, gone, nil, client.ReasonNetwork, false))
		locate(gone, 13.4, 52.5) // offline: kept in the record only
		find := func(lon, lat, radius float64, count int) string {
			t.Helper()
			list := must[[]client.Neighbour](t)(s.Nearby(ctx, client.Area{
				Namespace: "/a", ClientID: me.ClientID, Around: client.Position{Longitude: lon, Latitude: lat}, RadiusKM: radius, Count: count}))
			var text []string
			for _, n := range list {
				if _, ok := n.Fields["device_token"]; ok || n.Fields["mobile"] != "" {
					t.Errorf("private fields: %v", n.Fields)
				}
				p := n.Public()
				if p["id"] != n.ClientID || p["userId"] != n.UserID || p["system"] != "s"+n.UserID || !strings.Contains(p["distance"], ".") {
					t.Errorf("public: %v", p)
				}
				text = append(text, n.UserID+"/"+n.ClientID[strings.LastIndex(n.ClientID, "#")+1:])
			}
			return strings.Join(text, " ")
		}
		for _, tc := range []struct {
			lon, lat, radius float64
			count            int
			want             string
		}{
			{13.4, 52.5, 10, 100, "me/ios-1 near/android-1"},
			{13.4, 52.5, 10, 1, "me/ios-1"},
			{13.4, 52.5, 100, 100, "me/ios-1 near/android-1 far/web-1"},
			{13.4, 52.5, 1, 100, "me/ios-1"},
			{-60, -30, 1000, 100, ""},
			{14, 52.5, 1, 2, "far/web-1"},
			{0, 89, 1000, 5, "pole/web-1"},
		} {
			if tc.lat > 85 && b.mini != nil {
				continue // miniredis finds nothing up there
			}
			if got := find(tc.lon, tc.lat, tc.radius, tc.count); got != tc.want {
				t.Errorf("%+v: %s", tc, got)
			}
		}
		check(t, s.Expel(ctx, []client.Member{nearer}, client.ReasonNetwork)) // a dead node's
		if got := find(13.4, 52.5, 10, 100); got != "me/ios-1 near/web-1" {
			t.Errorf("after a sweep: %s", got)
		}
		// Many devices of one user do not hide the others.
		for i := range 40 {
			m := client.Member{Namespace: "/a", ClientID: fmt.Sprintf("/a#many#web-%d", i), UserID: "many", Platform: client.Web, Node: "n1"}
			m.Gen = must[client.Claim](t)(s.Claim(ctx, m)).Gen
			check(t, s.Enter(ctx, m, nil))
			locate(m, 13.4, 52.5)
		}
		if got := strings.Count(find(13.4, 52.5, 100, 3), " "); got != 2 {
			t.Errorf("%d found of 3", got+1)
		}
	})
}
