package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/adminui"
	"github.com/lightpush/lightpush/internal/config"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/metrics"
	"github.com/lightpush/lightpush/internal/namespace"
)

// serve runs one role, or both, until ctx ends; then everything is ended
// within shutdown_timeout.
//
// On SIGHUP load is asked for the configuration again; it may be nil.
func serve(ctx context.Context, r role, cfg config.Config, load loader, stdout, stderr io.Writer) (err error) {
	listener, err := net.Listen("tcp", listenAddress(r, cfg))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer listener.Close() // a no-op once the server has closed it
	log, closeLog, err := newLogger(cfg, r, listener.Addr().String(), stderr)
	if err != nil {
		return err
	}
	defer closeLog()

	p := &process{role: r, cfg: cfg, log: log}
	if p.certificate, err = openCertificate(cfg, log); err != nil {
		return err
	}
	if err := p.start(ctx, listener); err != nil {
		return errors.Join(err, p.stop())
	}
	p.banner(listener).print(stdout)
	log.Info().Str("role", string(r)).Str("node", p.node).Stringer("address", listener.Addr()).Str("version", version()).Msg("ready")

	trim, endTrim := context.WithCancel(context.Background())
	var trimming sync.WaitGroup
	trimming.Go(func() { trimMemory(trim, r != roleLogic) })
	if load != nil {
		trimming.Go(func() { p.watchReload(trim, load) })
	}
	defer func() { endTrim(); trimming.Wait() }()
	select {
	case <-ctx.Done():
		log.Info().Msg("stopping")
		p.drain()
	case err = <-p.failed:
		err = fmt.Errorf("serve: %w", err)
	}
	return errors.Join(err, p.stop())
}

// process is everything that runs.
type process struct {
	role role
	cfg  config.Config
	log  zerolog.Logger
	node string

	backend   *backend
	connector *connector
	logic     *logic
	http      *http.Server
	internal  *http.Server // metrics; nil when metrics_listen is empty
	failed    chan error   // capacity 1
	demo      string       // password of the demo namespace, when made now
	pulse     *console.Pulse

	certificate *certificate // nil without TLS
}

func (p *process) start(ctx context.Context, listener net.Listener) (err error) {
	p.node = p.cfg.NodeID
	if p.node == "" {
		p.node = newNodeID(p.role, p.cfg)
	}
	set := metrics.New()
	// The registry may call before the connector exists.
	var current atomic.Pointer[connector]
	changed := func(namespaces []*namespace.Namespace) {
		if c := current.Load(); c != nil {
			c.changed(namespaces)
		}
	}
	if p.backend, err = openBackend(ctx, p.cfg, p.log, set, changed); err != nil {
		p.backend = nil
		return err
	}
	m := &mux{ready: p.backend.ready, reasons: p.reasons, tls: p.certificate != nil}
	if p.role != roleLogic {
		if p.connector, err = startConnector(ctx, p.backend, p.node, listener.Addr(), p.certificate); err != nil {
			p.connector = nil
			return err
		}
		current.Store(p.connector)
		m.engine = p.connector.paths()
	}
	if p.role != roleConnector {
		if p.logic, err = startLogic(ctx, p.backend, p.node); err != nil {
			return err
		}
		m.rest, m.console, m.docs = p.logic.api, adminui.Handler(), p.logic.docs
	}
	if p.role == roleLogic {
		p.logic.startCanary(p.backend, p.node)
	}
	if p.role == roleAll {
		if p.demo, err = createDemo(ctx, p.backend); err != nil {
			return err
		}
	}
	p.gauges(set)
	p.pulse = newPulse(p, listener.Addr().String())
	p.pulse.Start()
	if err = p.serveInternal(set); err != nil {
		return err
	}
	p.serveHTTP(p.certificate.listen(listener), m)
	return nil
}

// newHTTPServer bounds what a connection may cost before a handler knows it; incomplete is called for those that end
// without a whole request.
func newHTTPServer(handler http.Handler, log zerolog.Logger, incomplete func()) *http.Server {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		// The engine lifts these for the requests that are meant to wait.
		ReadTimeout:    60 * time.Second,
		WriteTimeout:   60 * time.Second,
		IdleTimeout:    120 * time.Second,
		MaxHeaderBytes: 32 << 10,
		ErrorLog:       stdlog.New(httpLog{log}, "", 0),
	}
	watchIncomplete(server, incomplete)
	return server
}

func (p *process) serveHTTP(listener net.Listener, handler http.Handler) {
	p.http = newHTTPServer(handler, p.log, p.backend.metrics.Incomplete.Inc)
	p.failed = make(chan error, 1)
	go func() { // ends with Shutdown or Close
		if err := p.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			p.failed <- err
		}
	}()
}

// serveInternal serves the metrics, the probes and the profiler on an address
// of their own, which must not be reachable from outside.
func (p *process) serveInternal(set *metrics.Set) error {
	if p.cfg.MetricsListen == "" {
		return nil
	}
	listener, err := net.Listen("tcp", p.cfg.MetricsListen)
	if err != nil {
		return fmt.Errorf("metrics_listen: %w", err)
	}
	p.internal = &http.Server{
		Handler: p.internalRoutes(set), ReadTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute, // a profile takes its time
		MaxHeaderBytes: 16 << 10, ErrorLog: stdlog.New(httpLog{p.log}, "", 0),
	}
	go func() { _ = p.internal.Serve(listener) }() // ends with Close
	p.log.Info().Stringer("address", listener.Addr()).Msg("metrics are served")
	return nil
}

// stop ends clients first, then the API, then what both stand on.
func (p *process) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.ShutdownTimeout)
	defer cancel()
	var errs []error
	if p.pulse != nil {
		p.pulse.Close()
	}
	if p.connector != nil {
		errs = append(errs, p.connector.stop(ctx))
	}
	if p.http != nil {
		errs = append(errs, p.http.Shutdown(ctx), p.http.Close())
	}
	if p.internal != nil {
		errs = append(errs, p.internal.Close())
	}
	if p.logic != nil {
		p.logic.stop(ctx)
	}
	if p.backend != nil {
		errs = append(errs, p.backend.close())
	}
	return errors.Join(errs...)
}

func (p *process) banner(listener net.Listener) banner {
	n := banner{role: p.role, base: baseURL(scheme(p.cfg), listener.Addr()), adminName: p.cfg.AdminName, namespacePassword: p.demo}
	if p.logic != nil {
		n.adminPassword = p.logic.generated
	}
	return n
}

// listenAddress is --listen or, without it, what the role listens on.
func listenAddress(r role, cfg config.Config) string {
	switch {
	case cfg.Listen != "":
		return cfg.Listen
	case r == roleConnector:
		return net.JoinHostPort(cfg.SocketIP, strconv.Itoa(cfg.SocketPort))
	case r == roleLogic:
		return net.JoinHostPort(cfg.LogicIP, strconv.Itoa(cfg.LogicPort))
	}
	return "127.0.0.1:21314"
}

// newNodeID is unique per process; a process on its own embedded store has no
// peers and keeps one name, so that it finds what it left behind.
func newNodeID(r role, cfg config.Config) string {
	if r == roleAll && cfg.RedisAddress.IsZero() && len(cfg.Sentinels) == 0 {
		return "local"
	}
	host, _ := os.Hostname()
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	host = strings.Map(func(c rune) rune {
		if c == '{' || c == '}' || c == '|' || c == ':' || c <= ' ' {
			return '-'
		}
		return c
	}, host)
	return host + "-" + hex.EncodeToString(b[:])
}

func portOf(listen net.Addr) int {
	if addr, ok := listen.(*net.TCPAddr); ok {
		return addr.Port
	}
	return 0
}

// httpLog takes net/http's complaints about clients, which are not errors of
// the service.
type httpLog struct{ log zerolog.Logger }

func (l httpLog) Write(line []byte) (int, error) {
	l.log.Debug().Msg(strings.TrimSpace(string(line)))
	return len(line), nil
}
