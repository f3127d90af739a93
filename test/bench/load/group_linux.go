package load

import (
	"time"

	"github.com/lightpush/lightpush/internal/simulator/stats"
)

// group is clients that are commanded together, with what they have seen since
// its counters were set to zero.
type group struct {
	conns     []*conn // in order of their numbers; closed ones stay until the group is closed
	open      int
	lost      int    // closed by the server after completion
	check     bool   // messages one by one
	joinFrame []byte // of the room they were told to join last

	counters
}

// counters are of one measurement.
type counters struct {
	startedCPU time.Duration
	started    time.Duration // monotonic
	last       time.Duration // something came that was waited for
	firstSent  time.Duration // the earliest time in a message
	lastPush   time.Duration // the last message came

	completed, refused, broken int
	reason                     string
	connect                    stats.Histogram

	expected, received  int
	misordered, inPlace int
	repeated, continued int
	silence             time.Duration // the longest between two push events
	arrivals            []int         // push events, per ArrivalStep
	acks                int
	latency             stats.Histogram
	frames, reads       int
	bytes               int64
}

func (g *group) reset(now time.Duration) {
	g.counters = counters{startedCPU: usedCPU(), started: now, last: now}
	for _, c := range g.conns {
		c.received, c.lastID = 0, 0
		if t := c.track; t != nil {
			t.cut = false
			clear(t.seen)
		}
	}
}

func (g *group) failed(refused bool, reason string) {
	if refused {
		g.refused++
	} else {
		g.broken++
	}
	if g.reason == "" {
		g.reason = reason
	}
}

func (g *group) reply() Reply {
	took := g.last - g.started
	if g.firstSent > 0 {
		took = g.lastPush - g.firstSent
	}
	return Reply{
		Completed: g.completed, Refused: g.refused, Broken: g.broken, Reason: g.reason, Connect: g.connect.Summary(),
		Expected: g.expected, Received: g.received, Misordered: g.misordered, InPlace: g.inPlace, Latency: latency(&g.latency),
		Repeated: g.repeated, Continued: g.continued, Silence: g.silence.Seconds(), Arrivals: g.arrivals,
		Open: g.open, Dropped: g.lost,
		Seconds: took.Seconds(), CPU: (usedCPU() - g.startedCPU).Seconds(),
		Frames: g.frames, Reads: g.reads, Bytes: g.bytes,
	}
}
