package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Queue are the figures of one durable queue, the same in all processes.
type Queue struct {
	Name                          string
	Waiting, Ready, Working, Dead int64
	OldestDue                     time.Duration
}

// queueTimeout bounds the reading of the figures for one scrape.
const queueTimeout = 2 * time.Second

// Queues adds the figures of the durable queues, which read gives when they
// are scraped; with an error they are absent from that scrape.
func (s *Set) Queues(read func(context.Context) ([]Queue, error)) {
	s.registry.MustRegister(&queueCollector{
		read: read,
		jobs: prometheus.NewDesc(prefix+"queue_jobs", "Jobs of the durable queues: not yet due (waiting), due and not taken (ready), "+
			"in the hands of workers (working), given up (dead).", []string{"queue", "state"}, nil),
		oldest: prometheus.NewDesc(prefix+"queue_oldest_due_seconds", "How long the oldest ready job has been due.", []string{"queue"}, nil),
	})
}

type queueCollector struct {
	read         func(context.Context) ([]Queue, error)
	jobs, oldest *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *queueCollector) Describe(out chan<- *prometheus.Desc) { out <- c.jobs; out <- c.oldest }

// Collect implements prometheus.Collector.
func (c *queueCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), queueTimeout)
	defer cancel()
	figures, err := c.read(ctx)
	if err != nil {
		return
	}
	for _, q := range figures {
		for _, n := range []struct {
			state string
			jobs  int64
		}{{"waiting", q.Waiting}, {"ready", q.Ready}, {"working", q.Working}, {"dead", q.Dead}} {
			out <- prometheus.MustNewConstMetric(c.jobs, prometheus.GaugeValue, float64(n.jobs), q.Name, n.state)
		}
		out <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, q.OldestDue.Seconds(), q.Name)
	}
}
