package netpoll

import "time"

// Options configure a Poller. Zero values mean the defaults.
type Options struct {
	// Portable chooses Goroutines also where there is a Reactor.
	Portable bool

	// MaxQueued bounds the unsent bytes of one connection; zero means 4 MiB.
	MaxQueued int

	// WriteTimeout bounds how long what is queued at one moment may take to leave; zero means 30 s. A connection
	// that needs longer is closed with os.ErrDeadlineExceeded.
	WriteTimeout time.Duration

	// ReadBuffer is the size in bytes of a read; zero means 4 KiB for Goroutines, where every connection has one
	// buffer, and 16 KiB for a Reactor, where every event loop has one. It is also what one connection may take
	// before the others get their turn.
	ReadBuffer int

	// Loops is the number of event loops of a Reactor; zero means GOMAXPROCS.
	Loops int
}

func (o *Options) setDefaults(readBuffer int) {
	if o.MaxQueued <= 0 {
		o.MaxQueued = 4 << 20
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.ReadBuffer <= 0 {
		o.ReadBuffer = readBuffer
	}
}

// New returns the best Poller of this system: a Reactor on Linux, otherwise Goroutines.
func New(o Options) (Poller, error) {
	if o.Portable {
		return NewGoroutines(o), nil
	}
	return newNative(o)
}
