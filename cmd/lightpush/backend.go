package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/internal/auth"
	"github.com/lightpush/lightpush/internal/bus"
	"github.com/lightpush/lightpush/internal/config"
	"github.com/lightpush/lightpush/internal/embedded"
	"github.com/lightpush/lightpush/internal/metrics"
	"github.com/lightpush/lightpush/internal/name"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/internal/store"
)

// backend is what every role stands on: the store, the namespaces and the
// acceptance of pushes.
type backend struct {
	cfg        config.Config
	log        zerolog.Logger
	metrics    *metrics.Set
	embedded   *embedded.Server // nil with Redis
	store      *store.Store
	control    *bus.Control
	namespaces *namespace.Registry
	committer  *push.Committer
	push       *push.Service
	names      name.Rules
	rules      push.Rules
	readiness  readiness
	access     *access
	draining   atomic.Bool // the process is about to stop

	noSecretKey string // why APNs credentials cannot be saved, "" when they can
}

// namespaceRefresh is how long a missed notice of a changed namespace may go
// unseen.
const namespaceRefresh = 30 * time.Second

// openBackend connects to the store. onNamespaces hears of changed
// namespaces; it may be nil.
func openBackend(ctx context.Context, cfg config.Config, log zerolog.Logger, set *metrics.Set, onNamespaces func([]*namespace.Namespace)) (b *backend, err error) {
	b = &backend{cfg: cfg, log: log, metrics: set, names: nameRules(cfg)}
	b.rules = push.Rules{
		Names:       b.names,
		Expire:      cfg.PushMessageExpire.Hours(),
		ExpireMax:   cfg.PushMessageMaxExpire.Hours(),
		APSDataSize: cfg.ApnsPayloadSize,
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	options := storeOptions(cfg)
	options.OnRoundTrip = func(took time.Duration, err error) {
		set.RedisSeconds.Observe(took.Seconds())
		if err != nil && !errors.Is(err, context.Canceled) { // then whoever asked has gone
			set.RedisErrors.Inc()
		}
	}
	options.OnError = func(err error) {
		set.StoreErrors.Inc()
		log.Error().Err(err).Msg("store")
	}
	ownStore := cfg.RedisAddress.IsZero() && len(cfg.Sentinels) == 0
	if ownStore {
		b.embedded, err = embedded.Open(ctx, embedded.Options{
			Dir: cfg.DataDir,
			OnError: func(err error) {
				log.Warn().Err(err).Msg("embedded store")
			},
		})
		if err != nil {
			return b, fmt.Errorf("data directory %s: %w", cfg.DataDir, err)
		}
		options.Dialer, options.Addresses = b.embedded.Dial, []string{"embedded:0"}
	}
	sealing, err := openSecrets(cfg, ownStore)
	if err != nil {
		return b, err
	}
	options.Secrets, b.noSecretKey = sealing.box, sealing.refuse
	if sealing.warning != "" {
		log.Warn().Msg(sealing.warning)
	}
	if b.store, err = store.Open(ctx, options); err != nil {
		return b, err
	}
	b.readiness.ping = b.store.Ping
	health, err := b.store.Check(ctx)
	if err != nil {
		return b, err
	}
	for _, warning := range health.Warnings {
		log.Warn().Msg(warning)
	}
	return b, b.openNamespaces(ctx, onNamespaces)
}

func (b *backend) openNamespaces(ctx context.Context, onNamespaces func([]*namespace.Namespace)) error {
	logError := func(err error) { b.log.Error().Err(err).Msg("namespaces") }
	b.namespaces = namespace.NewRegistry(b.store, namespaceRefresh, logError)
	b.namespaces.Configure(configuredLimits(b.cfg))
	if b.noSecretKey != "" {
		b.namespaces.RefuseCredentials(b.noSecretKey)
	}
	if onNamespaces != nil {
		b.namespaces.OnChange(onNamespaces)
	}
	// Notices are read before the first load, so that none falls between.
	b.access = newAccess(b)
	b.control = bus.NewControl(b.store.Dedicated(), b.store.Prefix(), invalidator{b.namespaces, b.access.revocations}, logError)
	if err := b.control.Start(ctx); err != nil {
		return err
	}
	if err := b.namespaces.Start(ctx); err != nil {
		return err
	}
	if err := b.access.start(ctx); err != nil {
		return err
	}
	b.committer = push.NewCommitter(b.store, push.CommitterOptions{
		BatchMax: b.cfg.PushBatchMax,
		Stored:   func(after time.Duration) { b.metrics.PushSeconds.Observe(after.Seconds()) },
		Observe: func(batch int, took time.Duration, err error) {
			b.metrics.CommitSize.Observe(float64(batch))
			b.metrics.CommitSeconds.Observe(took.Seconds())
			if err != nil {
				b.metrics.CommitFailures.Inc()
				b.log.Error().Err(err).Int("pushes", batch).Msg("group commit")
			}
		},
	})
	b.push = push.NewService(b.committer, nil)
	return nil
}

// ready says why this process can not serve, nil when it can.
func (b *backend) ready() error {
	if b.draining.Load() {
		return errDraining
	}
	if !b.namespaces.Ready() {
		return namespace.ErrUnavailable
	}
	return b.readiness.check()
}

// invalidator reloads the registry on every notice; it is cheap enough.
type invalidator struct {
	registry    *namespace.Registry
	revocations *auth.Revocations
}

func (i invalidator) NamespaceChanged(string) { i.registry.Invalidate() }
func (i invalidator) Reload()                 { i.registry.Invalidate(); i.revocations.Invalidate() }

// close ends everything in the reverse order of its start; parts that were
// never started are skipped.
func (b *backend) close() error {
	if b.committer != nil {
		b.committer.Close()
	}
	if b.control != nil {
		b.control.Close()
	}
	if b.access != nil {
		b.access.close()
	}
	if b.namespaces != nil {
		b.namespaces.Close()
	}
	var errs []error
	if b.store != nil {
		errs = append(errs, b.store.Close())
	}
	if b.embedded != nil {
		errs = append(errs, b.embedded.Close())
	}
	return errors.Join(errs...)
}

func nameRules(cfg config.Config) name.Rules {
	return name.Rules{
		Pattern:      regexp.MustCompile(cfg.KeyReg), // the configuration check has compiled it
		RoomMax:      cfg.RoomMaxLength,
		UserIDMax:    cfg.UseridMaxLength,
		UUIDMax:      cfg.UUIDMaxLength,
		NamespaceMax: cfg.NamespaceMaxLength,
	}
}

func storeOptions(cfg config.Config) store.Options {
	o := store.Options{
		Addresses:        cfg.RedisAddress.Nodes,
		Cluster:          cfg.RedisAddress.Cluster,
		SentinelMaster:   cfg.SentinelsName,
		Sentinels:        cfg.Sentinels,
		SentinelUsername: cfg.SentinelsUsername,
		SentinelPassword: cfg.SentinelsPassword.Reveal(),
		Username:         cfg.RedisUsername,
		Password:         cfg.RedisPassword.Reveal(),
		DB:               cfg.RedisDB,
		PoolSize:         cfg.RedisPoolSize,
		Timeout:          cfg.RedisTimeout,
		Prefix:           cfg.RedisPrefix,
		StreamMaxLen:     int64(cfg.StreamMaxLength),
		HistoryMax:       int64(cfg.PushMessageListMaxLimit),
		EventFull:        !cfg.EmitMsgPickKey,
		OfflineDelay:     cfg.WorkerMessageTimeout,
		OnceWindow:       cfg.IdempotencyWindow,
		RecoveryWindow:   cfg.RecoveryWindow,
		RecoveryLag:      cfg.PingInterval + cfg.PingTimeout + cfg.NodeLease,
	}
	if cfg.RoomActivityBroadcast {
		o.PeopleMax = int64(cfg.PeopleEventMaxMembers)
	}
	if cfg.RedisTLS {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: cfg.RedisTLSInsecure} //nolint:gosec // asked for by redis_tls_insecure
	}
	return o
}
