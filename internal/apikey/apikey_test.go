package apikey

import (
	"strings"
	"testing"
)

func TestKey(t *testing.T) {
	k, text := New("/demo", "ci", Push, "admin", 7)
	if !IsText(text) || strings.Contains(k.Hash, text) || k.Name != "ci" || k.Scope != Push || k.Created != 7 {
		t.Fatalf("%+v %s", k, text)
	}
	ns, id, err := Parse(text)
	if err != nil || ns != "/demo" || id != k.ID {
		t.Fatalf("%s %s %v", ns, id, err)
	}
	other, otherText := New("/demo", "ci", Push, "", 7)
	keys := []Key{other, k}
	if found, ok := Find(keys, id, text); !ok || found != k {
		t.Errorf("%+v %v", found, ok)
	}
	if _, ok := Find(keys, id, otherText); ok {
		t.Error("another key fits")
	}
	if _, ok := Find(keys, "nobody", text); ok {
		t.Error("an unknown id fits")
	}
	if _, ok := Find([]Key{{ID: id}}, id, text); ok {
		t.Error("an empty hash fits")
	}
	for _, bad := range []string{
		"", "lpk_", "lpk_..", text[1:], text + "x", text + ".x", strings.Replace(text, "lpk_", "lpk_*", 1),
		"lpk_." + text[strings.IndexByte(text, '.')+1:], "lpk_" + strings.Repeat("A", TextMax) + text[4:],
	} {
		if _, _, err := Parse(bad); err != ErrInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	_, text := New("/demo", "", Read, "", 1)
	f.Add(text)
	f.Add("lpk_L2RlbW8.AAAAAAAAAAAA.")
	f.Fuzz(func(t *testing.T, text string) {
		if ns, id, err := Parse(text); err == nil && (ns == "" || len(id) != 12) {
			t.Errorf("%q: %q %q", text, ns, id)
		}
	})
}
