package main

import (
	"context"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/lightpush/lightpush/internal/config"
)

// loader reads the configuration again, from where it came.
type loader func() (config.Config, error)

// watchReload reloads on SIGHUP until ctx ends.
func (p *process) watchReload(ctx context.Context, load loader) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for live := p.cfg; ; {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			p.reload(&live, load)
		}
	}
}

// reload takes the keys that may change while the process runs; live is what
// is in force. A configuration with a mistake changes nothing; other changed
// keys are named.
func (p *process) reload(live *config.Config, load loader) {
	cfg, err := load()
	if err != nil {
		p.log.Error().Err(err).Msg("reload: nothing was changed")
		return
	}
	changed, waiting := differing(*live, cfg)
	takeReloadable(live, cfg)
	p.apply(*live)
	if p.certificate != nil {
		if err := p.certificate.reload(); err != nil {
			p.log.Error().Err(err).Msg("reload: the certificate before stays in use")
		}
	}
	event := p.log.WithLevel(zerolog.NoLevel).Strs("changed", changed) // whatever the level is now
	if len(waiting) > 0 {
		event = event.Strs("need_restart", waiting)
	}
	event.Msg("configuration reloaded")
}

// reloadable are the fields of a configuration that may change.
var reloadable = []string{
	"LogLevel", "AllowedOrigins", "ConnectionsPerNode", "ConnectionsPerAddress", "ConnectionsPerUser",
	"ConnectionsPerNamespace", "HandshakesPerSecond", "EventsPerSecond", "RequestsPerSecond",
}

// differing names the fields in which two configurations differ.
func differing(before, after config.Config) (changed, waiting []string) {
	old, fresh := reflect.ValueOf(before), reflect.ValueOf(after)
	for i := range old.NumField() {
		if reflect.DeepEqual(old.Field(i).Interface(), fresh.Field(i).Interface()) {
			continue
		}
		name := old.Type().Field(i).Name
		if slices.Contains(reloadable, name) {
			changed = append(changed, name)
		} else {
			waiting = append(waiting, name)
		}
	}
	return changed, waiting
}

func takeReloadable(into *config.Config, from config.Config) {
	to, source := reflect.ValueOf(into).Elem(), reflect.ValueOf(from)
	for _, name := range reloadable {
		to.FieldByName(name).Set(source.FieldByName(name))
	}
}

// apply puts the reloadable keys of cfg in force.
func (p *process) apply(cfg config.Config) {
	if level, err := zerolog.ParseLevel(cfg.LogLevel); err == nil {
		zerolog.SetGlobalLevel(level)
	}
	if p.backend != nil {
		p.backend.namespaces.Configure(configuredLimits(cfg))
	}
	if p.connector != nil {
		p.connector.door.set(cfg)
		p.connector.hub.SetCeilings(ceilings(cfg))
		p.connector.origins.set(cfg.AllowedOrigins)
	}
	if p.logic != nil {
		p.logic.api.SetRequestRate(cfg.RequestsPerSecond)
		p.logic.api.SetAllowedOrigins(cfg.AllowedOrigins)
	}
}

// origins are those whose pages may connect.
type origins struct{ list atomic.Pointer[[]string] }

func (o *origins) set(allowed []string) { o.list.Store(&allowed) }

func (o *origins) allows(origin string) bool {
	allowed := *o.list.Load()
	return slices.Contains(allowed, "*") || slices.Contains(allowed, origin)
}
