package embedded

import (
	"context"
	"errors"
	"time"
)

const (
	// scriptTimeLimit ends a script. Redis would let it run and answer BUSY to everybody else.
	scriptTimeLimit = 5 * time.Second
	checkSteps      = 1 << 14 // instructions between two looks at the clock
	callSteps       = 1 << 7  // what a command counts as
)

var errScriptTime = errors.New("Script ran for too long and was ended")

// guard ends a script that runs for too long. gopher-lua asks its context before every instruction whether it is done;
// guard counts these questions and looks at the clock now and then, which costs less than a timer per script.
type guard struct {
	limit time.Duration
	steps int       // until the next look
	end   time.Time // zero before the first look
}

var ended = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (g *guard) start() { g.steps, g.end = checkSteps, time.Time{} }

// Done implements context.Context; nil means that the script may go on.
func (g *guard) Done() <-chan struct{} {
	if g.steps--; g.steps > 0 {
		return nil
	}
	return g.look()
}

func (g *guard) look() <-chan struct{} {
	now := time.Now()
	switch {
	case g.end.IsZero():
		g.end = now.Add(g.limit)
	case now.After(g.end):
		return ended
	}
	g.steps = checkSteps
	return nil
}

// Err implements context.Context.
func (g *guard) Err() error { return errScriptTime }

// Deadline implements context.Context.
func (g *guard) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (g *guard) Value(any) any { return nil }

var _ context.Context = (*guard)(nil)
