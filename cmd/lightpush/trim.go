package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A burst of connects leaves garbage that the collector would let lie until
// the heap has doubled, and free pages that it returns to the system slowly:
// after a storm of 10,000 connects a connector held twice what its clients
// need. trimMemory collects and returns both once the process is calm.
const (
	trimEvery = 5 * time.Second
	trimCalm  = 8 << 20 // bytes allocated in trimEvery, at most, for a process to be calm
	trimLeast = 2 << 20 // bytes that must be to gain

	// And this part of what is in use: little for the first time after the
	// process was busy, more while it stays calm.
	trimFirst = 16
	trimAgain = 4
)

// A process that makes garbage in large amounts for seconds, in a storm of
// connects that does not end, spends a sixth of its time on collections of a
// small heap. Then the garbage between two of them may be twice what is live,
// as long as it fits into gcRoom. Not for shorter bursts: what stays of them is
// scattered over more pages the rarer it was collected, 0.2 KB per client.
const (
	gcHot      = 256 << 20 // bytes allocated in trimEvery
	gcRoom     = 64 << 20
	gcUsual    = 100 // the runtime's own setting
	gcMost     = 200
	gcMostREST = 600    // a process without clients has nothing to scatter
	gcSetting  = "GOGC" // who sets it has decided
)

// trimMemory runs until ctx ends; clients says that they connect to this process.
func trimMemory(ctx context.Context, clients bool) {
	ticker := time.NewTicker(trimEvery)
	defer ticker.Stop()
	t := trimmer{percent: gcUsual, most: gcMost, fixed: os.Getenv(gcSetting) != ""}
	if !clients {
		t.most = gcMostREST
	}
	defer t.setPercent(gcUsual)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		t.look()
	}
}

// trimmer is what trimMemory remembers between two looks.
type trimmer struct {
	last    memory
	trimmed bool // since the process was busy
	percent int
	most    int
	fixed   bool // percent is not to be changed
}

func (t *trimmer) look() {
	now := readMemory()
	calm := now.calm(t.last)
	if !calm {
		t.trimmed = false
	} else if now.worthTrimming(t.trimmed) {
		debug.FreeOSMemory()
		t.trimmed = true
		now = readMemory()
	}
	t.setPercent(now.gcPercent(t.last, t.most))
	t.last = now
}

func (t *trimmer) setPercent(percent int) {
	if percent != t.percent && !t.fixed { // it stops the world for a moment
		debug.SetGCPercent(percent)
		t.percent = percent
	}
}

// memory is what the runtime says, in bytes.
type memory struct {
	allocated uint64 // since the start
	live      uint64 // marked by the last collection
	objects   uint64 // live and garbage
	free      uint64 // pages held but not used
}

func readMemory() memory {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	return memory{
		allocated: samples[0].Value.Uint64(), live: samples[1].Value.Uint64(),
		objects: samples[2].Value.Uint64(), free: samples[3].Value.Uint64(),
	}
}

// calm reports that little was allocated since last.
func (m memory) calm(last memory) bool {
	return last.allocated > 0 && m.allocated-last.allocated <= trimCalm
}

// gcPercent is the garbage there may be between two collections, as part of
// what is live, at most most.
func (m memory) gcPercent(last memory, most int) int {
	if last.allocated == 0 || m.allocated-last.allocated < gcHot {
		return gcUsual
	}
	const step = 10 // so that it changes seldom
	return int(min(max(gcRoom*100/max(m.live, 1)/step*step, gcUsual), uint64(most)))
}

// worthTrimming reports whether a calm process has much to give back. What is
// live now is unknown until a collection; what was live at the last one, and
// twice as much for a heap that grew since, stands in for it.
func (m memory) worthTrimming(again bool) bool {
	gain := m.free
	if m.objects > m.live {
		gain += m.objects - m.live
	}
	part := uint64(trimFirst)
	if again {
		part = trimAgain
	}
	return gain > trimLeast && gain > m.objects/part
}
