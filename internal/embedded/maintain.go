package embedded

import (
	"errors"
	"time"
)

// syncLoop fsyncs the log on its interval, and ends with Close (which fsyncs once more).
func (s *Server) syncLoop() {
	defer s.wg.Done()
	if s.opts.FsyncInterval < 0 {
		return // every commit does it
	}
	t := time.NewTicker(s.opts.FsyncInterval)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-t.C:
			if err := s.log.sync(); err != nil {
				s.noteFailure()
			}
		}
	}
}

// maintainLoop removes due keys when no command does, starts compactions, and tries to replace a failed log.
func (s *Server) maintainLoop() {
	defer s.wg.Done()
	t := time.NewTicker(s.opts.ExpireInterval)
	defer t.Stop()
	var retryAt time.Time // no compaction before that
	reported := false
	for {
		select {
		case <-s.stop:
			return
		case <-s.failures:
		case <-t.C:
			s.expire()
		}
		failure := s.log.failed()
		if failure == nil {
			reported = false
		} else if !reported {
			reported = true
			s.report(failure)
			retryAt = time.Now().Add(s.opts.RetryInterval)
		}
		if time.Now().Before(retryAt) || failure == nil && !s.wantsCompaction() {
			continue
		}
		if err := s.Compact(); err != nil {
			retryAt = time.Now().Add(s.opts.RetryInterval)
			if failure == nil && !errors.Is(err, ErrClosed) { // else it has been reported already, or is none
				s.report(err)
			}
		}
	}
}

// expire removes the keys that are due.
func (s *Server) expire() {
	s.mu.Lock()
	s.beginLocked()
	seq := s.log.appended
	s.mu.Unlock()
	if err := s.log.commit(seq); err != nil {
		s.noteFailure()
	}
}

func (s *Server) wantsCompaction() bool {
	if s.opts.CompactMinBytes < 0 {
		return false
	}
	size, compacted := s.log.sizes()
	return size > s.opts.CompactMinBytes && float64(size) > s.opts.CompactRatio*float64(compacted)
}
