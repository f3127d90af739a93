package ring

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lightpush/lightpush/test/chaos/ledger"
)

// Tenant is a namespace with its password.
type Tenant struct{ Name, Password string }

// fleet is all devices of a run.
type fleet struct {
	ledger   *ledger.Ledger
	balancer *balancer
	now      func() time.Duration
	rooms    []string // group rooms, of the same names in every namespace
	devices  []*device
	staying  chan struct{} // closed when everybody is to come and stay

	mu     sync.Mutex
	byAddr map[string]*device // connected, by local address
}

// platformOf spreads the platforms: every third device is iOS, every third Android.
var platformOf = []string{"web", "ios", "android"}

// newFleet makes the devices of a run; the same seed makes the same ones.
func newFleet(o Options, tenants []Tenant, l *ledger.Ledger, b *balancer, now func() time.Duration) *fleet {
	f := &fleet{ledger: l, balancer: b, now: now, staying: make(chan struct{}), byAddr: map[string]*device{}}
	for i := range max(4, o.Clients/25) {
		f.rooms = append(f.rooms, fmt.Sprintf("g%d", i))
	}
	for i := range o.Clients {
		rng := rand.New(rand.NewPCG(o.Seed, uint64(i)+1))
		d := &device{
			fleet: f, uuid: fmt.Sprintf("d%d", i), rng: rng, again: make(chan struct{}, 1),
			temper: tempers[rng.IntN(len(tempers))],
		}
		// Every third user has two devices. The second namespace is small; its users and rooms have the same names.
		tenant := tenants[0]
		if len(tenants) > 1 && i%5 == 4 {
			tenant = tenants[1]
		}
		user := fmt.Sprintf("u%d", i)
		if i%3 == 2 {
			user = fmt.Sprintf("u%d", i-2)
		}
		d.manner = []manner{byEvent, byEvent, byEvent, byNative, byNative, byNative, byNative, never}[rng.IntN(8)]
		d.spec = ledger.Device{Namespace: tenant.Name, User: user, Platform: platformOf[rng.IntN(3)], EIO: 3 + rng.IntN(2),
			Confirms: d.manner != never}
		d.spec.ID = tenant.Name + "#" + user + "#" + d.spec.Platform + "-" + d.uuid
		d.spec.Recovers = d.spec.EIO == 4 && rng.IntN(4) > 0
		if d.spec.Platform == "ios" && o.Leave > 0 {
			d.token = fmt.Sprintf("%064x", o.Seed<<32|uint64(i)+1)
		}
		for _, j := range rng.Perm(len(f.rooms))[:1+rng.IntN(3)] {
			d.rooms = append(d.rooms, f.rooms[j])
		}
		d.rec = l.AddDevice(d.spec)
		f.devices = append(f.devices, d)
	}
	return f
}

// run drives the devices until ctx ends.
func (f *fleet) run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, d := range f.devices {
		wg.Go(func() { d.run(ctx) })
	}
	wg.Wait()
}

func (f *fleet) connected(local string, d *device) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.byAddr[local] = d
}

func (f *fleet) disconnected(local string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.byAddr, local)
}

// at returns the device with a connection from this address, nil for none.
func (f *fleet) at(local string) *device {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byAddr[local]
}

// ready is how many devices are connected and in their rooms.
func (f *fleet) ready() (n int) {
	for _, d := range f.devices {
		if d.ready.Load() {
			n++
		}
	}
	return n
}

// stay brings everybody back for good.
func (f *fleet) stay() { close(f.staying) }

// reconnect lets devices end their connection and come back.
func (f *fleet) reconnect(ids map[string]bool) {
	for _, d := range f.devices {
		if ids[d.spec.ID] {
			select {
			case d.again <- struct{}{}:
			default:
			}
		}
	}
}

// pause waits; false when ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
