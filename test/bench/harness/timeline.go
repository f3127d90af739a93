package harness

import (
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/lightpush/lightpush/test/bench/procfs"
)

// Timeline is the resident memory of a process over time.
type Timeline []Sample

// Sample is seconds and MB.
type Sample [2]float64

// MarshalJSON writes seconds and MB in turn.
func (t Timeline) MarshalJSON() ([]byte, error) {
	flat := make([]float64, 0, 2*len(t))
	for _, s := range t {
		flat = append(flat, s[0], s[1])
	}
	return json.Marshal(flat)
}

var errTimeline = errors.New("a timeline is pairs of numbers")

// UnmarshalJSON reads them.
func (t *Timeline) UnmarshalJSON(text []byte) error {
	var flat []float64
	if err := json.Unmarshal(text, &flat); err != nil {
		return err
	}
	if len(flat)%2 != 0 {
		return errTimeline
	}
	*t = nil
	for i := 0; i < len(flat); i += 2 {
		*t = append(*t, Sample{flat[i], flat[i+1]})
	}
	return nil
}

// timelineMax is how many samples a Timeline keeps.
const timelineMax = 240

// thin keeps the first, the last and every so manieth sample.
func (t Timeline) thin() Timeline {
	step := (len(t) + timelineMax - 1) / timelineMax
	if step <= 1 {
		return t
	}
	var out Timeline
	for i := 0; i < len(t); i += step {
		out = append(out, t[i])
	}
	if last := t[len(t)-1]; out[len(out)-1] != last {
		out = append(out, last)
	}
	return out
}

// since is the samples from this many seconds on, which becomes 0; before of
// the seconds in front of it are kept.
func (t Timeline) since(moment, before float64) (out Timeline) {
	for _, s := range t {
		if s[0] >= moment-before {
			out = append(out, Sample{round(s[0] - moment), s[1]})
		}
	}
	return out
}

func round(v float64) float64 { return math.Round(v*100) / 100 }

// watcher takes the memory of a process at an interval. Its goroutine ends with
// stop.
type watcher struct {
	began time.Time
	end   chan struct{}
	list  chan Timeline // capacity 1: what was seen
}

// watchMemory begins to look at a process; one that has ended adds nothing.
func watchMemory(pid int, interval time.Duration) *watcher {
	w := &watcher{began: time.Now(), end: make(chan struct{}), list: make(chan Timeline, 1)}
	go func() {
		var t Timeline
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			if rss, err := procfs.RSS(pid); err == nil {
				t = append(t, Sample{round(w.now()), round(float64(rss) / 1e6)})
			}
			select {
			case <-tick.C:
			case <-w.end:
				w.list <- t
				return
			}
		}
	}()
	return w
}

// now is the seconds since the beginning.
func (w *watcher) now() float64 { return time.Since(w.began).Seconds() }

// stop ends the watch, once.
func (w *watcher) stop() Timeline {
	close(w.end)
	return <-w.list
}
