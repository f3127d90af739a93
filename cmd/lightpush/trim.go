package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A burst of connects leaves garbage that the collector would let lie until
// the heap has doubled, and free pages that it returns to the system slowly:
// after a storm of 10,000 connects a connector held twice what its clients
// need. trimMemory collects and returns both once the process is calm.
const (
	trimEvery    = 5 * time.Second
	trimCalm     = 8 << 20 // bytes allocated in trimEvery, at most, for a process to be calm
	trimLeast    = 4 << 20 // bytes that must be to gain
	trimFraction = 4       // and this part of what is in use
)

// trimMemory runs until ctx ends.
func trimMemory(ctx context.Context) {
	ticker := time.NewTicker(trimEvery)
	defer ticker.Stop()
	var last memory
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := readMemory()
		if now.worthTrimming(last) {
			debug.FreeOSMemory()
			now = readMemory()
		}
		last = now
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

// worthTrimming reports whether the process has been calm since last and has
// much to give back. What is live now is unknown until a collection; what was
// live at the last one, and twice as much for a heap that grew since, stands
// in for it.
func (m memory) worthTrimming(last memory) bool {
	if last.allocated == 0 || m.allocated-last.allocated > trimCalm {
		return false
	}
	gain := m.free
	if m.objects > m.live {
		gain += m.objects - m.live
	}
	return gain > trimLeast && gain > m.objects/trimFraction
}
