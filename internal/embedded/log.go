package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

const (
	logName     = "store.log"
	logTempName = "store.log.tmp"
	lockName    = "store.lock"
)

// logFile is what the log needs of a file; *os.File opened with O_APPEND has it.
type logFile interface {
	io.ReaderAt
	io.Writer
	Sync() error
	Truncate(size int64) error
	Close() error
}

// commandLog appends records to the log file. Records are first collected in memory (append, under Server.mu) and then
// written by commit, for all connections that wait: one write(2) can answer many pipelines.
type commandLog struct {
	mu       *sync.Mutex // Server.mu
	fsyncAll bool        // fsync in every commit

	// Guarded by mu.
	pending  []byte
	appended uint64 // sequence number of the last appended record

	written atomic.Uint64 // sequence number of the last record that is in the file
	records atomic.Int64
	errors  atomic.Int64
	failure atomic.Pointer[error] // set while writes are refused

	// Guarded by commitMu, which is taken before mu.
	commitMu sync.Mutex
	spare    []byte
	size     int64
	// compacted is the size after the last compaction, or at start.
	compacted int64
	shadow    logFile // the next log while a compaction runs; gets every record too
	shadowed  int64   // bytes in shadow
	shadowOK  bool

	// fileMu lets syncLoop fsync beside commits while nobody closes the file. file is replaced under commitMu+fileMu.
	fileMu   sync.RWMutex
	file     logFile
	unsynced atomic.Bool
}

// append adds a record to what the next commit writes and returns its sequence number. mu is held.
func (l *commandLog) append(w *recordWriter) uint64 {
	l.pending = w.appendTo(l.pending)
	l.appended++
	l.records.Add(1)
	return l.appended
}

// commit returns when every record up to seq is in the file (and on the disk, with fsyncAll). An error means that it
// is unknown which of the records since the last commit are there; the log refuses writes from then on.
func (l *commandLog) commit(seq uint64) error {
	if l.written.Load() >= seq {
		return nil
	}
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	return l.commitLocked(seq)
}

// commitLocked is commit with commitMu held.
func (l *commandLog) commitLocked(seq uint64) error {
	if l.written.Load() >= seq {
		return nil // another connection wrote it meanwhile
	}
	if err := l.failed(); err != nil {
		return err
	}
	l.mu.Lock()
	buf, last := l.pending, l.appended
	l.pending = l.spare[:0]
	l.mu.Unlock()
	defer func() {
		if cap(buf) <= 4<<20 {
			l.spare = buf[:0]
		} else {
			l.spare = nil
		}
	}()

	if err := l.write(buf); err != nil {
		l.shadowOK = false // buf is in neither file
		return l.fail(err)
	}
	l.writeShadow(buf)
	l.written.Store(last)
	return nil
}

func (l *commandLog) writeShadow(buf []byte) {
	if l.shadow == nil || !l.shadowOK {
		return
	}
	n, err := l.shadow.Write(buf)
	l.shadowed += int64(n)
	l.shadowOK = err == nil && n == len(buf)
}

// drainLocked writes what is pending to the present file, or drops it if that has failed. commitMu and mu are held.
func (l *commandLog) drainLocked() {
	if l.failed() == nil && len(l.pending) > 0 {
		if err := l.write(l.pending); err != nil {
			_ = l.fail(err) // kept; the callers find it
		} else {
			l.written.Store(l.appended)
		}
	}
	l.pending = nil
}

// passLocked writes what is pending to the present file, unless that has failed, and to the next one. commitMu and mu are
// held.
func (l *commandLog) passLocked() {
	if len(l.pending) == 0 {
		return
	}
	if l.failed() == nil {
		if err := l.write(l.pending); err != nil {
			_ = l.fail(err) // the callers find it
			l.shadowOK = false
			return
		}
		l.written.Store(l.appended)
	}
	l.writeShadow(l.pending)
	l.pending = l.pending[:0]
}

// commitShadowLocked writes what is pending to the next log alone, since the present one has failed. commitMu is held.
func (l *commandLog) commitShadowLocked() uint64 {
	l.mu.Lock()
	buf, last := l.pending, l.appended
	l.pending = nil
	l.mu.Unlock()
	l.writeShadow(buf)
	return last
}

func (l *commandLog) dropShadow() {
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	l.shadow = nil
}

func (l *commandLog) write(buf []byte) error {
	n, err := l.file.Write(buf)
	if err == nil && n < len(buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		// Half a record must not stay in front of later ones. If this fails too, the next start cuts it off, since
		// nothing is appended to this file any more.
		return errors.Join(err, l.file.Truncate(l.size))
	}
	l.size += int64(n)
	if !l.fsyncAll {
		l.unsynced.Store(true)
		return nil
	}
	return l.file.Sync()
}

// fail makes the log refuse writes until a new one is in place, and returns the error for those who wait.
func (l *commandLog) fail(cause error) error {
	l.errors.Add(1)
	err := fmt.Errorf("%w: %w", ErrWriteRefused, cause)
	l.failure.CompareAndSwap(nil, &err)
	return err
}

// failed returns why writes are refused, or nil.
func (l *commandLog) failed() error {
	if p := l.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// sync makes what is in the file durable. A failed fsync has lost its pages for good, so it counts like a failed write.
func (l *commandLog) sync() error {
	if !l.unsynced.Swap(false) || l.failed() != nil {
		return nil //nolint:nilerr // that failure has been reported when it happened
	}
	l.fileMu.RLock()
	err := l.file.Sync()
	l.fileMu.RUnlock()
	if err != nil {
		return l.fail(err)
	}
	return nil
}

// sizes returns the size of the file now and after the last compaction.
func (l *commandLog) sizes() (size, compacted int64) {
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	return l.size, l.compacted
}

// openLog opens or creates the log at path, hands every valid record to replay in order, cuts an incomplete last one
// off and returns the file positioned for appending, its size, and the bytes cut.
func openLog(path string, replay func(rec record, end int64) error) (f *os.File, size, cut int64, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, 0, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, 0, err
	}
	size = info.Size()
	fresh, err := checkHeader(f, size)
	if err != nil {
		return nil, 0, 0, err
	}
	if fresh {
		if err = f.Truncate(0); err != nil {
			return nil, 0, 0, err
		}
		if _, err = f.WriteString(logHeader); err != nil {
			return nil, 0, 0, err
		}
		return f, int64(len(logHeader)), 0, f.Sync()
	}
	good, err := replayRecords(newReadAhead(f), size, replay)
	if err != nil || good == size {
		return f, good, 0, err
	}
	if err = f.Truncate(good); err != nil {
		return nil, 0, 0, err
	}
	return f, good, size - good, f.Sync()
}

// checkHeader reports whether the log is new: empty, or ended by a crash inside its header.
func checkHeader(r io.ReaderAt, size int64) (fresh bool, err error) {
	head := make([]byte, min(size, int64(len(logHeader))))
	if err := readFull(r, head, 0); err != nil {
		return false, err
	}
	if string(head) != logHeader[:len(head)] {
		return false, fmt.Errorf("%w: it begins with %q, not %q", ErrVersion, head, logHeader)
	}
	return len(head) < len(logHeader), nil
}

// replayRecords hands the records after the header to replay and returns the offset behind the last valid one.
func replayRecords(r io.ReaderAt, size int64, replay func(rec record, end int64) error) (int64, error) {
	var buf []byte
	off := int64(len(logHeader))
	for off < size {
		rec, n, err := readRecord(r, off, size, &buf)
		if errors.Is(err, errBadRecord) {
			next, ferr := findRecord(r, off+1, size)
			if ferr != nil {
				return off, ferr
			}
			if next >= 0 {
				return off, fmt.Errorf("%w at offset %d (%w), valid records follow at offset %d; restore a copy, or cut "+
					"the file to %d bytes to give up everything after it", ErrCorrupt, off, err, next, off)
			}
			return off, nil
		}
		if err != nil {
			return off, err
		}
		if err := replay(rec, off+n); err != nil {
			return off, fmt.Errorf("record at offset %d: %w", off, err)
		}
		off += n
	}
	return off, nil
}

// readAhead is an io.ReaderAt that reads a file in large steps; replay reads two small pieces per record.
type readAhead struct {
	r   io.ReaderAt
	off int64
	buf []byte
}

func newReadAhead(r io.ReaderAt) *readAhead { return &readAhead{r: r} }

func (a *readAhead) ReadAt(p []byte, off int64) (int, error) {
	const step = 1 << 20
	if len(p) > step {
		return a.r.ReadAt(p, off)
	}
	if off < a.off || off+int64(len(p)) > a.off+int64(len(a.buf)) {
		if a.buf == nil {
			a.buf = make([]byte, 0, step)
		}
		n, err := a.r.ReadAt(a.buf[:step], off)
		a.off, a.buf = off, a.buf[:n]
		if n < len(p) {
			return copy(p, a.buf), err
		}
	}
	return copy(p, a.buf[off-a.off:]), nil
}
