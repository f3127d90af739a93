package push

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestOffsets(t *testing.T) {
	for _, c := range []struct {
		text   string
		id, at int64
		ok     bool
	}{
		{MessageOffset(7), 7, 0, true},
		{TimeOffset(1_700_000_000_000), 0, 1_700_000_000_000, true},
		{"9223372036854775807", 1<<63 - 1, 0, true},
		{"9223372036854775808", 0, 0, false},
		{"", 0, 0, false},
		{"@", 0, 0, false},
		{"0", 0, 0, false},
		{"-1", 0, 0, false},
		{"+1", 0, 0, false},
		{"07", 0, 0, false},
		{"@@1", 0, 0, false},
		{"1 ", 0, 0, false},
		{"x", 0, 0, false},
	} {
		id, at, ok := ParseOffset(c.text)
		if id != c.id || at != c.at || ok != c.ok {
			t.Errorf("%q: %d, %d, %v", c.text, id, at, ok)
		}
	}
}

// TestFromStored holds that a message comes back from its record as it was.
func TestFromStored(t *testing.T) {
	text := "x"
	leave := true
	for _, m := range []*Message{
		{ID: 1, Namespace: "/a", Room: "r", PushData: json.RawMessage(`{"a":1}`), SendDate: 5, Expire: "1", ExpireAt: 6},
		{ID: 2, Namespace: "/a", Room: "r", PushData: json.RawMessage(`[]`), SendDate: 5, Expire: "0.5", ExpireAt: 6,
			LeaveMessage: &leave, APNsName: &text, Except: &text, From: &text, Extra: &text},
	} {
		record := map[string]*string{}
		for f := m.Fields(); len(f) > 0; f = f[2:] {
			record[f[0]] = &f[1]
		}
		fields := make([]*string, len(StoredFields))
		for i, name := range StoredFields {
			fields[i] = record[name]
		}
		got, ok := FromStored(m.ID, fields)
		if !ok || !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v, %v, want %+v", got, ok, m)
		}
	}
	if _, ok := FromStored(1, make([]*string, len(StoredFields))); ok {
		t.Error("a record that is gone")
	}
}
