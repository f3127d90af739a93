package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lightpush/lightpush/test/bench/load"
	"github.com/lightpush/lightpush/test/bench/procfs"
)

// loader is the load client's process.
type loader struct{ *child }

func (h *harness) startLoad() (loader, error) {
	c, err := startChild("load client", nil, h.tools.program("load"))
	return loader{c}, err
}

// do carries out a command and allows it the time it has, and some more.
func (l loader) do(ctx context.Context, command load.Command) (load.Reply, error) {
	limit := command.Timeout
	if limit <= 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit+10*time.Second)
	defer cancel()
	var reply load.Reply
	if err := l.ask(ctx, command, &reply); err != nil {
		return reply, err
	}
	if reply.Error != "" {
		return reply, fmt.Errorf("load client: %s: %s", command.Op, reply.Error)
	}
	return reply, nil
}

// meter takes the CPU time of a target's processes between its making and
// stop.
type meter struct {
	server  *child
	helpers map[string]*child
	cpu     map[string]time.Duration
	stat    procfs.Stat
	began   time.Time
}

const serverName = ""

func newMeter(t target) (*meter, error) {
	m := &meter{server: t.server(), helpers: t.helpers(), began: time.Now()}
	var err error
	if m.cpu, err = m.read(); err != nil {
		return nil, err
	}
	m.stat, err = procfs.ReadStat(m.server.pid())
	return m, err
}

func (m *meter) read() (map[string]time.Duration, error) {
	used := map[string]time.Duration{}
	var errs []error
	sample := func(name string, c *child) {
		cpu, err := procfs.CPU(c.pid())
		if err != nil {
			err = errors.Join(err, c.ended())
		}
		used[name] = cpu
		errs = append(errs, err)
	}
	sample(serverName, m.server)
	for name, c := range m.helpers {
		sample(name, c)
	}
	return used, errors.Join(errs...)
}

// usage is CPU time, by process.
type usage struct {
	server  time.Duration
	system  float64 // share of server in the kernel
	helpers map[string]time.Duration
	wall    time.Duration
}

func (m *meter) stop() (usage, error) {
	u := usage{helpers: map[string]time.Duration{}, wall: time.Since(m.began)}
	now, err := m.read()
	if err != nil {
		return u, err
	}
	stat, err := procfs.ReadStat(m.server.pid())
	if err != nil {
		return u, err
	}
	u.server = now[serverName] - m.cpu[serverName]
	if both := stat.CPU() - m.stat.CPU(); both > 0 {
		u.system = float64(stat.System-m.stat.System) / float64(both)
	}
	for name := range m.helpers {
		u.helpers[name] = now[name] - m.cpu[name]
	}
	return u, nil
}

func (u *usage) add(o usage) {
	if all := u.server + o.server; all > 0 {
		u.system = (u.system*float64(u.server) + o.system*float64(o.server)) / float64(all)
	}
	u.server += o.server
	u.wall += o.wall
	if u.helpers == nil {
		u.helpers = map[string]time.Duration{}
	}
	for name, cpu := range o.helpers {
		u.helpers[name] += cpu
	}
}

// perServer is microseconds of the server per one of n.
func (u usage) perServer(n int) float64 { return per(u.server, n) }

// perHelper is microseconds of each helper per one of n.
func (u usage) perHelper(n int) map[string]float64 {
	if len(u.helpers) == 0 {
		return nil
	}
	all := map[string]float64{}
	for name, cpu := range u.helpers {
		all[name] = per(cpu, n)
	}
	return all
}

func per(cpu time.Duration, n int) float64 {
	if n == 0 {
		return 0
	}
	return float64(cpu) / 1e3 / float64(n)
}

// cost is what the load client used to get a reply.
func cost(r load.Reply, wall time.Duration) LoadCost {
	c := LoadCost{}
	if r.Frames > 0 {
		c.PerFrame = r.CPU * 1e6 / float64(r.Frames)
	}
	if wall > 0 {
		c.Busy = r.CPU / wall.Seconds()
	}
	return c
}
