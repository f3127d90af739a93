package embedded

import (
	"errors"

	"github.com/alicebob/miniredis/v2/server"
)

// script runs EVAL, EVALSHA and their read-only forms. The hook sees what the script does and collects its writes, so
// a script that fails half-way leaves in the log exactly what it left in memory.
func (e *engine) script(args []string) []byte {
	e.inScript = true
	defer func() { e.inScript = false }()
	return e.run(args...)
}

// hook sees every command before miniredis executes it, and lets all pass but those of scripts, which it executes in
// their deterministic form. miniredis runs a script's commands on a peer of their own, on the script's goroutine, so
// Server.mu is held here as well.
func (e *engine) hook(c *server.Peer, name string, args ...string) bool {
	if !e.inScript || e.inHook || c == e.peer {
		return false
	}
	s := e.table.lookup(name)
	if s == nil {
		return false // miniredis says that it does not know it
	}
	run := func(args ...string) []byte { return e.runNested(c.Ctx, args...) }
	full := append([]string{s.name}, args...)
	switch err := checkNested(s, full); {
	case err != nil:
		c.WriteRaw(string(errorReply(err)))
	case s.kind == kindWrite:
		c.WriteRaw(string(e.write(s, full, run)))
	case s.kind == kindLifetime:
		c.WriteRaw(string(e.lifetime(s, full, run)))
	case s.kind == kindTime:
		c.WriteRaw(string(e.time()))
	default:
		return false
	}
	return true
}

var errNested = errors.New("ERR This Redis command is not allowed from script")

// checkNested refuses what a script cannot do here.
func checkNested(s *spec, args []string) error {
	switch s.kind {
	case kindWrite:
		if s.wall {
			// miniredis' clock cannot be set while a script holds its lock.
			return errRefused(s.name + " inside scripts")
		}
	case kindRead:
		if s.wall || s.name == "XREAD" && hasOption(args, 1, "BLOCK") {
			return errRefused(s.name + " in this form inside scripts")
		}
		return checkRead(s, args)
	case kindRefused:
		return errRefused(s.name)
	case kindLifetime, kindTime, kindPublish:
	default:
		return errNested
	}
	return nil
}
