package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/lightpush/lightpush/test/bench/app"
	"github.com/lightpush/lightpush/test/bench/load"
)

const profileTime = 10 * time.Second

// profiles writes CPU profiles of the connector and of the bare engine under
// connect storms, single messages, bursts and acks.
func (h *harness) profiles(ctx context.Context) error {
	if err := os.MkdirAll(h.options.ProfileDir, 0o750); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	for _, name := range []string{Lightpush, Engine} {
		f := &Figures{Target: name}
		if err := h.one(ctx, f, h.profileTarget); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	h.logf("read them with: go tool pprof -top FILE")
	return nil
}

func (h *harness) profileTarget(ctx context.Context, t target, l loader, f *Figures) error {
	s := h.options.Sizes
	first := 0
	err := h.profile(ctx, f.Target, "connect", func() error {
		_, err := l.do(ctx, load.Command{
			Op: load.OpConnect, Group: "storm", Addr: t.addr(), Namespace: app.Namespace, Count: s.StormClients, First: first,
		})
		first += s.StormClients
		if err != nil {
			return err
		}
		return h.disperse(ctx, t, l, "storm", 0)
	})
	if err != nil {
		return err
	}
	if err := h.fill(ctx, t, l, "room", room, s.Room, 0); err != nil {
		return err
	}
	members, err := h.warm(ctx, t, l)
	if err != nil {
		return err
	}
	var ids []int64
	for name, b := range map[string]batch{
		"single": {group: "room", room: room, members: members, rounds: 10, each: 1},
		"burst":  {group: "room", room: room, members: members, rounds: 1, each: s.Burst, how: atOnce},
	} {
		if err := h.profile(ctx, f.Target, name, func() (err error) {
			_, ids, err = h.deliver(ctx, t, l, b)
			return err
		}); err != nil {
			return err
		}
	}
	return h.profile(ctx, f.Target, "acks", func() error { return h.flood(ctx, t, l, f, ids[:1]) })
}

// profile repeats work while a profile of the server is taken.
func (h *harness) profile(ctx context.Context, target, name string, work func() error) error {
	path := filepath.Join(h.options.ProfileDir, target+"-"+name+".pprof")
	h.logf("%s: profile of %s, %s", target, name, path)
	done := make(chan error, 1)
	go func() { done <- h.fetchProfile(ctx, path) }() // ends with profileTime
	for {
		err := work()
		select {
		case fetched := <-done:
			if err == nil {
				err = fetched
			}
			return err
		default:
		}
		if err != nil {
			return errors.Join(err, <-done)
		}
	}
}

func (h *harness) fetchProfile(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, profileTime+20*time.Second)
	defer cancel()
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", h.profileAddr, profileTime.Seconds())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s", answer.Status)
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	if _, err := io.Copy(file, answer.Body); err != nil {
		_ = file.Close()
		return fmt.Errorf("profile: %w", err)
	}
	return file.Close()
}
