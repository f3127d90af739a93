package client

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/name"
)

var updateCases = []struct {
	body string
	want string // the fields and the position, or the text of the refusal
}{
	{`{}`, ""},
	{`{"id":"x","userid":"eve","~gen":1,"name":"x","mobile":null,"longitude":"","leaveMessage":null}`, ""},
	{`{"mobile":1,"system":true,"device_token":""}`, "device_token= mobile=1 system=true"},
	{`{"leaveMessage":false}`, "leaveMessage=false"},
	{`{"leaveMessage":"on"}`, "leaveMessage=true"},
	{`{"leaveMessage":""}`, "leaveMessage="},
	{`{"longitude":180,"latitude":"-90"}`, "latitude=-90 longitude=180 at 180 -90"},
	{`{"longitude":1e-7}`, "longitude=0.0000001"},
	{`{"longitude":-180.1,"latitude":0}`, "longitude must be between -180 and 180"},
	{`{"latitude":"+Inf"}`, "latitude must be a number"},
	{`{"mobile":[1]}`, "mobile must be a string"},
	{`{"system":"` + strings.Repeat("x", 501) + `"}`, "system must be at most 500 bytes"},
	{`{"leaveMessage":"x"}`, "leaveMessage must be true or false"},
}

func describe(u Update) string {
	var parts []string
	for _, field := range slices.Sorted(maps.Keys(u.Fields)) {
		parts = append(parts, field+"="+u.Fields[field])
	}
	if u.Position != nil {
		parts = append(parts, fmt.Sprintf("at %g %g", u.Position.Longitude, u.Position.Latitude))
	}
	return strings.Join(parts, " ")
}

func TestParseUpdate(t *testing.T) {
	for _, tc := range updateCases {
		f, err := input.FromJSON([]byte(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		u, err := ParseUpdate(name.DefaultRules(), f)
		got := describe(u)
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%.100s: %s, want %s", tc.body, got, tc.want)
		}
	}
}

func FuzzParseUpdate(f *testing.F) {
	for _, tc := range updateCases {
		f.Add(tc.body)
	}
	known := []string{"device_token", "mobile", "system", "leaveMessage", "userId", "nspName", "longitude", "latitude"}
	f.Fuzz(func(t *testing.T, body string) {
		fields, err := input.FromJSON([]byte(body))
		if err != nil {
			return
		}
		u, err := ParseUpdate(name.DefaultRules(), fields)
		var field *input.FieldError
		if err != nil && !errors.As(err, &field) {
			t.Errorf("refused by %v", err)
		}
		for name, value := range u.Fields {
			if !slices.Contains(known, name) || len(value) > DeviceTokenMax {
				t.Errorf("accepted %q of %d bytes", name, len(value))
			}
		}
		if p := u.Position; p != nil && (!(math.Abs(p.Longitude) <= 180) || !(math.Abs(p.Latitude) <= 90)) {
			t.Errorf("accepted %+v", p)
		}
	})
}

func TestRecordPosition(t *testing.T) {
	for _, r := range []Record{{}, {"longitude": "1"}, {"longitude": "x", "latitude": "1"}, {"longitude": "", "latitude": ""}} {
		if p := r.Position(); p != nil {
			t.Errorf("%v is at %v", r, p)
		}
	}
	if p := (Record{"longitude": "13.4", "latitude": "-52.5"}).Position(); p == nil || *p != (Position{13.4, -52.5}) {
		t.Errorf("%v", p)
	}
}

func TestParseArea(t *testing.T) {
	for body, want := range map[string]string{
		`{}`: "10 100 false",
		`{"radius":0.5,"count":"3","longitude":1,"latitude":2}`: "0.5 3 true",
		`{"radius":1e300,"count":1e15,"longitude":1}`:           "1000 500 false",
		`{"radius":0}`:      "radius must be above 0",
		`{"count":-1}`:      "count must be above 0",
		`{"count":0.5}`:     "count must be a whole number",
		`{"radius":"wide"}`: "radius must be a number",
		`{"latitude":91}`:   "latitude must be between -90 and 90",
	} {
		f, err := input.FromJSON([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		a, at, err := ParseArea(f)
		got := fmt.Sprint(a.RadiusKM, a.Count, at != nil)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func TestNeighbourIsPublic(t *testing.T) {
	n := Neighbour{ClientID: "/a#u#web-1", UserID: "u", DistanceKM: 1.23456, Fields: map[string]string{
		"system": "s", "device_token": "secret", "mobile": "1", "longitude": "1", "latitude": "1", "no_send_apns": "r"}}
	want := map[string]string{"id": "/a#u#web-1", "userId": "u", "distance": "1.2346", "system": "s"}
	if got := n.Public(); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
