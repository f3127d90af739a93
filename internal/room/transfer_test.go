package room

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/name"
)

var transferCases = []struct {
	body string
	want string // the transfer, or the text of the refusal
}{
	{`{"targetRoom":"dst","sourceRooms":["src"],"type":"join"}`, "dst [src] join"},
	{`{"targetRoom":"dst","sourceRooms":["src","b","src"],"type":"leave"}`, "dst [src b] leave"},
	{`{"targetRoom":"dst","sourceRooms":["dst"],"type":"leave","namespace":"/b"}`, "dst [dst] leave"},
	{`{"targetRoom":1,"sourceRooms":[2,true],"type":"join"}`, "1 [2 true] join"},
	{`{}`, ErrTransferMissing.Error()},
	{`{"targetRoom":"dst","sourceRooms":"src","type":"join"}`, ErrTransferMissing.Error()},
	{`{"targetRoom":"dst","sourceRooms":[],"type":"join"}`, ErrTransferMissing.Error()},
	{`{"targetRoom":"d t","sourceRooms":["s t"],"type":"x"}`, ErrTargetInvalid.Error()},
	{`{"targetRoom":"dst","sourceRooms":["s t"],"type":"x"}`, ErrSourceInvalid.Error()},
	{`{"targetRoom":"dst","sourceRooms":["a","b","c","d"],"type":"x"}`, "sourceRooms must have at most 3 elements"},
	{`{"targetRoom":"dst","sourceRooms":["src"],"type":"Join"}`, ErrTransferType.Error()},
}

func TestParseTransfer(t *testing.T) {
	for _, tc := range transferCases {
		f, err := input.FromJSON([]byte(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseTransfer(name.DefaultRules(), f, "/a", 3)
		text := fmt.Sprint(got.Target, " ", got.Sources, " ", got.Type)
		if err != nil {
			text = err.Error()
		} else if got.Namespace != "/a" || got.Clients != nil || got.Done != "" {
			t.Errorf("%s: %+v", tc.body, got)
		}
		if text != tc.want {
			t.Errorf("%s: %s, want %s", tc.body, text, tc.want)
		}
	}
}

func FuzzParseTransfer(f *testing.F) {
	for _, tc := range transferCases {
		f.Add(tc.body)
	}
	f.Add(`{"targetRoom":"dst","sourceRooms":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `,"type":"join"}`)
	rules := name.DefaultRules()
	f.Fuzz(func(t *testing.T, body string) {
		fields, err := input.FromJSON([]byte(body))
		if err != nil {
			return
		}
		got, err := ParseTransfer(rules, fields, "/a", 3)
		var field *input.FieldError
		switch {
		case err == nil:
			if !rules.Room(got.Target) || len(got.Sources) == 0 || len(got.Sources) > 3 || (got.Type != TransferJoin && got.Type != TransferLeave) ||
				slices.ContainsFunc(got.Sources, func(r string) bool { return !rules.Room(r) }) {
				t.Errorf("accepted %+v", got)
			}
		case !errors.As(err, &field) && !slices.Contains([]error{ErrTransferMissing, ErrTargetInvalid, ErrSourceInvalid, ErrTransferType}, err):
			t.Errorf("refused by %v", err)
		}
	})
}

func TestUserRooms(t *testing.T) {
	if ForUser("ann") != "user_ann" || !IsUser("user_ann") || IsUser("users") || IsUser("") {
		t.Error("user rooms are told from others by their prefix")
	}
	if (PerPlatform{1, 2, 3}).Sum() != 6 {
		t.Error("sum")
	}
}
