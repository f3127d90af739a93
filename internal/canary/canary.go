// Package canary finds out whether messages flow between the processes of the
// cluster, by sending some that nobody asked for on the way that pushes take.
//
// Connectors stand in a ring, in the order of their names. Every interval a
// Node writes a note to its own stream and to those of its next two
// neighbours, and judges what came: its own notes tell whether its stream can
// be written and is read, and how long that takes; those of others, whether
// others reach it. A Logic, which has no stream, writes to a few connectors in
// turn, and they say in the store what they have picked up. The work of one
// process does not depend on the number of the others.
//
// What is not known to be wrong is right: a verdict needs three intervals,
// neighbours are evidence only while they renew their leases and stand in the
// ring, one neighbour alone is none, and time in which the store was away, or
// this process was frozen, does not count. Processes that leave, that die or
// that are too old to know of canaries are therefore not missed.
// doc/decisions/0010-canary.md has the reasons.
//
// A Node and a Logic own one goroutine each between Start and Close. The
// package imports nothing of this module.
package canary

import (
	"context"
	"time"
)

// Note is one canary.
type Note struct {
	From string // id of the process that wrote it
	Sent int64  // by its clock, µs since 1970
	// Interval is the time between two notes of From; milliseconds are kept.
	Interval time.Duration
	// Answer says that From reads no stream: whoever gets the note says so in
	// the store.
	Answer bool
}

// Peer is a connector with a lease that takes part.
type Peer struct {
	Node     string
	Interval time.Duration // between its notes
	Lease    int64         // its end; another one means that it was renewed
}

// Store has the ring, and what connectors have picked up.
type Store interface {
	// KeepInRing puts node into the ring, where it may be already, and returns
	// up to n living peers before it and behind it, the nearest first. None
	// appears twice in one list.
	KeepInRing(ctx context.Context, node string, interval time.Duration, n int) (before, behind []Peer, err error)
	// LeaveRing takes node out of the ring.
	LeaveRing(ctx context.Context, node string) error
	// RingBehind returns up to n living peers behind a name, which need not be
	// in the ring, the nearest first.
	RingBehind(ctx context.Context, name string, n int) ([]Peer, error)
	// PickUp says for a while that notes have arrived.
	PickUp(ctx context.Context, notes []Note) error
	// PickedUp returns Sent of the last note of a process that was picked up,
	// 0 when there was none lately, and the last one of any process.
	PickedUp(ctx context.Context, process string) (own int64, last Note, err error)
}

// Sender writes notes to the streams of connectors.
type Sender interface {
	// Canary reports false when node has no stream.
	Canary(ctx context.Context, node string, n Note) (written bool, err error)
}

// Options of a Node and a Logic; functions may be nil.
type Options struct {
	Process  string // id; of a Node the name of its stream
	Interval time.Duration
	Store    Store
	Sender   Sender

	// Leaving reports that this process is about to stop: it takes no part any more.
	Leaving func() bool
	// Away reports that the store does not answer at all, which others tell.
	Away func() bool
	// Observe hears of every note that came: from whom, and how old it was. The
	// age of others' notes is that of two clocks.
	Observe func(from Origin, age time.Duration)
	// Failed hears once per interval of what is wrong.
	Failed func(Failure)
	// Changed hears of a new verdict: "" when all is well again. err is nil
	// when the process is ready all the same.
	Changed func(f Failure, err error)
	// OnError hears of what could not be asked of the store; that alone is no
	// verdict.
	OnError func(error)
	Now     func() time.Time // time.Now
}

// Origin is who wrote a note.
type Origin string

// Origins.
const (
	Own   Origin = "own"
	Other Origin = "other"
)

// Failure is what is wrong.
type Failure string

// Failures.
const (
	Write   Failure = "write"   // the own stream can not be written
	Read    Failure = "read"    // the own stream is not read
	Latency Failure = "latency" // it takes too long
	Others  Failure = "others"  // nothing comes from others
	Unheard Failure = "unheard" // notes of this logic process are not picked up
	Nobody  Failure = "nobody"  // those of no logic process are
)

const (
	missed     = 3 // intervals without what should have come
	neighbours = 2 // a node writes to so many behind it
	handful    = 3 // a logic process writes to so many at once
	witnesses  = 2 // others that must be silent although they live
	// ownNotes bounds what a Node remembers of its own notes.
	ownNotes = 64
	// pickUps bounds the notes that wait to be picked up.
	pickUps = 1000
	// opMin and opMax bound the time of one round of writing and asking.
	opMin, opMax = time.Second, 5 * time.Second
)

func (o *Options) setDefaults() {
	if o.Leaving == nil {
		o.Leaving = func() bool { return false }
	}
	if o.Away == nil {
		o.Away = func() bool { return false }
	}
	if o.Observe == nil {
		o.Observe = func(Origin, time.Duration) {}
	}
	if o.Failed == nil {
		o.Failed = func(Failure) {}
	}
	if o.Changed == nil {
		o.Changed = func(Failure, error) {}
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// window is the time in which something must have come of one that writes at
// that interval.
func (o *Options) window(other time.Duration) time.Duration {
	return missed * max(o.Interval, other)
}

// paused is a time between two rounds in which this process did not run, or
// waited for the store longer than it may.
func (o *Options) paused() time.Duration { return 2*o.Interval + o.Interval/2 }

func (o *Options) opTimeout() time.Duration { return min(max(o.Interval, opMin), opMax) }

// verdict is what is wrong; zero when all is well.
type verdict struct {
	kind Failure
	err  error // why the process is not ready; nil when it is
}

// told remembers the last verdict, to tell changes. One goroutine.
type told struct{ kind Failure }

func (t *told) tell(o *Options, v verdict) {
	if v.kind != "" {
		o.Failed(v.kind)
	}
	if v.kind != t.kind {
		t.kind = v.kind
		o.Changed(v.kind, v.err)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// every calls tick at once and then at every interval, and woken when wake
// says so, until ctx ends.
func every(ctx context.Context, interval time.Duration, tick func(context.Context), wake <-chan struct{}, woken func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for tick(ctx); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			tick(ctx)
		case <-wake:
			woken(ctx)
		}
	}
}
