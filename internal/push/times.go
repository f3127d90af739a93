package push

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Stored is when a message left for the store, and for which nodes.
type Stored struct {
	At    int64    // ms; 0: nobody has kept it
	Nodes int      // nodes that held the room
	Names []string // of these nodes, as far as they are kept
}

// storedMax keeps the record of a message in its compact form, which bounds
// single values (hash-max-listpack-value).
const storedMax = 64

// Encode gives the stored form, ms behind sent|nodes|name,name…
func (s Stored) Encode(sent int64) string {
	b := strconv.AppendInt(make([]byte, 0, storedMax), s.At-sent, 10)
	b = append(strconv.AppendInt(append(b, '|'), int64(s.Nodes), 10), '|')
	for i, name := range s.Names {
		if len(b)+1+len(name) > storedMax {
			break
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, name...)
	}
	return string(b)
}

// Written is when a node wrote a message to connections.
type Written struct {
	Node        string
	First, Last int64 // ms
	Connections int64
}

// AckSpan is when devices acked a message for the first time.
type AckSpan struct {
	First, Last int64 // ms; 0: nobody has kept it
	// Mark names one of the devices, which acked at At.
	Mark string
	At   int64
}

// Times are what the record of a message tells of its times.
type Times struct {
	Sent     int64
	Stored   Stored
	Written  []Written // by the time of the first write
	Acks     AckSpan
	Provider [2]int64 // first and last answer of the push service, ms; zeros for none
	Done     int64    // the offline delivery was over, ms; 0 for not
}

// TimesOf reads the stored fields of a message. What is malformed, or was
// written by a version that kept no times, is left out.
func TimesOf(record map[string]string) Times {
	number := func(text string) int64 {
		n, _ := strconv.ParseInt(text, 10, 64)
		return n
	}
	t := Times{Sent: number(record["sendDate"]), Done: number(record[FieldDone])}
	if p := strings.SplitN(record[FieldStored], "|", 3); len(p) == 3 {
		t.Stored.At, t.Stored.Nodes = t.Sent+number(p[0]), int(number(p[1]))
		if p[2] != "" {
			t.Stored.Names = strings.Split(p[2], ",")
		}
	}
	if p := strings.Split(record[FieldAcks], "|"); len(p) == 4 {
		t.Acks = AckSpan{First: t.Sent + number(p[0]), Last: t.Sent + number(p[1]), Mark: p[2], At: t.Sent + number(p[3])}
	}
	if p := strings.Split(record[FieldProvider], "|"); len(p) == 2 {
		t.Provider = [2]int64{number(p[0]), number(p[1])}
	}
	for field, value := range record {
		node, ok := strings.CutPrefix(field, FieldWritten)
		if p := strings.Split(value, "|"); ok && len(p) == 3 {
			t.Written = append(t.Written, Written{Node: node, First: t.Sent + number(p[0]), Last: t.Sent + number(p[1]), Connections: number(p[2])})
		}
	}
	slices.SortFunc(t.Written, func(a, b Written) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Node, b.Node))
	})
	return t
}

// DeviceTimes is what is kept of a message and a device besides its fate.
type DeviceTimes struct {
	Acked int64  // when it acked first, ms; 0: not, or nobody has kept it
	Past  []Fate // fates that another one has taken the place of, the oldest first
}

// Mark is all that is kept of a message and a device.
type Mark struct {
	Acked bool
	Fate  Fate
	Times DeviceTimes
}
