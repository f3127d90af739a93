package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// show renders decoded packets: the type digit, "b" for binary, and the data.
func show(p packet) string {
	if p.binary {
		return fmt.Sprintf("%cb%x", p.typ, p.data)
	}
	return fmt.Sprintf("%c%s", p.typ, p.data)
}

type payloadCase struct {
	body string
	want string // packets joined by |
	err  error
}

var casesV4 = []payloadCase{
	{"4hello", "4hello", nil},
	{"4hello\x1e2\x1ebAQIDBA==", "4hello|2|4b01020304", nil},
	{"4", "4", nil},
	{"b", "4b", nil},
	{"bAQI", "4b0102", nil},
	{"bAQ==", "4b01", nil},
	{"bAQ=\r\n=\n", "4b01", nil},
	{"b-_-_", "4bfbffbf", nil},
	{"b+/+/", "4bfbffbf", nil},
	{"b4AQI=", "4be00408", nil}, // no type digit in protocol 4
	{"4€😀", "4€😀", nil},
	{"", "", errEmptyPacket},
	{"\x1e6", "", errEmptyPacket},
	{"6\x1e", "6", errEmptyPacket},
	{"6\x1e\x1e6", "6", errEmptyPacket},
	{"9", "", errUnknownType},
	{"/", "", errUnknownType},
	{"6\x1ex\x1e6", "6", errUnknownType},
	{"bA", "", errBadBase64},
	{"b!!!!", "", errBadBase64},
	{"bAQ==AQ==", "", errBadBase64},
	{"4\xff", "", errInvalidUTF8},
}

var casesV3Text = []payloadCase{
	{"6:4hello", "4hello", nil},
	{"6:4hello2:4€", "4hello|4€", nil},
	{`16:42["echo","€😀"]14:42["echo","z"]`, `42["echo","€😀"]|42["echo","z"]`, nil},
	{"15:42[\"uni\",\"€😀\"]", `42["uni","€😀"]`, nil},
	{"10:b4AQIDBA==", "4b01020304", nil},
	{"2:b4", "4b", nil},
	{"2:b2", "2b", nil},
	{"0:", "", nil},
	{"0:1:60:", "6", nil},
	{"01:6", "6", nil},
	{"", "", errEmptyPayload},
	{"5:6", "", errBadLength},
	{"1:6x", "6", errBadLength},
	{"1:61", "6", errBadLength},
	{"x:6", "", errBadLength},
	{":6", "", errBadLength},
	{"-1:6", "", errBadLength},
	{"1.5:6", "", errBadLength},
	{"0000000001:6", "", errBadLength},
	{"99999999999999999999:6", "", errBadLength},
	{"2:4😀", "", errBadLength}, // ends inside a surrogate pair
	{"1:9", "", errUnknownType},
	{"1:b", "", errEmptyPacket},
	{"3:b9A", "", errBadBase64},
	{"2:b9", "", errUnknownType},
	{"2:4\xff", "", errInvalidUTF8},
}

var casesV3Binary = []payloadCase{
	{"\x00\x04\xff4\xe2\x82\xac\x01\x05\xff\x04\x01\x02\x03\x04", "4€|4b01020304", nil},
	{"\x00\x01\x02\xff4xxxxxxxxxxx", "4xxxxxxxxxxx", nil},
	{"\x00\x00\xff\x00\x01\xff6", "6", nil},
	{"\x01\x01\xff\x02", "2b", nil},
	{"\x00\x06\xffb4AQI=", "4b0102", nil},
	{"", "", errEmptyPayload},
	{"\x02\x01\xff4", "", errUnknownKind},
	{"4", "", errUnknownKind},
	{"\x00", "", errBadLength},
	{"\x00\xff", "", errBadLength},
	{"\x00\x01", "", errBadLength},
	{"\x00\x0a\xff4", "", errBadLength},
	{"\x00\x02\xff4", "", errBadLength},
	{"\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\xff4", "", errBadLength},
	{"\x01\x00\xff", "", errEmptyPacket},
	{"\x01\x01\xff\x07", "", errUnknownType},
	{"\x00\x01\xff9", "", errUnknownType},
	{"\x00\x02\xff4\xff", "", errInvalidUTF8},
}

type decoder func([]byte, func(packet) error) error

func TestDecodePayload(t *testing.T) {
	for name, table := range map[string]struct {
		decode decoder
		cases  []payloadCase
	}{
		"v4": {decodePayloadV4, casesV4}, "v3 text": {decodePayloadV3Text, casesV3Text}, "v3 binary": {decodePayloadV3Binary, casesV3Binary},
	} {
		for _, c := range table.cases {
			t.Run(fmt.Sprintf("%s %q", name, c.body), func(t *testing.T) {
				var got []string
				err := table.decode([]byte(c.body), func(p packet) error { got = append(got, show(p)); return nil })
				if !errors.Is(err, c.err) || (c.err == nil && err != nil) || strings.Join(got, "|") != c.want {
					t.Fatalf("%q %v, want %q %v", got, err, c.want, c.err)
				}
				if len(got) == 0 {
					return
				}
				calls, stop := 0, errors.New("stop")
				err = table.decode([]byte(c.body), func(packet) error { calls++; return stop })
				if err != stop || calls != 1 {
					t.Fatalf("not stopped: %v after %d calls", err, calls)
				}
			})
		}
	}
}

func TestParseFrames(t *testing.T) {
	for _, c := range []struct {
		v      Protocol
		binary bool
		in     string
		want   string
		err    error
	}{
		{V4, false, "2probe", "2probe", nil},
		{V4, false, "bAQI=", "4b0102", nil},
		{V3, false, "b4AQI=", "4b0102", nil},
		{V4, true, "\x04\x01", "4b0401", nil},
		{V4, true, "", "4b", nil},
		{V3, true, "\x04\x01", "4b01", nil},
		{V3, true, "\x02", "2b", nil},
		{V3, true, "\x07", "", errUnknownType},
		{V3, true, "", "", errEmptyPacket},
		{V3, false, "b", "", errEmptyPacket},
		{V4, false, "", "", errEmptyPacket},
	} {
		parse := parseText
		if c.binary {
			parse = parseBinary
		}
		p, err := parse(c.v, []byte(c.in))
		if err != c.err || err == nil && show(p) != c.want {
			t.Errorf("%d %q: %q %v, want %q %v", c.v, c.in, show(p), err, c.want, c.err)
		}
	}
}

func TestUTF16Units(t *testing.T) {
	for s, want := range map[string]int{"": 0, "a": 1, "€": 1, "😀": 2, "a€😀b": 5, "\xff": 1} {
		if got := utf16Units([]byte(s)); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}

func TestMessage(t *testing.T) {
	m, b := text("€"), binary(1)
	if m.Binary() || !b.Binary() || m.Len() != 2+4 || b.Len() != 2+1 {
		t.Fatal(m.Len(), b.Len())
	}
	data := []byte("mine")
	kept := TextMessage(data)
	copy(data, "else")
	if string(kept.packet()) != "4mine" {
		t.Fatal("data was not copied")
	}
	if n := testing.AllocsPerRun(100, func() {
		_ = b.frames(V3, wireForm{})
		_ = b.frames(V4, wireForm{b64: true})
		_ = m.frames(V4, wireForm{})
	}); n > 0 {
		t.Fatalf("%v allocations per frame", n)
	}
}

func TestCloseErrorText(t *testing.T) {
	if s := (&CloseError{Reason: "a"}).Error(); s != "a" {
		t.Fatal(s)
	}
	if s := (&CloseError{Reason: "a", Err: errors.New("b")}).Error(); s != "a: b" {
		t.Fatal(s)
	}
}

func TestUnescapeNewlines(t *testing.T) {
	for in, want := range map[string]string{
		``: ``, `a\nb`: "a\nb", `a\\nb`: `a\nb`, `a\\\nb`: `a\\nb`, `\`: `\`, `\\`: `\\`, `\x`: `\x`, `\n\n`: "\n\n", "\n": "\n",
	} {
		if got := string(unescapeNewlines([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if _, ok := jsonpBody([]byte("d=%zz")); ok {
		t.Error("broken escape accepted")
	}
}

// checkPayload: what decodes must consist of legal packets, and messages must survive encoding and decoding.
func checkPayload(t *testing.T, body []byte, decode decoder, encode func([]byte, []*Message) []byte) {
	var batch []*Message
	var want []string
	_ = decode(bytes.Clone(body), func(p packet) error {
		if p.typ < typeOpen || p.typ > typeNoop || len(p.data) > len(body) {
			t.Fatalf("illegal packet %s", show(p))
		}
		if p.typ == typeMessage {
			want = append(want, show(p))
			if p.binary {
				batch = append(batch, BinaryMessage(p.data))
			} else {
				batch = append(batch, TextMessage(p.data))
			}
		}
		return nil
	})
	if len(batch) == 0 {
		return
	}
	var got []string
	err := decode(encode(nil, batch), func(p packet) error { got = append(got, show(p)); return nil })
	if err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
		t.Fatalf("%q became %q, %v", want, got, err)
	}
}

func FuzzPayloadV4(f *testing.F) {
	for _, c := range casesV4 {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkPayload(t, body, decodePayloadV4, appendPayloadV4) })
}

func FuzzPayloadV3Text(f *testing.F) {
	for _, c := range casesV3Text {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkPayload(t, body, decodePayloadV3Text, appendPayloadV3Text) })
}

func FuzzPayloadV3Binary(f *testing.F) {
	for _, c := range casesV3Binary {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkPayload(t, body, decodePayloadV3Binary, appendPayloadV3Binary) })
}

func FuzzBase64(f *testing.F) {
	f.Add([]byte("AQIDBA=="))
	f.Add([]byte("A Q\r\nI-_"))
	f.Fuzz(func(t *testing.T, in []byte) {
		strict, err := base64.StdEncoding.DecodeString(string(in))
		got, gotErr := decodeBase64(bytes.Clone(in))
		if err == nil && (gotErr != nil || !bytes.Equal(got, strict)) {
			t.Fatalf("%q: %x %v, want %x", in, got, gotErr, strict)
		}
	})
}

func FuzzJSONPBody(f *testing.F) {
	f.Add([]byte("d=" + url.QueryEscape(`4a\nb\\nc`)))
	f.Add([]byte("x=1&d=%5Cn&d=2"))
	f.Fuzz(func(t *testing.T, form []byte) {
		payload, ok := jsonpBody(bytes.Clone(form))
		if ok && len(payload) > len(form) {
			t.Fatalf("%q grew to %q", form, payload)
		}
	})
}
