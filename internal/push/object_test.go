package push

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// objects are values with what is left without apsData, and the value of
// apsData ("" for none); they seed the fuzzer.
var objects = []struct{ raw, without, member string }{
	{`{}`, `{}`, ""},
	{`{"a":1}`, `{"a":1}`, ""},
	{`{"apsData":1}`, `{}`, "1"},
	{`{"apsData":{"aps":{"alert":"x"}},"a":1}`, `{"a":1}`, `{"aps":{"alert":"x"}}`},
	{`{"a":1,"apsData":{"b":[1,"]}"]},"c":2}`, `{"a":1,"c":2}`, `{"b":[1,"]}"]}`},
	{`{"a":1,"apsData":"x"}`, `{"a":1}`, `"x"`},
	{`{"apsData":1,"apsData":[2]}`, `{}`, `[2]`},
	{`{"a":{"apsData":1}}`, `{"a":{"apsData":1}}`, ""},
	{`{"a":"apsData"}`, `{"a":"apsData"}`, ""},
	{`{"a":"\"apsData\":"}`, `{"a":"\"apsData\":"}`, ""},
	{`{"\u0061psData":1,"b":2}`, `{"b":2}`, "1"},
	{`{"apsdata":1}`, `{"apsdata":1}`, ""},
	{`{"b":1.0,"a":12345678901234567890,"apsData":null}`, `{"b":1.0,"a":12345678901234567890}`, "null"},
	{" { \"a\" : 1 , \"apsData\" : { } } ", " { \"a\" : 1 , \"apsData\" : { } } ", ""}, // callers compact first
	{`{ "a" : 1 , "apsData" : { } , "b" : [ ] }`, `{"a" : 1,"b" : [ ]}`, `{ }`},
	{`["apsData"]`, `["apsData"]`, ""},
	{`[{"apsData":1}]`, `[{"apsData":1}]`, ""},
	{`"apsData"`, `"apsData"`, ""},
	{`{"a":"\\","apsData":"\\\""}`, `{"a":"\\"}`, `"\\\""`},
	{`{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `,"apsData":-1e5}`, `{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, "-1e5"},
}

func TestWithoutKey(t *testing.T) {
	for _, tc := range objects {
		before := strings.Clone(tc.raw)
		raw := json.RawMessage(tc.raw)
		if got := string(withoutKey(raw, "apsData")); got != tc.without {
			t.Errorf("%.80s without apsData = %s, want %s", tc.raw, got, tc.without)
		}
		value, ok := member(raw, "apsData")
		if string(value) != tc.member || ok != (tc.member != "") {
			t.Errorf("%.80s: apsData = %s, %v, want %s", tc.raw, value, ok, tc.member)
		}
		if string(raw) != before {
			t.Errorf("%.80s was changed", before)
		}
	}
}

// FuzzWithoutKey compares with encoding/json.
func FuzzWithoutKey(f *testing.F) {
	for _, tc := range objects {
		f.Add([]byte(tc.raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		raw = bytes.TrimLeft(raw, " \t\r\n")
		var want map[string]json.RawMessage
		if raw[0] != '{' {
			if got := withoutKey(raw, "apsData"); !bytes.Equal(got, raw) {
				t.Errorf("%s became %s", raw, got)
			}
			return
		}
		if json.Unmarshal(raw, &want) != nil {
			return
		}
		value, ok := member(raw, "apsData")
		expected, given := want["apsData"]
		if ok != given || !bytes.Equal(bytes.TrimSpace(value), bytes.TrimSpace(expected)) {
			t.Errorf("%s: apsData = %s, %v, want %s, %v", raw, value, ok, expected, given)
		}
		delete(want, "apsData")
		var got map[string]json.RawMessage
		if err := json.Unmarshal(withoutKey(raw, "apsData"), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s without apsData = %s, %v", raw, withoutKey(raw, "apsData"), err)
		}
	})
}
