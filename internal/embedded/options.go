package embedded

import (
	"errors"
	"time"
)

// Limits of one command and one connection. They bound what a client can make the process allocate.
const (
	maxArgs         = 1 << 20  // arguments of one command
	maxCommandBytes = 64 << 20 // bytes of one command, and of one queued transaction
	maxQueued       = 1 << 17  // commands of one transaction
	maxUnread       = 64 << 20 // reply bytes a client may leave unread before it is disconnected
	maxConnections  = 10_000
)

var (
	// ErrLocked is returned by Open when another process (or another Server) holds the directory.
	ErrLocked = errors.New("data directory is in use by another process")
	// ErrCorrupt is returned by Open when an invalid log record is followed by valid ones.
	ErrCorrupt = errors.New("log is corrupt")
	// ErrVersion is returned by Open for a log of another format.
	ErrVersion = errors.New("log has an unknown format version")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("embedded store is closed")
	// ErrTornTail is reported through OnError when Open has cut an incomplete last record.
	ErrTornTail = errors.New("log ended in an incomplete record, cut off")
	// ErrWriteRefused is reported through OnError when the log cannot be written; writes are refused until it recovers.
	ErrWriteRefused = errors.New("log cannot be written, writes are refused")
	// ErrRecovered is reported through OnError when a failed log has been replaced by a complete new one.
	ErrRecovered = errors.New("log has been rewritten, writes are accepted again")
)

// Options of Open. Only Dir is required.
type Options struct {
	// Dir holds the log and the lock; created with mode 0700 if missing.
	Dir string
	// FsyncInterval is the time between fsyncs, what a power failure can cost. Zero means 1s. Negative means an fsync
	// before every reply to a write (shared by the connections that wait for it).
	FsyncInterval time.Duration
	// CompactMinBytes is the log size below which no compaction starts. Zero means 16 MiB, negative none ever.
	CompactMinBytes int64
	// CompactRatio is the growth since the last compaction that starts the next one. Zero means 2.
	CompactRatio float64
	// ExpireInterval is how often due keys are removed when no command comes in; a command never sees a due key, so
	// this frees memory and nothing else. Zero means 250ms; a tick without due keys costs a comparison.
	ExpireInterval time.Duration
	// RetryInterval is the time between attempts to write a new log after a write or fsync failed. Zero means 5s.
	RetryInterval time.Duration
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
	// OnError hears about what nobody asked for: a cut tail, a failed or recovered log, a failed compaction. It is
	// called from the package's goroutines without a lock held and must not call Close. Nil means ignore.
	OnError func(error)

	// wrap lets tests put faults between the log and the disk.
	wrap func(logFile) logFile
	// slice is how long a compaction works before it lets commands run again; a key is never divided.
	slice time.Duration
}

func (o Options) withDefaults() Options {
	if o.FsyncInterval == 0 {
		o.FsyncInterval = time.Second
	}
	if o.CompactMinBytes == 0 {
		o.CompactMinBytes = 16 << 20
	}
	if o.CompactRatio <= 1 {
		o.CompactRatio = 2
	}
	if o.ExpireInterval <= 0 {
		o.ExpireInterval = 250 * time.Millisecond
	}
	if o.RetryInterval <= 0 {
		o.RetryInterval = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	if o.wrap == nil {
		o.wrap = func(f logFile) logFile { return f }
	}
	if o.slice == 0 {
		o.slice = 2 * time.Millisecond
	}
	return o
}

// Stats is a snapshot of the store's condition.
type Stats struct {
	LogBytes        int64         // size of the log, without what waits for the next commit
	CompactedBytes  int64         // size of the log after the last compaction (or at start)
	RecordsReplayed int64         // valid records read by Open
	ReplayTime      time.Duration // what reading and executing them took
	TruncatedBytes  int64         // bytes of an incomplete last record that Open cut off
	RecordsWritten  int64         // records appended since Open
	WriteErrors     int64         // failed log writes and fsyncs since Open
	Failed          bool          // writes are refused at the moment
	Compactions     int64         // since Open
	LastCompaction  time.Time     // zero if none since Open
	CompactionPause time.Duration // how long the last compaction kept commands waiting at once
	Connections     int           // open connections
	ExpiringKeys    int           // entries of the expiry index
}
