package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lightpush/lightpush/test/bench/app"
)

// bare is a server that runs the application of package app and takes its
// commands on stdin.
type bare struct {
	*child
	ready  app.Ready
	pauses []float64 // that came with other answers
}

func (h *harness) startBare(ctx context.Context, name string, env []string, program string, args ...string) (*bare, error) {
	c, err := startChild(name, env, program, args...)
	if err != nil {
		return nil, err
	}
	b := &bare{child: c}
	line, err := c.line(ctx)
	if err == nil {
		err = json.Unmarshal([]byte(line), &b.ready)
	}
	if err == nil && b.ready.Addr == "" {
		err = fmt.Errorf("%s began with %.200q", name, line)
	}
	if err != nil {
		c.stop()
		return nil, err
	}
	return b, nil
}

func (b *bare) server() *child             { return b.child }
func (b *bare) helpers() map[string]*child { return nil }
func (b *bare) addr() string               { return b.ready.Addr }
func (b *bare) version() string            { return b.ready.Version }

func (b *bare) do(ctx context.Context, command app.Command) (reply app.Reply, err error) {
	if err = b.ask(ctx, command, &reply); err == nil && reply.Error != "" {
		err = errors.New(b.name + ": " + reply.Error)
	}
	b.pauses = append(b.pauses, reply.GCPauses...)
	return reply, err
}

func (b *bare) emit(ctx context.Context, room string, n int, how manner) ([]int64, error) {
	// What is sent at once to our engine uses what it has for that; a floor
	// that does so is a figure of its own.
	join := how == joined || how == atOnce && b.name == Engine
	reply, err := b.do(ctx, app.Command{Op: "emit", Room: room, Count: n, Pad: padding, Joined: join})
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = reply.FirstID + int64(i)
	}
	return ids, err
}

func (b *bare) rate(ctx context.Context, p pace) (pushing, error) {
	_, err := b.do(ctx, app.Command{Op: "rate", Rate: p.perSecond, Count: p.n, Room: p.room, First: p.first, Rooms: p.rooms, Pad: padding})
	return pushing{}, err
}

func (b *bare) census(ctx context.Context) (census, error) {
	r, err := b.do(ctx, app.Command{Op: "stats"})
	return census{Clients: r.Sockets, Goroutines: r.Goroutines, Events: r.Events, Misordered: r.Misordered, Troubles: r.Troubles}, err
}

func (b *bare) acked(ctx context.Context, _ []int64) (int, error) {
	r, err := b.do(ctx, app.Command{Op: "stats"})
	return int(r.Acks), err
}

func (b *bare) resetCounters(ctx context.Context) error {
	_, err := b.do(ctx, app.Command{Op: "reset"})
	return err
}

func (b *bare) takePauses(ctx context.Context) ([]float64, error) {
	_, err := b.do(ctx, app.Command{Op: "stats"}) // Node's come with it, Go's from stderr
	pauses := append(b.child.takePauses(), b.pauses...)
	b.pauses = nil
	return pauses, err
}
