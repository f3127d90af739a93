package embedded

import (
	"bufio"
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// sampleRecords are read back as written, and seed the fuzz target.
var sampleRecords = [][][]string{
	{{"SET", "k", "v"}},
	{{"DEL", "k"}, {"XADD", "x", "1-1", "f", ""}, {"FLUSHDB"}},
	{{"SET", "binary", "\x00\xff\r\n" + string(recordMark) + "\xf5LPR"}},
	{{"SET", "long", strings.Repeat("x", 70_000)}},
}

func encodeRecord(commands [][]string) []byte {
	w := &recordWriter{}
	w.reset(1_800_000_000_123)
	for _, c := range commands {
		w.add(c...)
	}
	return w.appendTo(nil)
}

func TestRecordRoundTrip(t *testing.T) {
	for _, commands := range sampleRecords {
		b := encodeRecord(commands)
		var buf []byte
		rec, n, err := readRecord(bytes.NewReader(b), 0, int64(len(b)), &buf)
		if err != nil || n != int64(len(b)) || rec.time != 1_800_000_000_123 || !reflect.DeepEqual(rec.commands, commands) {
			t.Errorf("%.60q: %v, %d bytes, %v", commands, rec.time, n, err)
		}
		for cut := 0; cut < len(b); cut += 1 + len(b)/500 {
			if _, _, err := readRecord(bytes.NewReader(b[:cut]), 0, int64(cut), &buf); !errors.Is(err, errBadRecord) {
				t.Errorf("cut at %d: %v", cut, err)
			}
		}
	}
}

// FuzzReadRecord: no input makes the reader panic, allocate more than it is given, or accept what does not encode back.
func FuzzReadRecord(f *testing.F) {
	for _, commands := range sampleRecords {
		f.Add(encodeRecord(commands))
	}
	f.Add([]byte("\xf5LPR\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var buf []byte
		rec, n, err := readRecord(bytes.NewReader(b), 0, int64(len(b)), &buf)
		if len(buf) > len(b) {
			t.Fatalf("%d bytes allocated for %d", len(buf), len(b))
		}
		// The checksum stops most inputs: decode the rest as a payload as well.
		if _, perr := decodePayload(b); perr != nil && !errors.Is(perr, errBadRecord) {
			t.Fatalf("payload: %v", perr)
		}
		if err != nil {
			if !errors.Is(err, errBadRecord) {
				t.Fatalf("unexpected error: %v", err)
			}
			if at, err := findRecord(bytes.NewReader(b), 1, int64(len(b))); err != nil || at >= int64(len(b)) {
				t.Fatalf("search: %d, %v", at, err)
			}
			return
		}
		if n > int64(len(b)) || len(rec.commands) == 0 {
			t.Fatalf("%d bytes of %d, %d commands", n, len(b), len(rec.commands))
		}
	})
}

// FuzzReadCommand: the request parser survives anything, and reads back what it is given in the right form.
func FuzzReadCommand(f *testing.F) {
	f.Add(appendCommand(nil, "SET", "k", "v"))
	f.Add(appendCommand(nil, "SET", "k", strings.Repeat("x", 5000)))
	f.Add([]byte("*2\r\n$3\r\nGET\r\n$1048576\r\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(b), 4096)
		for {
			args, err := readCommand(r)
			if err != nil {
				return
			}
			again, err := readCommand(bufio.NewReader(bytes.NewReader(appendCommand(nil, args...))))
			if err != nil || len(again) != len(args) {
				t.Fatalf("%q read back as %q, %v", args, again, err)
			}
		}
	})
}
