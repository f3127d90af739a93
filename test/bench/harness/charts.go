package harness

import (
	"fmt"

	"github.com/lightpush/lightpush/test/bench/load"
	"github.com/lightpush/lightpush/test/bench/plot"
)

// chart is one picture of the page.
type chart struct {
	Name   string // of the file, without bench- and .svg
	Figure plot.Figure
}

// File is the name in doc/images.
func (c chart) File() string { return "bench-" + c.Name + ".svg" }

// colour of each target and cluster in every figure; everyProcess is that of
// lightpush with its helpers.
var colour = map[string]int{Lightpush: 0, Engine: 1, Node: 2, Reference: 3, Floor: 4, PubSub: 2, Streams: 3}

const everyProcess = 5

// Charts are the pictures a result has data for, each made from it alone.
func (r *Result) charts() (list []chart) {
	add := func(name string, f plot.Figure, ok bool) {
		if ok {
			list = append(list, chart{name, f})
		}
	}
	for _, c := range []struct {
		name string
		make func() (plot.Figure, bool)
	}{
		{"cpu", r.cpuChart}, {"latency", r.latencyChart}, {"memory", r.memoryChart},
		{"cluster-cpu", r.clusterCPUChart}, {"cluster-latency", r.clusterLatencyChart}, {"cluster-faults", r.faultChart},
	} {
		f, ok := c.make()
		add(c.name, f, ok)
	}
	return list
}

// series are the names of the targets, by colour.
func (r *Result) series() (names []string) {
	for _, t := range Targets {
		names = append(names, titles[t])
	}
	return names
}

func (r *Result) cpuChart() (plot.Figure, bool) {
	s := r.Sizes
	type figure struct{ server, all float64 }
	bars := plot.Bars{Title: "CPU time of the server for one operation", Axis: "µs for one operation, log scale (shorter is less)", Log: true}
	for _, g := range []struct {
		name string
		of   func(f *Figures) (figure, bool)
	}{
		{"a complete connect", func(f *Figures) (figure, bool) {
			if f.Storm == nil {
				return figure{}, false
			}
			return figure{f.Storm.CPU, f.Storm.All()}, true
		}},
		{"a delivery, room of " + count(s.Room) + ", one message at a time", func(f *Figures) (figure, bool) {
			if f.Single == nil {
				return figure{}, false
			}
			return figure{f.Single.CPU, f.Single.All()}, true
		}},
		{fmt.Sprintf("the same, bursts of %d", s.Burst), func(f *Figures) (figure, bool) {
			if f.Burst == nil {
				return figure{}, false
			}
			return figure{f.Burst.CPU, f.Burst.All()}, true
		}},
		{fmt.Sprintf("a delivery, %s rooms of %d in turn", count(s.Rooms), s.RoomSize), func(f *Figures) (figure, bool) {
			if f.Rooms == nil {
				return figure{}, false
			}
			return figure{f.Rooms.CPU, f.Rooms.All()}, true
		}},
		{"a delivery, one to one", func(f *Figures) (figure, bool) {
			if f.Rate == nil {
				return figure{}, false
			}
			return figure{f.Rate.CPU, f.Rate.All()}, true
		}},
		{"an ack", func(f *Figures) (figure, bool) {
			if f.Acks == nil {
				return figure{}, false
			}
			return figure{f.Acks.CPU, f.Acks.CPU + sum(f.Acks.Helpers)}, true
		}},
	} {
		group := plot.Group{Name: g.name}
		bar := func(label string, series int, v float64) {
			if v > 0 {
				group.Bars = append(group.Bars, plot.Bar{Label: label, Series: series, Parts: []float64{v}, Text: number(v)})
			}
		}
		for _, f := range r.Targets {
			v, ok := g.of(f)
			if !ok {
				continue
			}
			if f.Target == Lightpush {
				bar("lightpush connector", 0, v.server)
				bar("… with logic, Redis", everyProcess, v.all)
			} else {
				bar(titles[f.Target], colour[f.Target], v.server)
			}
		}
		if len(group.Bars) > 0 {
			bars.Groups = append(bars.Groups, group)
		}
	}
	return plot.Figure{
		Title: "CPU per operation", Panels: []plot.Panel{bars},
		About: "Bars of microseconds of CPU time for each server and operation; the figures stand in the table.",
	}, len(bars.Groups) > 0
}

// curve is the percentiles for which there were measurements enough.
func curve(series int, l load.Latency) (c plot.Curve, ok bool) {
	c.Series = series
	for i, ms := range l.Curve {
		p := load.Points[i]
		if p < 100 && float64(l.Count)*(1-p/100) >= 1 {
			c.Points = append(c.Points, [2]float64{p, max(ms, 0.001)})
		}
	}
	return c, len(c.Points) > 1
}

// percentilePanel is latency over percentiles, of whatever has a curve.
func percentilePanel(title string, each func(add func(series int, l load.Latency))) (plot.Lines, bool) {
	panel := plot.Lines{Title: title, X: "percentile of the deliveries", Y: "latency, ms (log scale)", LogY: true, Percentile: true}
	each(func(series int, l load.Latency) {
		if c, ok := curve(series, l); ok {
			panel.Curves = append(panel.Curves, c)
		}
	})
	return panel, len(panel.Curves) > 0
}

func (r *Result) latencyChart() (plot.Figure, bool) {
	s := r.Sizes
	figure := plot.Figure{
		Title: "From the sending of a message to its reading", Series: r.series(),
		About: "Curves of latency in milliseconds over percentiles for each server.",
	}
	for _, p := range []struct {
		title string
		of    func(f *Figures) (load.Latency, bool)
	}{
		{"room of " + count(s.Room) + ", one message at a time", func(f *Figures) (load.Latency, bool) {
			if f.Single == nil {
				return load.Latency{}, false
			}
			return f.Single.Latency, true
		}},
		{fmt.Sprintf("%s rooms of %d in turn, %s messages/s", count(s.Rooms), s.RoomSize, number(s.Rate)), func(f *Figures) (load.Latency, bool) {
			if f.Rooms == nil {
				return load.Latency{}, false
			}
			return f.Rooms.Latency, true
		}},
		{fmt.Sprintf("one to one, %s messages/s", number(s.Rate)), func(f *Figures) (load.Latency, bool) {
			if f.Rate == nil {
				return load.Latency{}, false
			}
			return f.Rate.Latency, true
		}},
	} {
		panel, ok := percentilePanel(p.title, func(add func(int, load.Latency)) {
			for _, f := range r.Targets {
				if l, ok := p.of(f); ok {
					add(colour[f.Target], l)
				}
			}
		})
		if ok {
			figure.Panels = append(figure.Panels, panel)
		}
	}
	return figure, len(figure.Panels) > 0
}

func (r *Result) memoryChart() (plot.Figure, bool) {
	s := r.Sizes
	figure := plot.Figure{
		Title: "Resident memory of the server's process", Series: r.series(),
		About: "Curves of memory in MB over time while clients come, idle, and vanish.",
	}
	for _, p := range []struct {
		title, x string
		moments  []plot.Moment
		of       func(f *Figures) Timeline
	}{
		{fmt.Sprintf("%s clients connect, %d at a time, and idle", count(s.Idle), gently), "seconds since the first connect", nil, func(f *Figures) Timeline {
			if f.Memory == nil {
				return nil
			}
			return f.Memory.Timeline
		}},
		{fmt.Sprintf("connect storms: %d times %s clients at once (floor: %d)", s.StormRuns, count(s.StormClients), s.FloorRuns), "seconds since the first storm", nil, func(f *Figures) Timeline {
			if f.Storm == nil {
				return nil
			}
			return f.Storm.Timeline
		}},
		{fmt.Sprintf("%s of %s clients vanish", count(s.Vanish), count(s.Stay+s.Vanish)), "seconds since they vanished", []plot.Moment{{At: 0, Name: "they vanish"}}, func(f *Figures) Timeline {
			if f.Vanish == nil {
				return nil
			}
			return f.Vanish.Timeline
		}},
	} {
		panel := plot.Lines{Title: p.title, X: p.x, Y: "resident memory, MB", Moments: p.moments}
		for _, f := range r.Targets {
			if t := p.of(f); len(t) > 1 {
				panel.Curves = append(panel.Curves, plot.Curve{Series: colour[f.Target], Points: points(t)})
			}
		}
		if len(panel.Curves) > 0 {
			figure.Panels = append(figure.Panels, panel)
		}
	}
	return figure, len(figure.Panels) > 0
}

func points(t Timeline) (list [][2]float64) {
	for _, s := range t {
		list = append(list, s)
	}
	return list
}
