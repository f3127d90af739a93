package harness

import (
	"context"
	"fmt"
	"time"

	"github.com/lightpush/lightpush/test/bench/app"
	"github.com/lightpush/lightpush/test/bench/load"
	"github.com/lightpush/lightpush/test/bench/procfs"
)

// gently is how many handshakes are under way when connecting is not what is
// measured.
const gently = 200

// populate connects exactly n clients: a peer that loses handshakes gets a few
// more tries, since what follows measures something else.
func (h *harness) populate(ctx context.Context, t target, l loader, group string, n, first int) error {
	return h.populateAt(ctx, l, t.addr(), load.Command{Group: group, Count: n, First: first})
}

// populateAt is populate for one node; the command says which clients.
func (h *harness) populateAt(ctx context.Context, l loader, addr string, command load.Command) error {
	n, missing, next := command.Count, command.Count, command.First
	command.Op, command.Addr, command.Namespace, command.EIO = load.OpConnect, addr, app.Namespace, 4
	command.Window, command.Timeout, command.Stall = gently, 2*time.Minute, 5*time.Second
	for attempt := 0; ; attempt++ {
		command.Count, command.First = missing, next
		r, err := l.do(ctx, command)
		if err != nil {
			return err
		}
		next += missing
		missing -= r.Completed
		if missing == 0 {
			return nil
		}
		h.logf("  %d of %d handshakes did not complete (%d never, %s); trying again", r.Failed(), n, r.Never, r.Reason)
		if attempt == 5 {
			return fmt.Errorf("%d of %d clients could not be connected: %s", missing, n, r.Reason)
		}
	}
}

// disperse closes a group and waits until the server knows only rest clients,
// and is done with those that left: what it still does for them must not be
// counted as the cost of what follows.
func (h *harness) disperse(ctx context.Context, t target, l loader, group string, rest int64) error {
	if _, err := l.do(ctx, load.Command{Op: load.OpClose, Group: group, Reset: true}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err := until(ctx, "the server to forget its clients", func() error {
		c, err := t.census(ctx)
		if err == nil && c.Clients > rest {
			err = fmt.Errorf("%d clients are left, want %d", c.Clients, rest)
		}
		return err
	})
	if err != nil {
		return err
	}
	return until(ctx, "the server to become quiet", func() error {
		before, err := procfs.CPU(t.server().pid())
		if err != nil {
			return err
		}
		if err := pause(ctx, quietFor); err != nil {
			return err
		}
		after, err := procfs.CPU(t.server().pid())
		if used := after - before; err == nil && used > quietFor/10 {
			err = fmt.Errorf("it used %v in %v", used, quietFor)
		}
		return err
	})
}

// quietFor is how long a server must do next to nothing to count as quiet.
const quietFor = 100 * time.Millisecond
