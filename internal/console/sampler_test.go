package console

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"
)

// samples is a SamplerStore and a HeartbeatStore in memory.
type samples struct {
	mu      sync.Mutex
	holder  string
	now     map[string]Figures
	kept    map[time.Time]map[string]Figures
	writes  int
	fail    error
	beats   chan string
	dropped []string
}

func (s *samples) Lock(_ context.Context, name, by string, ttl time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return false, s.fail
	}
	if s.holder == "" {
		s.holder = by
	}
	return s.holder == by, nil
}

func (s *samples) Unlock(_ context.Context, name, by string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holder == by {
		s.holder = ""
	}
	return nil
}

func (s *samples) Figures(_ context.Context, namespaces []string, _ time.Time) ([]Figures, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Figures
	for _, ns := range namespaces {
		list = append(list, s.now[ns])
	}
	return list, nil
}

func (s *samples) KeepFigures(_ context.Context, minute time.Time, f map[string]Figures) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	s.kept[minute] = f
	return nil
}

func (s *samples) KeptFigures(_ context.Context, ns string, from time.Time, minutes int) ([]*Figures, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Figures, minutes)
	for i := range list {
		if f, ok := s.kept[from.Add(time.Duration(i)*time.Minute)][ns]; ok {
			list[i] = &f
		}
	}
	return list, nil
}

func TestSampler(t *testing.T) {
	store := &samples{kept: map[time.Time]map[string]Figures{}, now: map[string]Figures{"/a": {Clients: 1, Acks: 2}, "/b": {Clients: 3, Pushes: 4}}}
	clock := time.Date(2030, 1, 2, 3, 4, 2, 0, time.UTC)
	sampler := func(id string) *Sampler {
		return NewSampler(store, func() []string { return []string{"/a", "/b"} }, id, func() time.Time { return clock }, nil)
	}
	one, two := sampler("one"), sampler("two")
	look := func(what string, writes int) {
		t.Helper()
		for _, s := range []*Sampler{one, two} {
			if err := s.Sample(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if store.writes != writes {
			t.Errorf("%s: %d samples, want %d", what, store.writes, writes)
		}
	}
	look("too early: receipts may be under way", 0)
	clock = clock.Add(3 * time.Second)
	look("first", 1)
	look("again", 1)
	if got := store.kept[clock.Truncate(time.Minute).Add(-time.Minute)]; !reflect.DeepEqual(got, map[string]Figures{
		"/a": {Clients: 1, Acks: 2}, "/b": {Clients: 3, Pushes: 4}, Total: {Clients: 4, Pushes: 4, Acks: 2},
	}) {
		t.Errorf("kept %+v", got)
	}
	one.Close() // the other takes over, and does not sample the same minute again
	one = sampler("three")
	look("taken over", 1)
	clock = clock.Add(time.Minute)
	look("the next minute", 2)
	store.fail = errors.New("away")
	if err := two.Sample(context.Background()); !errors.Is(err, store.fail) {
		t.Errorf("error %v", err)
	}
	store.fail = nil
	two.Start()
	two.Close()
}

func TestReadSeries(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 7, 30, 0, time.UTC)
	minute := now.Truncate(time.Minute)
	store := &samples{kept: map[time.Time]map[string]Figures{
		minute.Add(-time.Minute):     {"/a": {Clients: 4, Acks: 1}}, // 03:06
		minute.Add(-2 * time.Minute): {"/a": {Clients: 1, Acks: 2}}, // 03:05
		minute.Add(-3 * time.Minute): {"/a": {Clients: 9, Acks: 4}}, // 03:04
	}}
	for step, want := range map[int]struct {
		from          time.Time
		clients, acks []int64 // the last ones; -1 for null
	}{
		1:  {minute.Add(-time.Hour), []int64{-1, 9, 1, 4}, []int64{-1, 4, 2, 1}},
		5:  {minute.Add(3*time.Minute - time.Hour), []int64{-1, 9, 3}, []int64{-1, 4, 3}}, // (1+4)/2 is rounded up
		60: {time.Date(2030, 1, 2, 3, 0, 0, 0, time.UTC), []int64{5}, []int64{7}},
	} {
		s, err := ReadSeries(context.Background(), store, "/a", now, 1, step)
		if err != nil || s.From != want.from.UnixMilli() || s.Points != 60/step || s.Step != step || len(s.Series.Clients) != s.Points || len(s.Series.Pushes) != s.Points {
			t.Errorf("step %d: %+v %v", step, s, err)
			continue
		}
		for name, set := range map[string]struct {
			got  []*int64
			want []int64
		}{"clients": {s.Series.Clients, want.clients}, "acks": {s.Series.Acks, want.acks}} {
			for i, w := range set.want {
				got := int64(-1)
				if p := set.got[len(set.got)-len(set.want)+i]; p != nil {
					got = *p
				}
				if got != w {
					t.Errorf("step %d: %s %d of the last is %d, want %d", step, name, i, got, w)
				}
			}
		}
	}
}

func (s *samples) PutHeartbeat(_ context.Context, id string, record []byte) error {
	s.beats <- id + " " + string(record)
	return nil
}
func (s *samples) Heartbeats(context.Context) (map[string][]byte, error) { return nil, nil }
func (s *samples) Nodes(context.Context) (map[string]time.Time, error)   { return nil, nil }
func (s *samples) DropHeartbeats(_ context.Context, ids []string) error  { s.dropped = ids; return nil }

func TestPulse(t *testing.T) {
	store := &samples{beats: make(chan string)}
	p := NewPulse(store, "n1", time.Millisecond, func() Heartbeat { return Heartbeat{Role: "logic"} }, nil)
	p.Start()
	for range 2 {
		select {
		case beat := <-store.beats:
			if want := `n1 {"id":"n1","role":"logic"`; len(beat) < len(want) || beat[:len(want)] != want {
				t.Errorf("beat %s", beat)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no beat")
		}
	}
	go func() {
		for range store.beats { // the one that may be under way
		}
	}()
	p.Close()
	close(store.beats)
	if len(store.dropped) != 1 || store.dropped[0] != "n1" {
		t.Errorf("dropped %v", store.dropped)
	}
}
