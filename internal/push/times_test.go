package push

import (
	"fmt"
	"strings"
	"testing"
)

func TestTimesOf(t *testing.T) {
	record := map[string]string{
		"sendDate": "1000", FieldDone: "7000", FieldStored: "2|3|n1,n2", FieldAcks: "-1|30|amark|5", FieldProvider: "6000|6001",
		FieldWritten + "n2": "4|9|7", FieldWritten + "n1": "4|4|1", FieldWritten + "n0": "3|3|1",
		FieldWritten + "odd": "x", "~more": "4",
	}
	got := TimesOf(record)
	want := Times{
		Sent: 1000, Stored: Stored{At: 1002, Nodes: 3, Names: []string{"n1", "n2"}},
		Written:  []Written{{"n0", 1003, 1003, 1}, {"n1", 1004, 1004, 1}, {"n2", 1004, 1009, 7}},
		Acks:     AckSpan{First: 999, Last: 1030, Mark: "amark", At: 1005},
		Provider: [2]int64{6000, 6001}, Done: 7000,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("times %+v, want %+v", got, want)
	}
	for _, record := range []map[string]string{nil, {}, {FieldStored: "1|2", FieldAcks: "1|2", FieldProvider: "1", FieldWritten: "||"}} {
		if got := TimesOf(record); got.Stored.At != 0 || got.Acks.First != 0 || got.Provider[0] != 0 {
			t.Errorf("times of %v: %+v", record, got)
		}
	}
}

// The nodes of a message are kept as far as they fit a compact record.
func TestStored(t *testing.T) {
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("connector-%08x", i))
		s := Stored{At: 5_000_000, Nodes: i + 1, Names: names}.Encode(4_999_998)
		back := TimesOf(map[string]string{"sendDate": "4999998", FieldStored: s}).Stored
		if len(s) > storedMax || back.At != 5_000_000 || back.Nodes != i+1 || len(back.Names) != min(i+1, 3) || back.Names[0] != names[0] {
			t.Fatalf("%q reads %+v", s, back)
		}
	}
	if s := (Stored{At: 9, Nodes: 1, Names: []string{strings.Repeat("n", 100)}}).Encode(9); s != "0|1|" {
		t.Errorf("a long name gives %q", s)
	}
	if got := TimesOf(map[string]string{FieldStored: "0|0|"}).Stored; got.Nodes != 0 || got.Names != nil {
		t.Errorf("nobody: %+v", got)
	}
}

func FuzzTimesOf(f *testing.F) {
	f.Add("2|3|n1,n2", "-1|30|amark|5", "4|9|7", "6000|6001")
	f.Add("", "|||", "||", "|")
	f.Fuzz(func(t *testing.T, stored, acks, written, provider string) {
		TimesOf(map[string]string{"sendDate": "5", FieldStored: stored, FieldAcks: acks, FieldWritten + "n": written, FieldProvider: provider})
	})
}
