package bus

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/canary"
)

var notes = []canary.Note{
	{},
	{From: "host-1a2b3c4d", Sent: 1_800_000_000_000_000, Interval: 5 * time.Second},
	{From: "logic", Sent: 1, Answer: true},
	{From: strings.Repeat("n", 4096), Sent: -1, Interval: intervalMax * time.Millisecond, Answer: true},
}

func TestCanaryCodec(t *testing.T) {
	for _, n := range notes {
		if got, err := DecodeCanary(string(EncodeCanary(&n))); err != nil || got != n {
			t.Errorf("%.100v: %v, %.100v", n, err, got)
		}
	}
	for _, s := range append([]string{"\x01\x00\x00\x00\x04", "\x01\x00\x00\x00\x01", "\x01\x00\x00\x01\x00"}, malformed...) {
		if n, err := DecodeCanary(s); err != ErrEntry {
			t.Errorf("%q: %v, %+v", s[:min(len(s), 20)], err, n)
		}
	}
}

func FuzzCanary(f *testing.F) { fuzzCodec(f, notes, EncodeCanary, DecodeCanary) }

// TestReaderCanary holds that canaries travel with everything else, are told
// from a missing stream, and harm no reader that does not ask for them.
func TestReaderCanary(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		ctx, c := t.Context(), connect(t, address)
		sender := NewSender(c, "", 1000)
		if written, err := sender.Canary(ctx, "n1", notes[1]); written || err != nil {
			t.Fatalf("without a stream: %v, %v", written, err)
		}
		var mu sync.Mutex
		var got []canary.Note
		start(t, NewReader(connect(t, address), &recorder{}, ReaderOptions{
			Node: "n1", OnError: func(err error) { t.Error(err) },
			OnCanary: func(n canary.Note) { mu.Lock(); defer mu.Unlock(); got = append(got, n) },
		}))
		deaf := &recorder{}
		start(t, NewReader(connect(t, address), deaf, ReaderOptions{Node: "n2", OnError: func(err error) { t.Error(err) }}))
		for _, n := range notes {
			for _, node := range []string{"n1", "n2"} {
				if written, err := sender.Canary(ctx, node, n); !written || err != nil {
					t.Fatalf("%v, %v", written, err)
				}
			}
		}
		send(t, c, "n2", 1)
		eventually(t, "everything arrives", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(got) == len(notes) && deaf.count() == 1
		})
		if !slices.Equal(got, notes) {
			t.Errorf("%.200v", got)
		}
	})
}
