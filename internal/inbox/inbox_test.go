package inbox

import (
	"encoding/json"
	"testing"
)

func ptr(s string) *string { return &s }

func TestEncode(t *testing.T) {
	values := make([]*string, len(Fields))
	values[0], values[1], values[FieldNamespace], values[9] = ptr("r"), ptr(`{"n":1.50,"apsData":{}}`), ptr("/demo"), ptr("7")
	values[5] = ptr("<é\"\u2028\\\x01>")
	e, ok := Encode(7, values)
	var back map[string]any
	if err := json.Unmarshal(e.Record, &back); !ok || e.ID != 7 || err != nil {
		t.Fatalf("%s, %v, %v", e.Record, ok, err)
	}
	if back["extra"] != "<é\"\u2028\\\x01>" || back["id"] != "7" || back["namespace"] != "/demo" || len(back) != 5 {
		t.Errorf("record %s", e.Record)
	}
	for name, change := range map[string]func(){
		"no push data": func() { values[1] = nil }, "broken push data": func() { values[1] = ptr("{") }, "no room": func() { values[0] = nil },
	} {
		before := append([]*string(nil), values...)
		change()
		if _, ok := Encode(7, values); ok {
			t.Errorf("%s: a record", name)
		}
		copy(values, before)
	}
	if _, ok := Encode(7, values[:3]); ok {
		t.Error("a short reply is a record")
	}
}

func TestKey(t *testing.T) {
	if id, end := ParseKey(Key(7, 1800000000000)); id != 7 || end != 1800000000000 {
		t.Errorf("%d, %d", id, end)
	}
	for _, text := range []string{"", "7", "|", "x|1", "7|x", "7|1|2"} {
		if id, end := ParseKey(text); id != 0 || end != 0 {
			t.Errorf("%q: %d, %d", text, id, end)
		}
	}
	if Fields[FieldNamespace] != "namespace" {
		t.Error("FieldNamespace is another field")
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("7|1800000000000")
	f.Add("|")
	f.Fuzz(func(t *testing.T, text string) {
		if id, end := ParseKey(text); id != 0 || end != 0 {
			if again, e := ParseKey(Key(id, end)); again != id || e != end {
				t.Errorf("%q", text)
			}
		}
	})
}
