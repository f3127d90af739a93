package session

import (
	"encoding/json"
	"testing"
)

var plainIDs = []struct {
	arg string
	id  int64 // 0: not plain
}{
	{`{"id":1}`, 1},
	{`{"id":"12"}`, 12},
	{`{"id":9223372036854775807}`, 9223372036854775807},
	{`{"id":0}`, 0},
	{`{"id":-1}`, 0},
	{`{"id":1.5}`, 0},
	{`{"id":1,"ids":[2]}`, 0},
	{`{"id":"1","ids":["2"]}`, 0},
	{`{"id":1,"id":2}`, 0},
	{`{"id": 1}`, 0},
	{`{"id":1 }`, 0},
	{`{"id":{"id":1}}`, 0},
	{`{"id":null}`, 0},
	{`{"id":""}`, 0},
	{`{"id":"x"}`, 0},
	{`{"ids":[1]}`, 0},
	{`{}`, 0},
	{`7`, 0},
	{`"{\"id\":1}"`, 0},
	{`[{"id":1}]`, 0},
}

func TestPlainID(t *testing.T) {
	for _, c := range plainIDs {
		if id, ok := plainID(json.RawMessage(c.arg)); ok != (c.id > 0) || ok && id != c.id {
			t.Errorf("%s: %d, %v", c.arg, id, ok)
		}
	}
	if _, ok := plainID(nil); ok {
		t.Error("nothing is an id")
	}
}

// FuzzPlainID: what is plain means the same to the decoder.
func FuzzPlainID(f *testing.F) {
	for _, c := range plainIDs {
		f.Add([]byte(c.arg))
	}
	f.Fuzz(func(t *testing.T, arg []byte) {
		if !json.Valid(arg) {
			return // the engine hands out no other
		}
		plain, ok := plainID(arg)
		if !ok {
			return
		}
		var decoded struct {
			ID  json.RawMessage   `json:"id"`
			IDs []json.RawMessage `json:"ids"`
		}
		err := json.Unmarshal(arg, &decoded)
		if id, same := messageID(decoded.ID); err != nil || !same || id != plain || len(decoded.IDs) > 0 {
			t.Errorf("%s: %d, but %d, %v", arg, plain, id, err)
		}
	})
}
