package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/lightpush/lightpush/test/bench/procfs"
)

// harness is one run.
type harness struct {
	options Options
	tools   tools
	result  *Result
	started time.Time

	profileAddr string // of the target started last, when profiling
}

// Run measures. The result is also returned, as far as it goes, when ctx ends
// or a target fails.
func Run(ctx context.Context, o Options) (*Result, error) {
	files, err := raiseFileLimit()
	if err != nil {
		return nil, err
	}
	if err := o.check(files); err != nil {
		return nil, err
	}
	h := &harness{options: o, started: time.Now()}
	h.result = &Result{Time: h.started.UTC().Truncate(time.Second), Machine: procfs.ReadMachine(runtime.NumCPU()), Sizes: o.Sizes}
	if h.result.LoadBefore, err = procfs.Load(); err != nil {
		return nil, err
	}
	if h.tools.root, err = Repository(ctx); err != nil {
		return nil, err
	}
	if h.tools.dir, err = os.MkdirTemp("", "lightpush-bench-"); err != nil {
		return nil, fmt.Errorf("temporary directory: %w", err)
	}
	defer os.RemoveAll(h.tools.dir)
	h.result.Commit = commit(ctx, h.tools.root)
	if h.result.Versions, err = h.tools.find(ctx, o.Targets, o.Scenarios); err != nil {
		return nil, err
	}
	h.logf("building")
	if err := h.tools.build(ctx, o.Targets, o.ProfileDir != ""); err != nil {
		return nil, err
	}
	if o.ProfileDir != "" {
		return nil, plainly(ctx, h.profiles(ctx))
	}
	return h.result, plainly(ctx, h.measure(ctx))
}

// plainly says once, and in words, that a run was ended from outside.
func plainly(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("given up: the time is up; figures are missing (%w)", ctx.Err())
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted; figures are missing (%w)", ctx.Err())
	}
	return err
}

// measure plays the scenarios and notes what else happened on the machine.
func (h *harness) measure(ctx context.Context) error {
	began := time.Now()
	busy, err := procfs.Busy()
	if err != nil {
		return err
	}
	own := ownCPU()
	for _, name := range h.options.Targets {
		h.result.Targets = append(h.result.Targets, &Figures{Target: name})
	}
	errs := []error{}
	for _, scenario := range h.options.Scenarios {
		switch scenario {
		case "memory":
			errs = append(errs, h.memories(ctx))
		case "storm":
			errs = append(errs, h.each(ctx, "connect storms", h.storm))
		case "delivery":
			errs = append(errs, h.deliveries(ctx))
		case "service":
			errs = append(errs, h.each(ctx, "one to one, acks, order", h.service))
		case "rooms":
			errs = append(errs, h.each(ctx, "many small rooms", h.smallRooms))
		case "cluster":
			errs = append(errs, h.clusters(ctx))
		}
	}
	after, err := procfs.Busy()
	if err == nil {
		all := time.Since(began) * time.Duration(h.result.Machine.Cores)
		h.result.Foreign = max(0, float64((after-busy)-(ownCPU()-own))/float64(all))
	}
	h.result.Seconds = time.Since(h.started).Seconds()
	return errors.Join(append(errs, err)...)
}

// each plays a scenario with a fresh instance of every target. A target that
// fails does not keep the others from being measured.
func (h *harness) each(ctx context.Context, title string, play func(ctx context.Context, t target, l loader, f *Figures) error) error {
	var errs []error
	for _, f := range h.result.Targets {
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		h.logf("%s: %s", f.Target, title)
		if err := h.one(ctx, f, play); err != nil {
			errs = append(errs, h.failed(f, title, err))
		}
	}
	return errors.Join(errs...)
}

// failed notes that figures of a target are missing.
func (h *harness) failed(f *Figures, what string, err error) error {
	err = fmt.Errorf("%s, %s: %w", f.Target, what, err)
	h.logf("FAILED %v", err)
	f.Failed = err.Error()
	return err
}

func (h *harness) one(ctx context.Context, f *Figures, play func(ctx context.Context, t target, l loader, f *Figures) error) error {
	l, err := h.startLoad()
	if err != nil {
		return err
	}
	defer l.stop()
	t, err := h.start(ctx, f.Target)
	if err != nil {
		return err
	}
	defer t.stop()
	f.Version = t.version()
	return play(ctx, t, l, f)
}

func (h *harness) logf(format string, args ...any) {
	fmt.Fprintf(h.options.Log, "[%4.0f s] %s\n", time.Since(h.started).Seconds(), fmt.Sprintf(format, args...))
}

// commit names the tree that is measured, "unknown" without git; "+" when it
// has changes, other than in the benchmark and in documents.
func commit(ctx context.Context, root string) string {
	name, err := output(ctx, root, "git", "rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "unknown"
	}
	if changes, err := output(ctx, root, "git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!test", ":!doc", ":!*.md"); err != nil || changes != "" {
		name += "+"
	}
	return name
}
