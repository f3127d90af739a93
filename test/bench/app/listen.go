package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime/debug"
	"time"
)

// Heartbeats are the same for every server.
const (
	PingInterval = 25 * time.Second
	PingTimeout  = 20 * time.Second
)

// Main serves handler on a free port of the loopback until stdin ends; the
// process is done then. With -profile address, package net/http/pprof is
// served there.
func Main(handler http.Handler, control *Control, version string) {
	profile := flag.String("profile", "", "address to serve profiles on")
	flag.Parse()
	if err := run(handler, control, version, *profile); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(handler http.Handler, control *Control, version, profile string) error {
	if profile != "" {
		if err := serveProfiles(profile); err != nil {
			return err
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { // ends with the process
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
	return control.Serve(os.Stdin, os.Stdout, Ready{Addr: listener.Addr().String(), Version: version})
}

func serveProfiles(address string) error {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", address)
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with the process
	return nil
}

// ModuleVersion is the version of a module this program was built with.
func ModuleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "unknown"
}
