package harness

import (
	"fmt"
	"time"

	"github.com/lightpush/lightpush/test/bench/load"
	"github.com/lightpush/lightpush/test/bench/plot"
)

func (r *Result) clusterCPUChart() (plot.Figure, bool) {
	bars := plot.Bars{Title: "CPU time for one delivery, three nodes on one Redis", Axis: "µs for one delivery"}
	room, users := plot.Group{Name: "messages to all"}, plot.Group{Name: "one to one"}
	one := func(g *plot.Group, kind string, rate *Rate) {
		if rate != nil {
			by := rate.ByProcess()
			g.Bars = append(g.Bars, plot.Bar{Label: shortTitles[kind], Parts: []float64{by.Nodes, by.Redis, by.Logic}, Text: number(by.all())})
		}
	}
	for _, c := range r.Clusters {
		one(&room, c.Kind, c.Room)
		one(&users, c.Kind, c.Users)
	}
	// Their scales have nothing in common.
	figure := plot.Figure{
		Title: "CPU per delivery in a cluster", Series: []string{"the three nodes", "Redis", "logic"}, Blocks: true,
		About: "Stacked bars of microseconds of CPU time for a delivery, by the processes that use it.",
	}
	for _, g := range []plot.Group{room, users} {
		if len(g.Bars) > 0 {
			panel := bars
			panel.Groups = []plot.Group{g}
			figure.Panels = append(figure.Panels, panel)
			bars.Title = ""
		}
	}
	return figure, len(figure.Panels) > 0
}

// clusterSeries are the names of the clusters, by colour; what has no cluster
// is not named.
func clusterSeries() []plot.Entry {
	var list []plot.Entry
	for _, kind := range clusterKinds {
		list = append(list, plot.Entry{Name: shortTitles[kind[0]], Series: colour[kind[0]]})
	}
	return list
}

func (r *Result) clusterLatencyChart() (plot.Figure, bool) {
	s := r.Sizes
	figure := plot.Figure{
		Title: "Latency in a cluster of three nodes", Legend: clusterSeries(),
		About: "Curves of latency in milliseconds over percentiles for each cluster.",
	}
	for _, p := range []struct {
		title string
		of    func(c *Cluster) *Rate
	}{
		{fmt.Sprintf("messages to all of %s clients, %s messages/s", count(s.Cluster), number(s.ClusterRate)), func(c *Cluster) *Rate { return c.Room }},
		{fmt.Sprintf("one to one, %s messages/s", number(s.Rate)), func(c *Cluster) *Rate { return c.Users }},
	} {
		panel, ok := percentilePanel(p.title, func(add func(int, load.Latency)) {
			for _, c := range r.Clusters {
				if rate := p.of(c); rate != nil {
					add(colour[c.Kind], rate.Latency)
				}
			}
		})
		if ok {
			figure.Panels = append(figure.Panels, panel)
		}
	}
	return figure, len(figure.Panels) > 0
}

func (r *Result) faultChart() (plot.Figure, bool) {
	s := r.Sizes
	strike := strikeAt * s.FaultTime.Seconds()
	figure := plot.Figure{
		Title: "Deliveries while something fails", Legend: clusterSeries(),
		About: "Curves of deliveries per second over time, around the restart of Redis and the end of a node.",
	}
	for _, p := range []struct {
		title   string
		moments []plot.Moment
		of      func(c *Cluster) *Fault
	}{
		{
			fmt.Sprintf("Redis is killed, and started again %s later", seconds(s.RedisDown)),
			[]plot.Moment{{At: strike, Name: "killed"}, {At: strike + s.RedisDown.Seconds(), Name: "started"}},
			func(c *Cluster) *Fault { return c.Restart },
		},
		{
			fmt.Sprintf("one of three nodes is killed; its clients connect to the others %s later", seconds(s.ReturnAfter)),
			[]plot.Moment{{At: strike, Name: "killed"}, {At: strike + s.ReturnAfter.Seconds(), Name: "they come"}},
			func(c *Cluster) *Fault { return c.Kill },
		},
	} {
		panel := plot.Lines{
			Title: p.title, X: "seconds since the first message", Y: "deliveries per second (log scale)", LogY: true, Moments: p.moments,
		}
		for _, c := range r.Clusters {
			f := p.of(c)
			if f == nil || len(f.Arrivals) == 0 {
				continue
			}
			line := plot.Curve{Series: colour[c.Kind]}
			const step = load.ArrivalStep
			for i, v := range f.Arrivals[:len(f.Arrivals)-1] { // the last one is not over
				// A quarter of a second without any is drawn at the foot.
				line.Points = append(line.Points, [2]float64{(time.Duration(i) * step).Seconds(), max(float64(v), 1) / step.Seconds()})
			}
			panel.Curves = append(panel.Curves, line)
		}
		if len(panel.Curves) > 0 {
			figure.Panels = append(figure.Panels, panel)
		}
	}
	return figure, len(figure.Panels) > 0
}
