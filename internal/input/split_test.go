package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"
)

var arrayBodies = []string{
	`[]`, ` [ ] `, `[1]`, `[{}]`, "\n[ 1 ,\t-2.5e+3\r, true,null , \"a\\\"]\\\\\" ,[[],[{}]] ,{\"a\":[1,2],\"b\":{\"c\":\"}\"}}\n] ",
	`["\\","\\\"","",{"\u0061":1,"a" : 2,"\"":{"":[]}}]`, `[[[[[[[["deep"]]]]]]]]`, `["` + "\u2028é" + `"]`,
	``, `[`, `]`, `[1,]`, `[,1]`, `[1 2]`, `{}`, `null`, `"[]"`, `[1]x`, "[\"\xff\"]", `[{"a"}]`,
}

// same holds ItemsFromJSON, FromItem and FromJSON against encoding/json.
func same(t *testing.T, body []byte) {
	t.Helper()
	var want []json.RawMessage
	wantErr := json.Unmarshal(body, &want)
	items, err := ItemsFromJSON(body)
	switch {
	case err == nil && (wantErr != nil || bytes.Equal(bytes.TrimSpace(body), []byte("null"))):
		t.Fatalf("%q: accepted", body)
	case err == nil && !slices.EqualFunc(items, want, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }):
		t.Fatalf("%q: %q, want %q", body, items, want)
	}
	for _, item := range items {
		fields(t, item)
	}
	fields(t, body)
}

func fields(t *testing.T, body []byte) {
	t.Helper()
	got, err := FromJSON(body)
	var want Fields
	wantErr := json.Unmarshal(body, &want)
	if err != nil {
		if errors.Is(err, ErrNotObject) && wantErr == nil && want != nil {
			t.Fatalf("%q: %v", body, err)
		}
		return
	}
	if wantErr != nil || !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
		t.Fatalf("%q: %q, want %q, %v", body, got, want, wantErr)
	}
}

func TestItems(t *testing.T) {
	for _, body := range arrayBodies {
		same(t, []byte(body))
	}
	for body, want := range map[string]error{"{}": ErrNotArray, "1": ErrNotArray, "[": ErrSyntax, "": ErrSyntax, "[\"\xff\"]": ErrSyntax} {
		if _, err := ItemsFromJSON([]byte(body)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", body, err, want)
		}
	}
	items, err := ItemsFromJSON([]byte(`[{"a":1},2]`))
	if err != nil || len(items) != 2 {
		t.Fatal(items, err)
	}
	if f, err := FromItem(items[0]); err != nil || string(f["a"]) != "1" {
		t.Error(f, err)
	}
	if _, err := FromItem(items[1]); !errors.Is(err, ErrNotObject) {
		t.Error(err)
	}
}

func FuzzItems(f *testing.F) {
	for _, body := range arrayBodies {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { same(t, body) })
}
