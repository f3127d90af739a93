package namespace

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// memory is a Store in memory whose loads can be held back.
type memory struct {
	mu    sync.Mutex
	all   map[string]*Namespace
	fail  error
	loads chan struct{}               // one value per load, when not nil
	hold  func(snapshot []*Namespace) // called by every load after it has read
}

func newMemory(list ...*Namespace) *memory {
	m := &memory{all: map[string]*Namespace{}}
	for _, n := range list {
		m.all[n.Key] = n
	}
	return m
}

func (m *memory) LoadNamespaces(context.Context) ([]*Namespace, error) {
	m.mu.Lock()
	var list []*Namespace
	for _, n := range m.all {
		list = append(list, n)
	}
	fail, hold, loads := m.fail, m.hold, m.loads
	m.mu.Unlock()
	if hold != nil {
		hold(list)
	}
	if loads != nil {
		loads <- struct{}{}
	}
	return list, fail
}

func (m *memory) UpdateNamespace(_ context.Context, key string, change func(*Namespace) (*Namespace, error)) (*Namespace, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	// A conflict makes a store call change again.
	overtaken, err := change(m.all[key])
	if err != nil {
		return nil, err
	}
	n, err := change(m.all[key])
	if err == nil {
		m.all[key] = n
	}
	if err == nil && (n.PasswdHash != overtaken.PasswdHash || n.ViewerHash != overtaken.ViewerHash) {
		return nil, errors.New("a repetition hashed a password again")
	}
	return n, err
}

func (m *memory) set(change func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func started(t *testing.T, m *memory, refresh time.Duration, onError func(error)) *Registry {
	t.Helper()
	r := NewRegistry(m, refresh, onError)
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestRegistryReads(t *testing.T) {
	m := newMemory(&Namespace{Key: "/b"}, &Namespace{Key: "/a"}, &Namespace{Key: "/"}, &Namespace{Key: "/B"})
	r := NewRegistry(m, time.Hour, nil)
	if r.Ready() || r.List() != nil {
		t.Error("ready before the first load")
	}
	if _, ok := r.Get("/a"); ok {
		t.Error("found before the first load")
	}
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var keys []string
	for _, n := range r.List() {
		keys = append(keys, n.Key)
	}
	if got := strings.Join(keys, " "); got != "/ /B /a /b" {
		t.Errorf("listed %s", got)
	}
	for key, want := range map[string]bool{"/a": true, "/": true, "a": false, "/A": false, "": false, "constructor": false, "__proto__": false} {
		if n, ok := r.Get(key); ok != want || (ok && n.Key != key) {
			t.Errorf("Get(%q) = %v, %v", key, n, ok)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	hash := cheapHash(t, "123456")
	m := newMemory(
		&Namespace{Key: "/demo", PasswdHash: hash}, &Namespace{Key: "/closed", PasswdHash: hash, Offline: true},
		&Namespace{Key: "/bare"}, &Namespace{Key: "slashless", PasswdHash: hash},
	)
	r := NewRegistry(m, time.Hour, nil)
	if _, err := r.Authenticate("/demo", "123456"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("before the first load: %v", err)
	}
	if err := r.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		key, password string
		err           error
	}{
		{"/demo", "123456", nil},
		{"/closed", "123456", nil},
		{"/demo", "", ErrPassword},
		{"/demo", "12345", ErrPassword},
		{"/bare", "", ErrPassword},
		{"/bare", "undefined", ErrPassword},
		{"demo", "123456", ErrNotFound},
		{"slashless", "123456", ErrNotFound},
		{"/nobody", "123456", ErrNotFound},
		{"constructor", "", ErrNotFound},
		{"", "", ErrNotFound},
	} {
		n, err := r.Authenticate(tc.key, tc.password)
		if !errors.Is(err, tc.err) || (err == nil) != (n != nil) || (n != nil && n.Key != tc.key) {
			t.Errorf("%s:%s = %v, %v, want %v", tc.key, tc.password, n, err, tc.err)
		}
	}
	if r.Verifier() == nil {
		t.Error("no Verifier")
	}
}

func TestStartFailsWithTheStoreAndMayBeRepeated(t *testing.T) {
	m := newMemory()
	m.fail = errors.New("refused")
	r := NewRegistry(m, time.Hour, nil)
	r.Close() // before Start it does nothing
	if err := r.Start(context.Background()); !errors.Is(err, m.fail) {
		t.Fatalf("got %v", err)
	}
	r.Close()
	m.fail = nil
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.Close()
	r.Close()
}

func TestRefreshByTimerAndNotice(t *testing.T) {
	for name, refresh := range map[string]time.Duration{"timer": time.Millisecond, "notice": time.Hour} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(&Namespace{Key: "/a", UpdateDate: 1})
			heard := make(chan []*Namespace, 100)
			r := NewRegistry(m, refresh, nil)
			r.OnChange(func(changed []*Namespace) { heard <- changed })
			if err := r.Start(context.Background()); err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			expect := func(key string, offline bool) {
				t.Helper()
				r.Invalidate()
				select {
				case changed := <-heard:
					if len(changed) != 1 || changed[0].Key != key || changed[0].Offline != offline {
						t.Errorf("heard %s, want %s offline %v", show(changed), key, offline)
					}
				case <-time.After(10 * time.Second):
					t.Fatalf("nothing heard of %s", key)
				}
			}
			m.set(func(m *memory) { m.all["/b"] = &Namespace{Key: "/b", UpdateDate: 1} })
			expect("/b", false)
			m.set(func(m *memory) { m.all["/a"] = &Namespace{Key: "/a", UpdateDate: 2} })
			expect("/a", false)
			m.set(func(m *memory) { m.all["/a"] = &Namespace{Key: "/a", UpdateDate: 3, Offline: true} })
			expect("/a", true)
			m.set(func(m *memory) { delete(m.all, "/b") })
			expect("/b", true)
			if _, ok := r.Get("/b"); ok {
				t.Error("/b is still there")
			}
		})
	}
}

func TestFailedReloadKeepsTheCopy(t *testing.T) {
	m := newMemory(&Namespace{Key: "/a"})
	failed := make(chan error, 100)
	r := started(t, m, time.Hour, func(err error) { failed <- err })
	refused := errors.New("refused")
	m.set(func(m *memory) { m.fail = refused })
	r.Invalidate()
	select {
	case err := <-failed:
		if !errors.Is(err, refused) {
			t.Errorf("heard %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nothing heard")
	}
	if _, ok := r.Get("/a"); !ok || !r.Ready() {
		t.Error("the copy is gone")
	}
}

func TestSave(t *testing.T) {
	m := newMemory()
	m.loads = make(chan struct{}, 100)
	heard := make(chan []*Namespace, 100)
	r := NewRegistry(m, time.Hour, nil)
	r.OnChange(func(changed []*Namespace) { heard <- changed })
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	saved, err := r.Save(context.Background(), Patch{Key: "/"}, time.UnixMilli(1000))
	if err != nil || saved.UpdateDate != 1000 {
		t.Fatalf("saved %s, %v", show(saved), err)
	}
	if n, ok := r.Get("/"); !ok || n != saved {
		t.Error("the copy does not show what was saved")
	}
	if _, err := r.Save(context.Background(), Patch{Key: "/", Offline: ptr(true)}, time.UnixMilli(1000)); err != nil {
		t.Fatal(err)
	}
	if n, _ := r.Get("/"); !n.Offline || n.UpdateDate != 1001 {
		t.Errorf("the copy shows %s", show(n))
	}
	for offline := false; !offline; { // one or two changes, told in order
		select {
		case changed := <-heard:
			offline = len(changed) == 1 && changed[0].Offline
		case <-time.After(10 * time.Second):
			t.Fatal("the listener was not told")
		}
	}
	if _, err := r.Save(context.Background(), Patch{Key: "/x", MustExist: true}, time.Now()); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	m.set(func(m *memory) { m.fail = errors.New("refused") })
	if _, err := r.Save(context.Background(), Patch{Key: "/", Name: ptr("x")}, time.Now()); err == nil {
		t.Error("a failing store saved")
	}
}

// A load that has read before a save, and comes back after it, must not take
// the change back.
func TestSlowLoadDoesNotUndoASave(t *testing.T) {
	m := newMemory(&Namespace{Key: "/", UpdateDate: 1})
	r := NewRegistry(m, time.Hour, nil)
	if err := r.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	read, release := make(chan struct{}), make(chan struct{})
	m.set(func(m *memory) {
		m.hold = func([]*Namespace) { close(read); <-release }
	})
	slow := make(chan error)
	go func() { slow <- r.Reload(context.Background()) }()
	<-read
	m.set(func(m *memory) { m.hold = nil })
	if _, err := r.Save(context.Background(), Patch{Key: "/", Name: ptr("new")}, time.UnixMilli(50)); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
	if n, _ := r.Get("/"); n.Name == nil || *n.Name != "new" {
		t.Errorf("the copy shows %s", show(n))
	}
	if err := r.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n, _ := r.Get("/"); n.Name == nil {
		t.Error("a later load lost it")
	}
}

// Of two saves of this process the later one stays, whichever returns first.
func TestSavesDoNotOvertakeEachOther(t *testing.T) {
	r := NewRegistry(newMemory(), time.Hour, nil)
	if err := r.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.showSaved(&Namespace{Key: "/a", UpdateDate: 2})
	r.showSaved(&Namespace{Key: "/a", UpdateDate: 1})
	if n, _ := r.Get("/a"); n.UpdateDate != 2 {
		t.Errorf("the copy shows %s", show(n))
	}
}

func TestSaveBeforeTheFirstLoad(t *testing.T) {
	r := NewRegistry(newMemory(), time.Hour, nil)
	if _, err := r.Save(context.Background(), Patch{Key: "/"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if r.Ready() {
		t.Error("one namespace is taken for all of them")
	}
}
