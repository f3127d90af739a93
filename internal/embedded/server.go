package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Server is an open store. Its methods may be called from any goroutine.
type Server struct {
	// Fixed after Open.
	opts  Options
	table *commandTable
	lock  *os.File

	compactMu sync.Mutex // one compaction at a time

	mu      sync.Mutex // everything that executes; guards the following, engine, and pending records of log
	engine  *engine
	waiters *waiters
	conns   map[*pipe]struct{}
	closed  bool
	stats   Stats

	log commandLog

	stop     chan struct{} // closed by Close
	failures chan struct{} // one slot: the log has failed since it was last looked at
	wg       sync.WaitGroup
}

// Open locks the directory, rebuilds the data set from the log and starts the store. ctx bounds the replay only.
// Errors: ErrLocked, ErrCorrupt, ErrVersion, the context's, and those of the file system.
func Open(ctx context.Context, o Options) (*Server, error) {
	s := &Server{
		opts:     o.withDefaults(),
		waiters:  newWaiters(),
		conns:    map[*pipe]struct{}{},
		stop:     make(chan struct{}),
		failures: make(chan struct{}, 1),
	}
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("open embedded store in %q: %w", o.Dir, err)
	}
	if s.stats.TruncatedBytes > 0 {
		s.report(fmt.Errorf("%w: %d bytes", ErrTornTail, s.stats.TruncatedBytes))
	}
	s.wg.Add(2)
	go s.syncLoop()
	go s.maintainLoop()
	return s, nil
}

func (s *Server) open(ctx context.Context) (err error) {
	if s.opts.Dir == "" {
		return errors.New("no directory given")
	}
	if err = os.MkdirAll(s.opts.Dir, 0o700); err != nil {
		return err
	}
	if s.lock, err = lockDir(filepath.Join(s.opts.Dir, lockName)); err != nil {
		return err
	}
	if s.engine, err = newEngine(s.waiters.signal); err != nil {
		return errors.Join(err, s.lock.Close())
	}
	s.table = s.engine.table
	if err = s.load(ctx); err != nil {
		s.engine.close()
		return errors.Join(err, s.lock.Close())
	}
	return nil
}

func (s *Server) load(ctx context.Context) error {
	if err := removeIfExists(filepath.Join(s.opts.Dir, logTempName)); err != nil {
		return err
	}
	start := time.Now()
	compacted := int64(len(logHeader))
	f, size, cut, err := openLog(filepath.Join(s.opts.Dir, logName), func(rec record, end int64) error {
		s.stats.RecordsReplayed++
		if rec.commands[0][0] == snapshotCommand {
			compacted = end
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return s.engine.replay(rec)
	})
	if err != nil {
		return err
	}
	if err := syncDir(s.opts.Dir); err != nil {
		return errors.Join(err, f.Close())
	}
	s.stats.ReplayTime, s.stats.TruncatedBytes = time.Since(start), cut
	s.log.mu, s.log.fsyncAll = &s.mu, s.opts.FsyncInterval < 0
	s.log.file, s.log.size, s.log.compacted = s.opts.wrap(f), size, compacted
	return nil
}

// Dial opens a connection. It has the signature of go-redis' Options.Dialer; network and addr are ignored.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := newPipe()
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return nil, ErrClosed
	case len(s.conns) >= maxConnections:
		s.mu.Unlock()
		return nil, fmt.Errorf("embedded store has %d connections already", maxConnections)
	}
	s.conns[p] = struct{}{}
	s.wg.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.wg.Done()
		s.newSession(p).serve()
		s.mu.Lock()
		delete(s.conns, p)
		s.mu.Unlock()
	}()
	return clientConn{p}, nil
}

// Close disconnects the clients, writes and fsyncs what is left, and releases the directory. A second call does nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for p := range s.conns {
		p.close()
	}
	s.mu.Unlock()
	close(s.stop)
	s.wg.Wait()
	s.compactMu.Lock() // a Compact of the caller's may still run
	defer s.compactMu.Unlock()

	s.mu.Lock()
	seq := s.log.appended
	s.mu.Unlock()
	err := errors.Join(s.log.commit(seq), s.log.sync(), s.log.file.Close())
	s.engine.close()
	return errors.Join(err, s.lock.Close())
}

// Stats returns the figures of this moment.
func (s *Server) Stats() Stats {
	size, compacted := s.log.sizes()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.LogBytes, st.CompactedBytes = size, compacted
	st.RecordsWritten = s.log.records.Load()
	st.WriteErrors = s.log.errors.Load()
	st.Failed = s.log.failed() != nil
	st.Connections = len(s.conns)
	st.ExpiringKeys = s.engine.expiry.len()
	return st
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// beginLocked starts a command: it takes the time and removes the keys that are due.
func (s *Server) beginLocked() {
	s.engine.begin(s.opts.Now().UnixMilli())
	s.engine.expireDue()
	if s.engine.effects.n > 0 {
		s.log.append(&s.engine.effects)
		s.engine.effects.reset(s.engine.now)
	}
}

func (s *Server) report(err error) { s.opts.OnError(err) }

// noteFailure tells maintainLoop that the log may have failed. It never blocks.
func (s *Server) noteFailure() {
	select {
	case s.failures <- struct{}{}:
	default:
	}
}
