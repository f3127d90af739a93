package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/lightpush/lightpush/internal/simulator"
)

// pushBench are the flags of bench push.
type pushBench struct {
	server, pushServer, path     string
	namespace, password, room    string
	rate                         float64
	concurrency, count           int
	duration, drain              time.Duration
	size                         string
	subscribers                  int
	protocol, transport          string
	noAck, remote, plain         bool
	slo, report, metrics, prefix string
	pid                          int
}

func (c *command) benchCommand() *cobra.Command {
	bench := &cobra.Command{
		Use: "bench", Short: "Measure one route of a server", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	b := pushBench{}
	cmd := &cobra.Command{
		Use:   "push",
		Short: "Push at a fixed rate or flat out, and count what arrives",
		Long: `Posts to /api/auth/push and reports what was accepted, what was delivered and
what was acknowledged, not only what HTTP answered. With --rate pushes leave at
their time whatever the answers take, and latency counts from that time; without
it --concurrency callers push one after the other, flat out. Deliveries are
counted at own subscribers and compared with the server's message reports;
without subscribers the reports alone count.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.benchPush(cmd, b) },
	}
	d := simulator.Default()
	f := cmd.Flags()
	f.StringVar(&b.server, "server", d.Server, "base URL of the Socket.IO server")
	f.StringVar(&b.pushServer, "push-server", "", "base URL of the REST API; empty: the server")
	f.StringVar(&b.path, "push-option-path", d.Path, "path of Socket.IO")
	f.StringVar(&b.namespace, "namespace", "/demo", "namespace")
	f.StringVar(&b.password, "push-password", "", "password of the namespace (or "+pushPasswordVariable+")")
	f.StringVar(&b.room, "room", "bench", "room that is pushed to")
	f.Float64Var(&b.rate, "rate", 0, "pushes per second; 0: flat out")
	f.IntVarP(&b.concurrency, "concurrency", "c", 32, "callers at once")
	f.IntVarP(&b.count, "count", "n", 0, "number of pushes; 0: as many as fit in duration")
	f.DurationVarP(&b.duration, "duration", "d", 10*time.Second, "how long to push")
	f.DurationVar(&b.drain, "drain", 10*time.Second, "how long to wait for what is under way at the end")
	f.StringVar(&b.size, "size", "128", "bytes of filling, or a mix such as 100=90,4000=10")
	f.IntVar(&b.subscribers, "subscribers", 1, "own devices in the room")
	f.StringVar(&b.prefix, "subscriber-prefix", "bench-", "uuid of a subscriber = prefix + number")
	f.StringVar(&b.protocol, "protocol", "4", "Engine.IO generation of the subscribers, 3, 4 or a mix")
	f.StringVar(&b.transport, "transport", "websocket", "of the subscribers: websocket, polling, upgrade or a mix")
	f.BoolVar(&b.noAck, "no-ack", false, "subscribers do not acknowledge")
	f.StringVar(&b.slo, "slo", "", "what must hold, such as p99=50ms,loss=0,ack_loss=0,push_errors=0")
	f.StringVar(&b.report, "report", "", "file the report is written to, as JSON")
	f.IntVar(&b.pid, "server-pid", 0, "process of the server on this machine, to be measured")
	f.StringVar(&b.metrics, "server-metrics", "", "the server's metrics, instead of server-pid")
	f.BoolVar(&b.remote, "yes-remote", false, "the targets may be other machines; I may load them")
	f.BoolVar(&b.plain, "plain", false, "one progress line after the other, for logs")
	bench.AddCommand(cmd)
	return bench
}

func (c *command) benchPush(cmd *cobra.Command, b pushBench) error {
	cfg := simulator.Default()
	if b.password == "" {
		b.password, _ = c.lookup(pushPasswordVariable)
	}
	var errs []error
	for name, value := range map[string]string{"push_size": b.size, "client_protocol": b.protocol, "client_transport": b.transport} {
		for _, k := range simulator.Keys() {
			if k.Name == name {
				errs = append(errs, k.Set(&cfg, value))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return usageError{err}
	}
	if b.rate < 0 || b.rate > 1_000_000 || b.count < 0 || b.count > 20_000_000 || b.duration <= 0 || b.duration > 24*time.Hour || b.drain < 0 || b.drain > time.Hour || b.room == "" {
		return usageError{errors.New("want --rate 0 to 1000000, --count 0 to 20000000, --duration up to 24h and a --room")}
	}
	cfg.Server, cfg.PushServer, cfg.Path, cfg.Namespace, cfg.PushPassword = b.server, b.pushServer, b.path, b.namespace, b.password
	cfg.Total, cfg.UUIDPrefix, cfg.PublicRoom, cfg.Rules = b.subscribers, b.prefix, b.room, nil
	cfg.ConnectInterval, cfg.Duration, cfg.Drain, cfg.EverySender, cfg.PushSenders = 0, b.duration, b.drain, true, b.concurrency
	cfg.PushMax, cfg.SLO, cfg.Report, cfg.ServerPID, cfg.ServerMetrics = b.count, b.slo, b.report, b.pid, b.metrics
	if cfg.PushRate = b.rate; b.rate == 0 {
		cfg.PushRate = -1
	}
	if b.noAck {
		cfg.AckRatio = 0
	}
	return c.runSimulation(cmd.Context(), cfg, simulator.Options{Remote: b.remote, Progress: newProgress(c.stderr, b.plain, 0)},
		func(r *simulator.Report) { c.printPushes(b, r) })
}

// printPushes is the way of the pushes in three figures.
func (c *command) printPushes(b pushBench, r *simulator.Report) {
	fmt.Fprintf(c.stdout, "accepted   %d of %d pushes, %.0f/s\n", r.Accepted, r.PushAttempts, r.PushesPerSec)
	if b.subscribers > 0 {
		fmt.Fprintf(c.stdout, "delivered  %d of %d to own subscribers, %.0f/s\n", r.Delivered, r.Delivered+r.Lost, r.DeliveriesPerSec)
	}
	if r.Samples > 0 {
		per := 1 / float64(r.Samples)
		fmt.Fprintf(c.stdout, "reports    %.2f deliveries and %.2f acks per push, by the server, in %d reports\n",
			float64(r.GotServer)*per, float64(r.AcksServer)*per, r.Samples)
	}
	if r.Acked > 0 {
		fmt.Fprintf(c.stdout, "acked      %d of %d acks are in these reports\n", r.AckedServer, r.Acked)
	}
}
