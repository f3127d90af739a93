package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// revocationStore is a RevocationStore in memory.
type revocationStore struct {
	mu     sync.Mutex
	all    map[revocationKey]Revocation
	fail   error
	during func() // called while a load is under way
}

func (s *revocationStore) Revocations(context.Context) ([]Revocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Revocation
	for _, r := range s.all {
		list = append(list, r)
	}
	if s.during != nil {
		s.during()
	}
	return list, s.fail
}

func (s *revocationStore) SaveRevocation(_ context.Context, r Revocation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail == nil {
		s.all[r.key()] = r
	}
	return s.fail
}

func newRevocationTest(t *testing.T) (*Revocations, *revocationStore, func() []string) {
	store := &revocationStore{all: map[revocationKey]Revocation{}}
	r := NewRevocations(store, time.Hour, nil)
	r.now = func() time.Time { return at }
	var mu sync.Mutex
	var told []string
	r.OnRevoked(func(n Revocation) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprint(n.Kind, " ", n.Value))
	})
	return r, store, func() []string {
		mu.Lock()
		defer mu.Unlock()
		list := told
		told = nil
		return list
	}
}

func revoked(kind Kind, value string, until time.Duration) Revocation {
	return Revocation{Namespace: "/demo", Kind: kind, Value: value, Since: at.UnixMilli(), Until: at.Add(until).UnixMilli()}
}

func TestRevocations(t *testing.T) {
	ctx := context.Background()
	r, store, told := newRevocationTest(t)
	store.all[revocationKey{"/demo", User, "old"}] = revoked(User, "old", -time.Second)
	store.all[revocationKey{"/demo", Token, "t1"}] = revoked(Token, "t1", time.Hour)
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	blocked := func(kind Kind, value string, want bool) {
		t.Helper()
		if r.Blocked("/demo", kind, value) != want {
			t.Errorf("%s %s: not %v", kind, value, want)
		}
	}
	blocked(Token, "t1", true)
	blocked(User, "t1", false)
	blocked(User, "old", false)
	blocked(User, "", false)
	if r.Blocked("/other", Token, "t1") {
		t.Error("another tenant is affected")
	}
	if err := r.Save(ctx, revoked(User, "joe", time.Minute)); err != nil {
		t.Fatal(err)
	}
	blocked(User, "joe", true)
	if got := told(); !slices.Equal(got, []string{"token t1", "user joe"}) {
		t.Errorf("told %v", got)
	}
	r.Apply(revoked(User, "joe", time.Minute)) // its own notice comes back
	if got := told(); len(got) != 0 {
		t.Errorf("told again: %v", got)
	}
	r.now = func() time.Time { return at.Add(time.Minute) }
	blocked(User, "joe", false)
	r.now = func() time.Time { return at }
	if list, total := r.List("/demo", 0, 1); total != 2 || len(list) != 1 || list[0].Value != "joe" {
		t.Errorf("%v of %d", list, total)
	}
	lift := revoked(User, "joe", time.Minute)
	lift.Lifted = true
	if err := r.Save(ctx, lift); err != nil {
		t.Fatal(err)
	}
	blocked(User, "joe", false)
	store.fail = errors.New("down")
	if err := r.Save(ctx, revoked(Device, "d", time.Minute)); err == nil {
		t.Error("saved without a store")
	}
	blocked(Device, "d", false)
	if err := r.load(ctx); err == nil {
		t.Error("loaded without a store")
	}
	blocked(Token, "t1", true)
}

// A notice that comes while an older list is being loaded is not lost.
func TestRevocationDuringLoad(t *testing.T) {
	r, store, told := newRevocationTest(t)
	store.during = func() { r.Apply(revoked(User, "joe", time.Hour)) }
	if err := r.load(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !r.Blocked("/demo", User, "joe") || !slices.Equal(told(), []string{"user joe"}) {
		t.Error("the notice was overwritten")
	}
}

func TestRevocationsAreBounded(t *testing.T) {
	r, _, _ := newRevocationTest(t)
	r.count["/demo"] = RevocationsMax
	if err := r.Save(context.Background(), revoked(User, "one more", time.Hour)); !errors.Is(err, ErrRevocationsFull) {
		t.Errorf("%v", err)
	}
}

func TestRevocationText(t *testing.T) {
	want := Revocation{Namespace: "/demo", Kind: User, Value: "a\"\n|", Since: 1, Until: 2, Reason: "r", By: "admin", Lifted: true}
	if got, err := DecodeRevocation(want.Encode()); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := DecodeRevocation("x"); err == nil {
		t.Error("decoded garbage")
	}
}
