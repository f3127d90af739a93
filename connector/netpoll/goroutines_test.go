package netpoll

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"
)

func newTestGoroutines() Poller { return NewGoroutines(Options{MaxQueued: maxQueued}) }

func TestGoroutinesTCP(t *testing.T)  { contract(t, newTestGoroutines, tcpPair) }
func TestGoroutinesTLS(t *testing.T)  { contract(t, newTestGoroutines, tlsPair) }
func TestGoroutinesPipe(t *testing.T) { contract(t, newTestGoroutines, pipePair) }

func TestWriteTimeout(t *testing.T) {
	for _, portable := range []bool{false, true} {
		p, err := New(Options{Portable: portable, MaxQueued: 64 << 20, WriteTimeout: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		r := &rig{t: t, poller: p, connect: tcpPair}
		c, h, _ := r.attach("", nil)
		part := bytes.Repeat([]byte("x"), 16<<20)
		for range 3 {
			if err := c.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-h.closed:
			if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
				t.Fatalf("closed with %v", err)
			}
		case <-time.After(patience):
			t.Fatal("not closed")
		}
	}
}

func TestNewPortable(t *testing.T) {
	p, err := New(Options{Portable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, ok := p.(*Goroutines); !ok {
		t.Fatalf("%T", p)
	}
}

func tcpPair(t testing.TB) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server, client
}

// pipePair has no kernel buffers and cannot be half closed.
func pipePair(t testing.TB) (server, client net.Conn) {
	server, client = net.Pipe()
	t.Cleanup(func() { server.Close(); client.Close() })
	return server, client
}

func tlsPair(t testing.TB) (server, client net.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	plainServer, plainClient := tcpPair(t)
	s := tls.Server(plainServer, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	c := tls.Client(plainClient, &tls.Config{InsecureSkipVerify: true})
	done := make(chan error, 1)
	go func() { done <- s.Handshake() }()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return s, c
}
