package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// serve plays commands and returns the answers, the ready line first.
func serve(t *testing.T, c *Control, commands ...string) (ready Ready, replies []Reply) {
	t.Helper()
	var out bytes.Buffer
	if err := c.Serve(strings.NewReader(strings.Join(commands, "\n")), &out, Ready{"127.0.0.1:1", "v1"}); err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(&out)
	if err := decoder.Decode(&ready); err != nil {
		t.Fatal(err)
	}
	for decoder.More() {
		var r Reply
		if err := decoder.Decode(&r); err != nil {
			t.Fatal(err)
		}
		replies = append(replies, r)
	}
	if len(replies) != len(commands) {
		t.Fatalf("%d answers to %d commands", len(replies), len(commands))
	}
	return ready, replies
}

func TestControl(t *testing.T) {
	type sent struct {
		room string
		id   int64
		n    int
	}
	var got []sent
	c := &Control{Counters: &Counters{}, Emit: func(room string, m Message) {
		if m.PushData.T <= 0 || len(m.PushData.Pad) != 3 || m.Room != room || m.Namespace != Namespace {
			t.Errorf("message %+v", m)
		}
		got = append(got, sent{room, m.ID, m.PushData.N})
	}}
	c.Counters.Sockets.Store(5)
	ready, replies := serve(t, c,
		`{"op":"emit","room":"r","count":2,"pad":3}`,
		`{"op":"rate","rate":1e9,"count":3,"room":"user_","first":7,"rooms":2,"pad":3}`,
		`{"op":"rate","rate":1e9,"count":2,"room":"one","pad":3}`,
		`{"op":"stats"}`,
		`{"op":"rate","count":3,"room":"r"}`,
		`{"op":"fly"}`,
		`no JSON`,
	)
	want := []sent{{"r", 1, 0}, {"r", 2, 1}, {"user_7", 3, 0}, {"user_8", 4, 0}, {"user_7", 5, 1}, {"one", 6, 0}, {"one", 7, 1}}
	if len(got) != len(want) {
		t.Fatalf("sent %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("message %d: %v, want %v", i, got[i], want[i])
		}
	}
	if ready.Addr != "127.0.0.1:1" || replies[0].FirstID != 1 || replies[1].FirstID != 3 || replies[2].FirstID != 6 || replies[3].Sockets != 5 || replies[3].Goroutines < 1 {
		t.Errorf("%+v, %+v", ready, replies)
	}
	for i, r := range replies {
		if (r.Error != "") != (i > 3) {
			t.Errorf("answer %d: error %q", i, r.Error)
		}
	}
}

func TestControlBurst(t *testing.T) {
	bursts := 0
	c := &Control{Counters: &Counters{}, Burst: func(room string, messages []Message, joined bool) {
		bursts++
		if room == "r" && (len(messages) != 4 || !joined) {
			t.Errorf("%d messages, joined %v", len(messages), joined)
		}
	}}
	serve(t, c, `{"op":"emit","room":"r","count":4,"joined":true}`, `{"op":"rate","rate":1e9,"count":2,"room":"u","rooms":1}`)
	if bursts != 3 {
		t.Errorf("%d bursts", bursts)
	}
	emitted := 0
	c.Emit = func(string, Message) { emitted++ }
	serve(t, c, `{"op":"emit","room":"r","count":4,"joined":true}`, `{"op":"emit","room":"x","count":3}`, `{"op":"rate","rate":1e9,"count":2,"room":"u","rooms":1}`)
	if bursts != 4 || emitted != 5 {
		t.Errorf("with both: %d bursts, %d emitted", bursts, emitted)
	}
}

func TestCounters(t *testing.T) {
	c := &Control{Counters: &Counters{}}
	for _, n := range []int64{0, 1, 3, 2, 4} {
		c.Counters.Event(n)
	}
	_, replies := serve(t, c, `{"op":"stats"}`, `{"op":"reset"}`)
	if r := replies[0]; r.Events != 5 || r.Misordered != 2 {
		t.Errorf("%+v", r)
	}
	if r := replies[1]; r.Events != 0 || r.Misordered != 0 {
		t.Errorf("after reset: %+v", r)
	}
}

// The message has the fields the load client looks for, in lightpush's order.
func TestMessageText(t *testing.T) {
	text, err := json.Marshal(Message{ID: 1, Namespace: "/n", Room: "r", PushData: Data{N: 2, T: 3, Pad: "x"}, SendDate: 4})
	const want = `{"id":1,"namespace":"/n","room":"r","pushData":{"n":2,"t":3,"pad":"x"},"sendDate":4}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}

func TestPace(t *testing.T) {
	calls := 0
	Pace(100, 1e9, func() bool { return calls == 40 }, func(i int) {
		if i != calls {
			t.Errorf("call %d is told it is %d", calls, i)
		}
		calls++
	})
	if calls != 40 {
		t.Errorf("%d calls after it was cancelled at 40", calls)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestServeReportsABrokenPipe(t *testing.T) {
	if err := (&Control{Counters: &Counters{}}).Serve(strings.NewReader(""), broken{}, Ready{}); err == nil {
		t.Error("no error")
	}
}
