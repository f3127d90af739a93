//go:build interop

package interop

import (
	"fmt"
	"sync"
	"testing"
)

// transcript is what one client does and sees. The wants are what this project's engine answers, which must be what
// the wire reference requires; the other peers must answer the same, except for what differences lists.
type transcript struct {
	name    string
	profile string // plain when empty
	steps   []step
}

type step struct {
	act
	want string // "" for what has no answer
}

// outcome is how a peer fared with a transcript: with its first deviation it ends.
type outcome struct {
	step int // -1: none differs
	got  string
}

// crashed is what is seen of a peer whose process has ended.
const crashed = "the process ends"

func (tr transcript) play(s subject) outcome {
	profile := tr.profile
	if profile == "" {
		profile = plain
	}
	urls, end := s.begin()
	c := newClient(urls[profile])
	o := outcome{-1, ""}
	for i, st := range tr.steps {
		if got := st.run(c); got != st.want {
			o = outcome{i, got}
			break
		}
	}
	c.close()
	if !end() {
		o = outcome{len(tr.steps) - 1, crashed}
	}
	return o
}

func transcripts() []transcript {
	var all []transcript
	for _, list := range [][]transcript{pollingTranscripts, webSocketTranscripts, upgradeTranscripts, connectTranscripts, packetTranscripts} {
		all = append(all, list...)
	}
	return all
}

// attempts is how often a transcript is played until the outcome is the expected one. The Go peer handles the packets
// of one client concurrently: what it does by chance is no difference, only what it does every time.
func attempts(peer string) int {
	if peer == golang {
		return 10
	}
	return 1
}

// playAll plays every transcript, a few at a time, because most of them wait.
func playAll(s subject) []error {
	all := transcripts()
	results := make([]error, len(all))
	slots := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for i, tr := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			for range attempts(s.name) {
				if results[i] = judge(s.name, tr, tr.play(s)); results[i] == nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return results
}

// TestTranscripts plays all transcripts to all peers. A deviation of ours is a failure. A deviation of another peer
// must be the one that differences lists for it; one that is listed and does not show is a failure too.
func TestTranscripts(t *testing.T) {
	known := map[string]bool{}
	for _, tr := range transcripts() {
		if known[tr.name] {
			t.Fatalf("two transcripts are called %q", tr.name)
		}
		known[tr.name] = true
	}
	for _, d := range differences {
		for _, name := range d.transcripts {
			if !known[name] {
				t.Errorf("a difference is listed for the transcript %q, which does not exist", name)
			}
		}
	}
	all := transcripts()
	for _, s := range subjects(t) {
		t.Run(s.name, func(t *testing.T) {
			for i, err := range playAll(s) {
				if err != nil {
					t.Errorf("%s: %v", all[i].name, err)
				}
			}
			t.Logf("%d transcripts", len(all))
		})
	}
}

// judge compares an outcome with what is listed.
func judge(peer string, tr transcript, o outcome) error {
	listed, theirs := theirs(peer, tr.name)
	if theirs == chance {
		return nil
	}
	if o.step < 0 {
		if theirs != "" {
			return fmt.Errorf("the listed difference has vanished: %q", theirs)
		}
		return nil
	}
	st := tr.steps[o.step]
	if theirs == o.got && listed.ours == st.want {
		return nil
	}
	return fmt.Errorf("step %d, %s\n  got %q\n want %q\nlisted %q", o.step, st.text, o.got, st.want, theirs)
}
