package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/test/bench/load"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	in := strings.NewReader(`{"op":"stats","group":"g"}` + "\n" + `{"op":"wait","group":"g"}` + "\n")
	if err := run(in, &out); err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(&out)
	var stats, wait load.Reply
	if err := decoder.Decode(&stats); err != nil || stats.Error != "" {
		t.Errorf("%+v, %v", stats, err)
	}
	if err := decoder.Decode(&wait); err != nil || !strings.Contains(wait.Error, "no group") {
		t.Errorf("%+v, %v", wait, err)
	}
	if err := run(strings.NewReader("no JSON\n"), &out); err == nil {
		t.Error("garbage passed")
	}
}
