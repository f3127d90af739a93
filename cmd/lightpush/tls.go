package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

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
}

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

// reload reads the files now.
func (c *certificate) reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reloadLocked(c.times())
}

func (c *certificate) reloadLocked(t fileTimes) error {
	c.read, c.checked = t, c.now()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.pair = &pair
	return nil
}

// get implements tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Sub(c.checked) >= certCheck {
		c.checked = c.now()
		if t := c.times(); t != c.read {
			if err := c.reloadLocked(t); err != nil {
				c.log.Error().Err(err).Msg("read tls_cert and tls_key; the certificate before stays in use")
			} else {
				c.log.Info().Msg("read a new certificate")
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
