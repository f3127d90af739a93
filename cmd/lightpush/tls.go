package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/connector/relay"
	"github.com/lightpush/lightpush/internal/config"
)

// certCheck is how often the files of the certificate are looked at, by the
// handshakes themselves.
const certCheck = 10 * time.Second

// certificate is the pair of tls_cert and tls_key, read again when the files
// change. A pair that cannot be read leaves the one before in use.
type certificate struct {
	certFile, keyFile string
	log               zerolog.Logger
	now               func() time.Time

	mu      sync.Mutex
	pair    *tls.Certificate
	read    fileTimes // of pair, or of what could not be read
	checked time.Time

	before   func()           // called before another key is shown; may be nil
	next     *tls.Certificate // waits for that; nil: none does
	last     relay.Pin        // of the pair before
	lastEnds time.Time        // until then others may still be shown it
}

// keepPin is how long a key that is shown no more is still told to others: for
// handshakes that have begun.
const keepPin = time.Minute

// fileTimes tell versions of the two files apart.
type fileTimes struct {
	cert, key         time.Time
	certSize, keySize int64
}

// openCertificate returns nil without tls_cert.
func openCertificate(cfg config.Config, log zerolog.Logger) (*certificate, error) {
	if cfg.TLSCert == "" {
		return nil, nil
	}
	c := &certificate{certFile: cfg.TLSCert, keyFile: cfg.TLSKey, log: log, now: time.Now}
	if err := c.reload(); err != nil {
		return nil, fmt.Errorf("tls_cert: %w", err)
	}
	return c, nil
}

func (c *certificate) times() (t fileTimes) {
	for _, file := range []struct {
		name string
		at   *time.Time
		size *int64
	}{{c.certFile, &t.cert, &t.certSize}, {c.keyFile, &t.key, &t.keySize}} {
		if info, err := os.Stat(file.name); err == nil {
			*file.at, *file.size = info.ModTime(), info.Size()
		}
	}
	return t
}

// beforeChange makes f be called before a certificate with another key than
// the one before is shown to anybody; pins has both of them then. f must not
// take long: the old certificate stays in use meanwhile.
func (c *certificate) beforeChange(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before = f
}

// pins are the keys that may be shown now or soon.
func (c *certificate) pins() []relay.Pin {
	c.mu.Lock()
	defer c.mu.Unlock()
	pins := []relay.Pin{relay.PinOf(c.pair.Leaf)}
	if c.next != nil {
		pins = append(pins, relay.PinOf(c.next.Leaf))
	}
	if c.now().Before(c.lastEnds) {
		pins = append(pins, c.last)
	}
	return pins
}

// reload reads the files now, and returns when what they hold is in use.
func (c *certificate) reload() error {
	c.mu.Lock()
	next, err := c.loadLocked(c.times())
	c.mu.Unlock()
	if next != nil {
		c.change(next)
	}
	return err
}

// loadLocked reads the files. When next is not nil change must be called with
// it, to put it in use.
func (c *certificate) loadLocked(t fileTimes) (next *tls.Certificate, err error) {
	c.read, c.checked = t, c.now()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, err
	}
	if c.pair == nil || c.before == nil || relay.PinOf(c.pair.Leaf) == relay.PinOf(pair.Leaf) {
		c.pair, c.next = &pair, nil
		return nil, nil //nolint:nilnil // it is in use
	}
	c.next = &pair
	return c.next, nil
}

// change puts a pair in use when others have been told of it, unless it is not
// the next any more.
func (c *certificate) change(next *tls.Certificate) {
	c.mu.Lock()
	before := c.before
	c.mu.Unlock()
	before()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != next {
		return
	}
	c.last, c.lastEnds = relay.PinOf(c.pair.Leaf), c.now().Add(keepPin)
	c.pair, c.next = c.next, nil
}

// get implements tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Sub(c.checked) >= certCheck {
		c.checked = c.now()
		if t := c.times(); t != c.read {
			next, err := c.loadLocked(t)
			if err != nil {
				c.log.Error().Err(err).Msg("read tls_cert and tls_key; the certificate before stays in use")
			} else {
				c.log.Info().Msg("read a new certificate")
			}
			if next != nil {
				go c.change(next) // ends with the time-out of before
			}
		}
	}
	return c.pair, nil
}

// listen puts TLS on a listener; without a certificate it is left as it is.
func (c *certificate) listen(l net.Listener) net.Listener {
	if c == nil {
		return l
	}
	return tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: c.get,
		NextProtos: []string{"http/1.1"}, // WebSockets take over their connection
	})
}

// scheme says how what a process serves is reached.
func scheme(cfg config.Config) string {
	if cfg.TLSCert != "" {
		return "https"
	}
	return "http"
}
