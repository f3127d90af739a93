package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/queue"
	"github.com/lightpush/lightpush/logic/offline"
	"github.com/lightpush/lightpush/logic/offline/apns"
	"github.com/lightpush/lightpush/logic/offline/provider"
)

// deliveries is the part of the logic role that brings messages to devices
// that have not acked them.
type deliveries struct {
	apns   *apns.Provider
	worker *queue.Worker
}

func startDeliveries(b *backend, id string, service *apns.Provider) (*deliveries, error) {
	handler, err := offline.New(offlineOptions(b, service))
	if err != nil {
		service.Close()
		return nil, err
	}
	o := workerOptions(b, queue.Offline, id)
	o.Handle = handler.Handle
	d := &deliveries{apns: service, worker: queue.NewWorker(b.store.Queues(), o)}
	d.worker.Start()
	return d, nil
}

func offlineOptions(b *backend, service *apns.Provider) offline.Options {
	return offline.Options{
		Store: b.store, Namespaces: b.namespaces,
		Providers:      provider.Set{client.IOS: service},
		InboxPlatforms: b.cfg.OfflinePlatforms,
		InboxMax:       b.cfg.AndroidUnreadMessageListMaxLimit,
		Wait:           b.cfg.WorkerMessageTimeout,
		Observe: func(platform string, state push.State, n int) {
			b.metrics.OfflineDevices.WithLabelValues(platform, string(state)).Add(float64(n))
		},
		OnDropped: func(n int) { b.metrics.MessagesDropped.WithLabelValues(dropInboxFull).Add(float64(n)) },
		OnError:   func(err error) { b.log.Warn().Err(err).Msg("offline delivery") },
	}
}

// newAPNs makes the client of Apple's push service.
func newAPNs(b *backend) (*apns.Provider, error) {
	roots, err := readRoots(b.cfg.ApnsCaFile)
	if err != nil {
		return nil, fmt.Errorf("apns_ca_file: %w", err)
	}
	service, err := apns.New(apns.Options{
		Namespaces: b.namespaces,
		Host:       b.cfg.ApnsHost, RootCAs: roots,
		Alert: b.cfg.ApnsApsAlert, MaxPayload: b.cfg.ApnsPayloadSize,
		Concurrency: b.cfg.ApnsConcurrency, Timeout: b.cfg.ApnsTimeout,
		Observe: func(outcome provider.Outcome, _ int, took time.Duration) {
			b.metrics.Notifications.WithLabelValues("apns", outcome.String()).Observe(took.Seconds())
		},
		OnError: func(ns, profile string, err error) {
			b.log.Error().Err(err).Str("namespace", ns).Str("profile", profile).Msg("apns")
		},
	})
	if err == nil {
		b.namespaces.OnChange(service.Changed) // closes what is not used any more
	}
	return service, err
}

// readRoots reads certificates beside the system's; nil for none.
func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return roots, nil
}

// stop lets jobs under way end until ctx ends; what is left waits in the
// queue.
func (d *deliveries) stop(ctx context.Context) {
	d.worker.Close(ctx)
	d.apns.Close()
}
