package namespace

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
)

func TestBeginPurge(t *testing.T) {
	name := "n"
	off := Namespace{Key: "/a", Name: &name, PasswdHash: "h", Offline: true, UpdateDate: 10}
	with := func(p Purge) *Namespace {
		n := off
		if n.Purge = p; p == PurgeFlush {
			n = Namespace{Key: "/a", Offline: true, UpdateDate: 10, Purge: p}
		}
		return &n
	}
	for _, c := range []struct {
		from *Namespace
		ask  Purge
		want Purge
		err  error
	}{
		{nil, PurgeClear, "", ErrNotOffline},
		{&Namespace{Key: "/a"}, PurgeFlush, "", ErrNotOffline},
		{with(PurgeNone), PurgeRealtime, PurgeRealtime, nil},
		{with(PurgeNone), PurgeClear, PurgeClear, nil},
		{with(PurgeNone), PurgeFlush, PurgeFlush, nil},
		{with(PurgeRealtime), PurgeRealtime, PurgeRealtime, nil},
		{with(PurgeRealtime), PurgeClear, PurgeClear, nil},
		{with(PurgeClear), PurgeRealtime, PurgeClear, nil},
		{with(PurgeClear), PurgeFlush, PurgeFlush, nil},
		{with(PurgeFlush), PurgeFlush, PurgeFlush, nil},
		{with(PurgeFlush), PurgeClear, "", ErrNotOffline},
	} {
		got, err := c.from.BeginPurge(c.ask, 5)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.ask, err)
			continue
		}
		if err != nil {
			continue
		}
		want := with(c.want)
		want.UpdateDate = 11 // grows even when the clock does not
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v by %s: %+v, want %+v", c.from, c.ask, got, want)
		}
		if again, err := Decode(must(got.Encode())); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("stored and read: %+v, %v", again, err)
		}
	}
	if off.Purge != PurgeNone || off.UpdateDate != 10 {
		t.Error("the original was changed")
	}
	if n := with(PurgeClear).EndPurge(99); n.Purge != PurgeNone || n.UpdateDate != 99 || !n.Offline {
		t.Errorf("ended: %+v", n)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// While something is removed the namespace stays offline, and a name that is
// being removed is not made new.
func TestSaveDuringPurge(t *testing.T) {
	for _, c := range []struct {
		purge     Purge
		body, own string
		want      error
	}{
		{PurgeNone, `{"key":"/a","offline":"off"}`, "", nil},
		{PurgeRealtime, `{"key":"/a","offline":"off"}`, "", ErrBusy},
		{PurgeClear, `{"offline":"off"}`, "/a", ErrBusy},
		{PurgeClear, `{"key":"/a","name":"x"}`, "", nil},
		{PurgeClear, `{"key":"/a","name":"x","offline":"on"}`, "", nil},
		{PurgeFlush, `{"key":"/a","name":"x","auth_passwd":"p"}`, "", ErrBusy},
		{PurgeFlush, `{"name":"x"}`, "/a", ErrNotFound},
	} {
		p, err := ParsePatch(rules, fields(t, c.body), c.own)
		if err != nil {
			t.Fatal(err)
		}
		n, err := p.Apply(&Namespace{Key: "/a", PasswdHash: "h", Offline: true, Purge: c.purge}, 1)
		if !errors.Is(err, c.want) {
			t.Errorf("%q %s: %v, want %v", c.purge, c.body, err, c.want)
		}
		if err == nil && n.Purge != c.purge {
			t.Errorf("%s lost the note %q", c.body, c.purge)
		}
	}
}

func TestSwitches(t *testing.T) {
	on, off := true, false
	for _, c := range []struct {
		body    string
		push    bool // of clients
		foreign *bool
		problem string
	}{
		{`{}`, true, &on, ""},
		{`{"client_push":"off"}`, false, &on, ""},
		{`{"client_push":"on"}`, true, &on, ""},
		{`{"client_push":false}`, false, &on, ""},
		{`{"client_push":null}`, true, &on, ""},
		{`{"client_push":""}`, true, &on, ""},
		{`{"join_foreign_user_room":"off"}`, true, &off, ""},
		{`{"join_foreign_user_room":"on","client_push":"off"}`, false, &on, ""},
		{`{"join_foreign_user_room":""}`, true, nil, ""},
		{`{"join_foreign_user_room":null}`, true, nil, ""},
		{`{"client_push":"maybe"}`, true, nil, "client_push must be on or off"},
		{`{"client_push":{}}`, true, nil, "client_push must be on or off"},
		{`{"join_foreign_user_room":[]}`, true, nil, "join_foreign_user_room must be on, off or empty"},
		{`{"join_foreign_user_room":"x"}`, true, nil, "join_foreign_user_room must be on, off or empty"},
	} {
		p, err := ParsePatch(rules, fields(t, c.body), "/a")
		if c.problem != "" {
			if err == nil || err.Error() != c.problem {
				t.Errorf("%s: %v", c.body, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		n, err := p.Apply(&Namespace{Key: "/a", JoinForeign: &on}, 1)
		if err != nil || n.ClientPushOff == c.push || !reflect.DeepEqual(n.JoinForeign, c.foreign) {
			t.Errorf("%s: %+v, %v", c.body, n, err)
		}
	}
	// A new namespace takes them too, and shows them.
	p, err := ParsePatch(rules, fields(t, `{"key":"a","auth_passwd":"p","client_push":"off","join_foreign_user_room":"off"}`), "")
	if err != nil {
		t.Fatal(err)
	}
	n, err := p.Apply(nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if public := n.Public(); public.ClientPush != "off" || public.JoinForeign != "off" {
		t.Errorf("public %+v", public)
	}
	if public := (&Namespace{}).Public(); public.ClientPush != "on" || public.JoinForeign != "" {
		t.Errorf("public %+v", public)
	}
}

// The console of light-push saves the whole object it has read.
func TestSwitchesSavedBackChangeNothing(t *testing.T) {
	text, off := "x", false
	n := &Namespace{
		Key: "/a", Name: &text, ConnectCallback: new(string), CallbackAuth: &text, PasswdHash: "h",
		Offline: true, ClientPushOff: true, JoinForeign: &off, UpdateDate: 1,
	}
	body, err := json.Marshal(n.Public())
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePatch(rules, fields(t, string(body)), "")
	if err != nil {
		t.Fatal(err)
	}
	again, err := p.Apply(n, 1)
	if err != nil {
		t.Fatal(err)
	}
	again.UpdateDate = 1
	if again.DisconnectCallback != nil && *again.DisconnectCallback == "" {
		again.DisconnectCallback = nil // null comes back as empty
	}
	if !reflect.DeepEqual(again, n) {
		t.Errorf("%+v became %+v", n, again)
	}
}
