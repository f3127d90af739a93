package store

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// op is one Redis command and its reply.
type op struct {
	args []any
	once bool // never sent a second time when its reply is lost
	cmd  *redis.Cmd
}

// scriptLoads is how often scripts are loaded for one run: a server may forget
// them again, or another one be promoted. After that they are sent in full.
const scriptLoads = 2

func do(args ...any) *op { return &op{args: args} }

// onceCmd tells go-redis not to repeat a command after a network error:
// it may already have been executed.
type onceCmd struct{ *redis.Cmd }

// NoRetry implements redis.Cmder.
func (onceCmd) NoRetry() bool { return true }

// err is the failure of the command; a nil reply is none.
func (o *op) err() error {
	if err := o.cmd.Err(); !errors.Is(err, redis.Nil) {
		return err
	}
	return nil
}

// absent reports a nil reply.
func (o *op) absent() bool { return errors.Is(o.cmd.Err(), redis.Nil) }

// integer is the reply as a number, 0 when it is none.
func (o *op) integer() int64 { return toInt(o.cmd.Val()) }

// text is the reply as a string, "" when it is none.
func (o *op) text() string { return toText(o.cmd.Val()) }

// list is the reply as a list, nil when it is none.
func (o *op) list() []any {
	list, _ := o.cmd.Val().([]any)
	return list
}

// texts is the reply as a list of strings.
func (o *op) texts() []string { return toTexts(o.list()) }

// page is the reply of a SCAN kind of command.
func (o *op) page() (items []string, next uint64) {
	reply := o.list()
	if len(reply) != 2 {
		return nil, 0
	}
	next, _ = strconv.ParseUint(toText(reply[0]), 10, 64)
	list, _ := reply[1].([]any)
	return toTexts(list), next
}

func toTexts(list []any) []string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = toText(v)
	}
	return texts
}

func toInt(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	}
	return 0
}

func toText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}

// run executes ops in one pipeline, bounded by the store's timeout, and
// returns the first failure. Scripts that a server does not know, because it
// was restarted or promoted, are loaded and only their calls run again.
func (s *Store) run(ctx context.Context, ops ...*op) error {
	if len(ops) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.runBy(ctx, s.exec, ops)
}

// runShared is run for the few commands of one of very many callers: go-redis
// puts the commands of all callers into common pipelines (its automatic
// pipelining), in the order they came. Nothing in ops may be once. Beside a
// pipeline of each caller's own it halves the CPU of a connect in this process
// and saves a third in Redis (BenchmarkConnect).
//
// A caller whose context ends stops waiting; its commands may still run. They
// then run before anything the caller asks for later.
func (s *Store) runShared(ctx context.Context, ops ...*op) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.runBy(ctx, s.submit, ops)
}

func (s *Store) runBy(ctx context.Context, exec func(context.Context, []*op), ops []*op) error {
	began := time.Now()
	err := s.runOps(ctx, exec, ops)
	s.opt.OnRoundTrip(time.Since(began), err)
	return err
}

func (s *Store) runOps(ctx context.Context, exec func(context.Context, []*op), ops []*op) error {
	exec(ctx, ops)
	for try := 0; try <= scriptLoads; try++ {
		unknown := unknownScripts(ops)
		if len(unknown) == 0 {
			break
		}
		if try == scriptLoads {
			sendInFull(unknown)
		} else if err := s.loadScripts(ctx); err != nil {
			return err
		}
		exec(ctx, unknown)
	}
	for _, o := range ops {
		if err := o.err(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) submit(ctx context.Context, ops []*op) {
	futures := make([]redis.AutoFuture, len(ops))
	for i, o := range ops {
		o.cmd = redis.NewCmd(ctx, o.args...)
		futures[i] = s.shared.Submit(ctx, o.cmd)
	}
	for i, o := range ops {
		err := futures[i].WaitContext(ctx)
		if err != nil && ctx.Err() != nil {
			// The reply may still come and must not be looked at.
			o.cmd = redis.NewCmd(ctx, o.args...)
			o.cmd.SetErr(err)
		}
	}
}

func (s *Store) exec(ctx context.Context, ops []*op) {
	pipe := s.rdb.Pipeline()
	for _, o := range ops {
		o.cmd = redis.NewCmd(ctx, o.args...)
		if o.once {
			_ = pipe.Process(ctx, onceCmd{o.cmd}) // queues only
		} else {
			_ = pipe.Process(ctx, o.cmd)
		}
	}
	_, _ = pipe.Exec(ctx) // every command has its own error
}

// sendInFull makes script calls independent of what the server remembers.
func sendInFull(calls []*op) {
	for _, o := range calls {
		for _, script := range allScripts {
			if len(o.args) > 1 && o.args[1] == script.sha {
				o.args[0], o.args[1] = "EVAL", script.text
			}
		}
	}
}

func unknownScripts(ops []*op) (unknown []*op) {
	for _, o := range ops {
		if err := o.cmd.Err(); err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
			unknown = append(unknown, o)
		}
	}
	return unknown
}

// runChunks is run for any number of ops, a bounded number at a time.
func (s *Store) runChunks(ctx context.Context, ops []*op) error {
	for len(ops) > 0 {
		n := min(len(ops), pipelineMax)
		if err := s.run(ctx, ops[:n]...); err != nil {
			return err
		}
		ops = ops[n:]
	}
	return nil
}

// pipelineMax is how many commands leave together at most, where the caller
// does not bound them.
const pipelineMax = 2_000
