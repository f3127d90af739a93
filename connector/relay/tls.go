package relay

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"slices"
)

// Pin is the SHA-256 of the public key of a server's certificate, in its DER form (SubjectPublicKeyInfo). It survives a
// renewed certificate for the same key, and needs no authority that both sides trust.
type Pin [sha256.Size]byte

// PinOf is the pin of a certificate.
func PinOf(cert *x509.Certificate) Pin { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }

// String is the pin in hex.
func (p Pin) String() string { return hex.EncodeToString(p[:]) }

// ParsePin reads String's form.
func ParsePin(s string) (p Pin, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(p) {
		return Pin{}, false
	}
	return Pin(b), true
}

// Owner is a server as others reach it.
type Owner struct {
	Address string // host:port, "" for nobody
	// Pins are the keys the server may show; without any it speaks plain HTTP.
	Pins []Pin
}

func (o Owner) scheme() string {
	if len(o.Pins) > 0 {
		return "https"
	}
	return "http"
}

// errPin says that whoever answers at the address of a server has not its key.
var errPin = errors.New("relay: the certificate has another key than the server has published")

// dial connects to the owner.
func (p *passed) dial(ctx context.Context) (net.Conn, error) {
	conn, err := p.relay.dialer.DialContext(ctx, "tcp", p.owner.Address)
	if err != nil || len(p.owner.Pins) == 0 {
		return conn, err
	}
	ctx, cancel := context.WithTimeout(ctx, upgradeTimeout)
	defer cancel()
	secured := tls.Client(conn, &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does better
		VerifyConnection:   func(state tls.ConnectionState) error { return p.verify(ctx, state) },
	})
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secured, nil
}

// verify compares the key a server shows with those it has published. What is known of it may be old: it publishes a
// new key before it shows it.
func (p *passed) verify(ctx context.Context, state tls.ConnectionState) error {
	shown := PinOf(state.PeerCertificates[0]) // there is one: the handshake proves its key
	if slices.Contains(p.owner.Pins, shown) {
		return nil
	}
	if now := p.relay.o.Directory.Renew(ctx, p.tag); now.Address == p.owner.Address && slices.Contains(now.Pins, shown) {
		return nil
	}
	return errPin
}

// dialTLS is for the transport, which keeps the values of the request's context, though not its end.
func (rl *Relay) dialTLS(ctx context.Context, _, _ string) (net.Conn, error) {
	p, ok := ctx.Value(passedKey{}).(*passed)
	if !ok {
		return nil, errPin
	}
	ctx, cancel := context.WithTimeout(ctx, rl.o.DialTimeout+upgradeTimeout)
	defer cancel()
	defer context.AfterFunc(rl.closing, cancel)()
	return p.dial(ctx)
}
