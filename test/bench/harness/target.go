package harness

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/simulator/stats"
	"github.com/lightpush/lightpush/test/bench/app"
)

// Names of targets.
const (
	Lightpush = "lightpush" // connector, logic and a redis-server: the whole product
	Engine    = "engine"    // connector/socketio alone
	Node      = "node"      // Node's socket.io
	Reference = "reference" // zishang520/socket.io/v2
	Floor     = "floor"     // ready frames and nothing else
)

// Targets in the order in which they are measured.
var Targets = []string{Lightpush, Engine, Node, Reference, Floor}

// target is one running server under test.
type target interface {
	// server is the process clients connect to, which is measured.
	server() *child
	// helpers are processes that work for it.
	helpers() map[string]*child
	addr() string
	version() string

	// emit sends messages to a room. They are numbered from 0.
	emit(ctx context.Context, room string, n int, how manner) (ids []int64, err error)
	// rate sends messages at a steady rate.
	rate(ctx context.Context, p pace) (pushing, error)
	// census tells what the server knows of its clients.
	census(ctx context.Context) (census, error)
	// acked returns how many acks for these messages are recorded.
	acked(ctx context.Context, ids []int64) (int, error)
	// resetCounters sets the counters of census to zero, where it can.
	resetCounters(ctx context.Context) error
	// takePauses returns the pauses for garbage collection since the last call.
	takePauses(ctx context.Context) ([]float64, error)

	stop()
}

// pace is messages at a steady rate.
type pace struct {
	perSecond float64
	n         int
	room      string // or with rooms what the names of the rooms begin with that get them in turn
	first     int    // number of the first room
	rooms     int
	// tolerant is for times when pushes may be refused, and take long: their
	// numbers are returned, and nobody waits for an answer before the next.
	tolerant bool
}

func (p pace) target(i int) (room string, n int) { return app.InTurn(p.room, p.first, p.rooms, i) }

// manner of sending several messages.
type manner uint8

const (
	inLoop manner = iota // one after the other
	atOnce               // all at the same moment, as far as the interface allows
	joined               // the floor only: all frames of one socket in one write
)

// pushing is what a sender saw of its own work at a steady rate.
type pushing struct {
	Answer stats.Summary `json:"answer,omitzero"` // REST only: from the request to the 200
	Slip   stats.Summary `json:"slip,omitzero"`   // REST only: how late requests were sent
	Failed int           `json:"failed,omitempty"`

	refused []int // numbers of those that were not answered with 200
}

type census struct {
	Clients    int64
	Goroutines int // 0 when there are none
	Entries    map[string]float64
	Events     int64
	Misordered int64
	Troubles   int
}

// padding makes messages about 200 bytes long.
const padding = 60

// startTimeout bounds the start of one target.
const startTimeout = 60 * time.Second

// start runs a fresh instance of a target.
func (h *harness) start(ctx context.Context, name string) (target, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	switch name {
	case Lightpush:
		return h.startLightpush(ctx, 1)
	case Node:
		return h.startBare(ctx, name, nil, h.tools.node, filepath.Join(h.tools.nodeDir(), "server.js"))
	case Engine, Reference, Floor:
		var args []string
		if h.options.ProfileDir != "" && name == Engine {
			h.profileAddr = freeAddress()
			args = []string{"-profile", h.profileAddr}
		}
		return h.startBare(ctx, name, []string{"GODEBUG=gctrace=1"}, h.tools.program(name), args...)
	}
	return nil, fmt.Errorf("unknown target %q, known are %s", name, strings.Join(Targets, ", "))
}
