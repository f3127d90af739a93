package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
)

// fake is a Store in memory whose clock is the test's.
type fake struct {
	mu       sync.Mutex
	leases   map[string]bool // node → expired
	listed   map[string][]client.Member
	locks    map[string]string
	expelled []string
	dropped  []string
	beats    chan string // capacity decides whether Beat waits
	fail     error
}

func newFake() *fake {
	return &fake{
		leases: map[string]bool{}, listed: map[string][]client.Member{}, locks: map[string]string{},
		beats: make(chan string, 100),
	}
}

func (f *fake) Beat(_ context.Context, node string, _ time.Duration) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return false, f.fail
	}
	_, known := f.leases[node]
	f.leases[node] = false
	select {
	case f.beats <- node:
	default:
	}
	return known, nil
}

func (f *fake) Drop(_ context.Context, node string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.leases, node)
	delete(f.listed, node)
	f.dropped = append(f.dropped, node)
	return nil
}

func (f *fake) Expired(context.Context) (dead []string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for node, expired := range f.leases {
		if expired {
			dead = append(dead, node)
		}
	}
	slices.Sort(dead)
	return dead, f.fail
}

func (f *fake) Lock(_ context.Context, node, by string, _ time.Duration) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if holder, held := f.locks[node]; held && holder != by {
		return false, nil
	}
	f.locks[node] = by
	return true, nil
}

func (f *fake) Connections(_ context.Context, node string, cursor uint64, count int) ([]client.Member, uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rest := f.listed[node][cursor:]
	if len(rest) <= count {
		return rest, 0, nil
	}
	return rest[:count], cursor + uint64(count), nil
}

func (f *fake) Expel(_ context.Context, members []client.Member, reason string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range members {
		f.expelled = append(f.expelled, m.ClientID+" "+reason)
	}
	return nil
}

func TestSweep(t *testing.T) {
	f := newFake()
	f.leases = map[string]bool{"alive": false, "dead": true, "taken": true}
	f.locks["taken"] = "another sweeper"
	const clients = 2*sweepStep + 7
	for i := range clients {
		f.listed["dead"] = append(f.listed["dead"], client.Member{ClientID: fmt.Sprint(i)})
	}
	f.listed["alive"] = []client.Member{{ClientID: "x"}}
	swept := map[string]int{}
	s := NewSweeper(f, "me", time.Hour, 0, func(node string, n int) { swept[node] = n }, nil)
	defer s.Close() // also without Start
	if err := s.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(f.expelled) != clients || f.expelled[0] != "0 network" || swept["dead"] != clients || len(swept) != 1 {
		t.Errorf("expelled %d, swept %v", len(f.expelled), swept)
	}
	if !slices.Equal(f.dropped, []string{"dead"}) {
		t.Errorf("dropped %v", f.dropped)
	}
}

func TestSweepError(t *testing.T) {
	f := newFake()
	f.fail = errors.New("away")
	if err := NewSweeper(f, "me", time.Hour, 0, nil, nil).Sweep(context.Background()); !errors.Is(err, f.fail) {
		t.Errorf("error = %v", err)
	}
}

func TestSweeperRuns(t *testing.T) {
	f := newFake()
	f.leases["dead"] = true
	swept := make(chan string, 1)
	s := NewSweeper(f, "me", time.Millisecond, 0, func(node string, _ int) { swept <- node }, nil)
	s.Start()
	defer s.Close()
	select {
	case node := <-swept:
		if node != "dead" {
			t.Errorf("swept %s", node)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was swept")
	}
}

// A store that was away has kept every node from renewing its lease, so after an outage all of them look dead. They get
// time to show that they live before anybody is swept.
func TestSweeperWaitsAfterAnOutage(t *testing.T) {
	const every, patience = 5 * time.Second, 15 * time.Second
	f := newFake()
	f.leases["late"] = true
	clock := time.Unix(1_000_000, 0)
	swept := 0
	s := NewSweeper(f, "me", every, patience, func(string, int) { swept++ }, nil)
	defer s.Close()
	s.now = func() time.Time { return clock }
	look := func(after time.Duration, fail error, want int) {
		t.Helper()
		clock = clock.Add(after)
		f.fail = fail
		if err := s.look(context.Background()); !errors.Is(err, fail) {
			t.Errorf("error %v, want %v", err, fail)
		}
		if swept != want {
			t.Fatalf("swept %d times, want %d", swept, want)
		}
		f.leases["late"] = true // dead again, for the next look
	}
	s.begin()
	look(every, nil, 0) // just started: nobody knows what was before
	look(every, nil, 0)
	look(every, nil, 1)
	look(every, nil, 2) // from now on at once
	away := errors.New("away")
	look(every, away, 2)
	look(every, away, 2)
	look(every, nil, 2)
	look(every, nil, 2)
	look(every, nil, 3)
	look(time.Minute, nil, 3) // this process was frozen, and may have slept through an outage
	look(every, nil, 3)
	look(every, nil, 3)
	look(every, nil, 4)
}

func TestLease(t *testing.T) {
	f := newFake()
	resynced := make(chan time.Time, 10)
	before := time.Now()
	l := NewLease(f, "a", 30*time.Millisecond, func(_ context.Context, since time.Time) { resynced <- since }, nil)
	if l.Held() {
		t.Error("held before it was started")
	}
	if err := l.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer l.Stop()
	for range 4 { // it is renewed
		select {
		case <-f.beats:
		case <-time.After(10 * time.Second):
			t.Fatal("no beat")
		}
	}
	if len(resynced) != 0 {
		t.Error("resync without a reason")
	}
	_ = f.Drop(context.Background(), "a") // swept although it lives
	select {
	case since := <-resynced:
		if since.Before(before) || since.After(time.Now()) {
			t.Errorf("swept after %v, started at %v", since, before)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no resync")
	}
}

// A beat that comes after the lease had run out proves nothing: a sweep may be under way and end behind it. What was
// missed begins before the silence.
func TestLeaseKnowsSinceWhen(t *testing.T) {
	f := newFake()
	const ttl = 60 * time.Millisecond
	type sweep struct{ since time.Time }
	resynced := make(chan sweep, 10)
	failed := make(chan error, 1000)
	l := NewLease(f, "a", ttl, func(_ context.Context, since time.Time) { resynced <- sweep{since} }, func(err error) { failed <- err })
	if err := l.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer l.Stop()
	f.mu.Lock()
	f.fail = errors.New("away")
	f.mu.Unlock()
	<-failed // no beat comes through any more
	silent := time.Now()
	for time.Since(silent) < 2*ttl {
		<-failed
	}
	f.mu.Lock()
	f.fail = nil
	f.beats = make(chan string, 100)
	beats := f.beats
	f.mu.Unlock()
	<-beats // still known
	_ = f.Drop(context.Background(), "a")
	select {
	case s := <-resynced:
		if s.since.After(silent) {
			t.Errorf("swept since %v, but nothing was sure after %v", s.since, silent)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no resync")
	}
}

func TestLeaseSurvivesErrors(t *testing.T) {
	f := newFake()
	failed := make(chan error, 100)
	l := NewLease(f, "a", 30*time.Millisecond, nil, func(err error) {
		select {
		case failed <- err:
		default:
		}
	})
	if err := l.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer l.Stop()
	f.mu.Lock()
	f.fail = errors.New("away")
	f.mu.Unlock()
	<-failed
	f.mu.Lock()
	f.fail = nil
	f.mu.Unlock()
	for len(f.beats) > 0 {
		<-f.beats
	}
	select {
	case <-f.beats:
	case <-time.After(10 * time.Second):
		t.Fatal("no beat after the store came back")
	}
}

func TestLeaseStartFails(t *testing.T) {
	f := newFake()
	f.fail = errors.New("away")
	l := NewLease(f, "a", time.Hour, nil, nil)
	if err := l.Start(context.Background()); !errors.Is(err, f.fail) {
		t.Errorf("error = %v", err)
	}
	l.Stop()
}
