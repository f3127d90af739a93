package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Compact writes the data set as a new log and puts it in the place of the old one. It works in slices of some
// milliseconds, between which commands run (Stats.CompactionPause is the longest); only a list of all keys is made at
// once, and a large key is never divided. A crash at any point leaves the old or the new log, both complete: the new one
// gets the name only after fsync, and until then every record goes to both. It also ends the state in which writes are
// refused.
func (s *Server) Compact() error {
	s.compactMu.Lock()
	defer s.compactMu.Unlock()
	if s.isClosed() {
		return ErrClosed
	}
	if err := s.compact(); err != nil {
		return fmt.Errorf("compact log: %w", err)
	}
	return nil
}

func (s *Server) compact() error {
	temp := filepath.Join(s.opts.Dir, logTempName)
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	next := s.opts.wrap(f)
	recovers := s.log.failed() != nil
	pause, err := s.writeSnapshot(next)
	if err == nil {
		err = next.Sync()
	}
	if err == nil {
		err = s.adopt(next, temp)
	}
	if err != nil {
		s.log.dropShadow()
		return errors.Join(err, next.Close(), removeIfExists(temp))
	}
	s.mu.Lock()
	s.stats.Compactions++
	s.stats.LastCompaction = s.opts.Now()
	s.stats.CompactionPause = pause
	s.mu.Unlock()
	if recovers {
		s.report(ErrRecovered)
	}
	return nil
}

// writeSnapshot writes the data set to next in slices, between which commands run, and makes next a second destination
// of their records. longest is how long it kept them waiting at once.
func (s *Server) writeSnapshot(next logFile) (longest time.Duration, err error) {
	run := &snapshotRun{w: &snapshotWriter{w: next}}
	defer func() {
		s.mu.Lock()
		s.engine.moved = nil
		s.mu.Unlock()
	}()
	for {
		took, err := s.writeSlice(run, next)
		longest = max(longest, took)
		if err != nil || run.done {
			return longest, err
		}
		select { // a third of the time at most
		case <-time.After(2 * took):
		case <-s.stop:
			return longest, ErrClosed
		}
	}
}

func (s *Server) writeSlice(run *snapshotRun, next logFile) (took time.Duration, err error) {
	l := &s.log
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	start, before := time.Now(), run.w.bytes
	s.beginLocked()
	if l.shadow == nil {
		// The records that wait are part of the snapshot: they belong in the old log alone.
		l.drainLocked()
		if _, err := next.Write([]byte(logHeader)); err != nil {
			return 0, err
		}
		l.shadow, l.shadowed, l.shadowOK = next, int64(len(logHeader)), true
		s.engine.beginSnapshot(run)
	} else {
		// The keys of this slice come behind what was done to them.
		l.passLocked()
		if !l.shadowOK {
			return 0, errShadow
		}
	}
	err = s.engine.snapshot(run, start.Add(s.opts.slice))
	l.shadowed += run.w.bytes - before
	return time.Since(start), err
}

var errShadow = errors.New("the records written meanwhile did not reach the new log")

// adopt completes next with what has been executed meanwhile and makes it the log.
func (s *Server) adopt(next logFile, temp string) error {
	l := &s.log
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	s.mu.Lock()
	last := l.appended
	s.mu.Unlock()
	if l.failed() == nil {
		if err := l.commitLocked(last); err != nil {
			s.noteFailure()
		}
	} else {
		last = l.commitShadowLocked()
	}
	if !l.shadowOK {
		return errShadow
	}
	if err := next.Sync(); err != nil {
		return err
	}
	if err := os.Rename(temp, filepath.Join(s.opts.Dir, logName)); err != nil {
		return err
	}
	// From here on the new log is the log, whatever happens.
	l.fileMu.Lock()
	old := l.file
	l.file = next
	l.fileMu.Unlock()
	l.size, l.compacted = l.shadowed, l.shadowed
	l.shadow = nil
	l.written.Store(max(last, l.written.Load()))
	l.failure.Store(nil)
	if err := syncDir(s.opts.Dir); err != nil {
		_ = l.fail(err) // after a power failure the old log might be back
		s.noteFailure()
	}
	if err := old.Close(); err != nil {
		s.report(fmt.Errorf("close the replaced log: %w", err))
	}
	return nil
}

func removeIfExists(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
