package harness

import (
	"fmt"
	"strings"
)

// clusterRow is one figure of the table of clusters.
type clusterRow struct {
	name  string
	value func(c *Cluster) string
}

const none = "–"

// ClusterTable is the figures of the clusters side by side; nil when there are
// none.
func (r *Result) ClusterTable() [][]string {
	s := r.Sizes
	rate := func(of func(*Cluster) *Rate, text func(*Rate) string) func(*Cluster) string {
		return func(c *Cluster) string {
			if v := of(c); v != nil {
				return text(v)
			}
			return none
		}
	}
	rows := []clusterRow{{fmt.Sprintf("memory for a client of %s, nodes; Redis", count(s.Cluster)), func(c *Cluster) string {
		if c.Memory == nil || c.Clients == 0 {
			return none
		}
		kb := func(mb float64) string { return number(mb * 1e6 / 1024 / float64(c.Clients)) }
		return kb(c.Memory.Nodes) + " KB; " + kb(c.Memory.Redis) + " KB"
	}}}
	for _, part := range []struct {
		title string
		of    func(*Cluster) *Rate
	}{
		{fmt.Sprintf("%s messages/s to all", number(s.ClusterRate)), func(c *Cluster) *Rate { return c.Room }},
		{fmt.Sprintf("one to one, %s messages/s", number(s.Rate)), func(c *Cluster) *Rate { return c.Users }},
	} {
		us := func(pick func(ShareMap) float64) func(*Cluster) string {
			return rate(part.of, func(v *Rate) string { return number(pick(v.ByProcess())) + " µs" })
		}
		rows = append(rows,
			clusterRow{part.title + ": CPU per delivery, the three nodes", us(func(s ShareMap) float64 { return s.Nodes })},
			clusterRow{"… logic", us(func(s ShareMap) float64 { return s.Logic })},
			clusterRow{"… Redis", us(func(s ShareMap) float64 { return s.Redis })},
			clusterRow{"… all together", us(ShareMap.all)},
			clusterRow{"… latency p50; p99; p99.9", rate(part.of, func(v *Rate) string {
				return number(v.Latency.P50) + " ms; " + number(v.Latency.P99) + " ms; " + number(v.Latency.P999) + " ms"
			})},
			clusterRow{"… deliveries lost; repeated; out of order", rate(part.of, func(v *Rate) string {
				return fmt.Sprintf("%s; %s; %s of %s", count(v.Expected-v.Received+v.Repeated), count(v.Repeated), count(v.Misordered), count(v.Expected))
			})},
		)
	}
	return r.clusterTable(rows)
}

// FaultTable is what became of messages when Redis restarted and when a node
// was killed; nil when nothing was.
func (r *Result) FaultTable() [][]string {
	var rows []clusterRow
	for _, part := range []struct {
		title string
		of    func(*Cluster) *Fault
		cut   bool
	}{
		{"Redis restarts", func(c *Cluster) *Fault { return c.Restart }, false},
		{"a node is killed", func(c *Cluster) *Fault { return c.Kill }, true},
	} {
		row := func(name string, text func(*Fault) string) {
			rows = append(rows, clusterRow{name, func(c *Cluster) string {
				if f := part.of(c); f != nil {
					return text(f)
				}
				return none
			}})
		}
		row(part.title+": messages sent; refused", func(f *Fault) string { return count(f.Messages) + "; " + count(f.Refused) })
		if !part.cut {
			row("… Redis was away for", func(f *Fault) string { return number(f.Away) + " s" })
		}
		row("… deliveries lost, of those accepted", func(f *Fault) string {
			if f.Lost == 0 {
				return "0 of " + count(f.Expected)
			}
			return fmt.Sprintf("%s of %s, %s %%", count(f.Lost), count(f.Expected), number(share(f.Lost, f.Expected)))
		})
		row("… first message that is missing somewhere", func(f *Fault) string {
			if f.FirstLost == 0 {
				return none
			}
			return "no. " + count(f.FirstLost)
		})
		row("… deliveries repeated; out of order", func(f *Fault) string { return count(f.Repeated) + "; " + count(f.Misordered) })
		row("… longest time without a delivery", func(f *Fault) string { return number(f.Silence) + " s" })
		row("… latency p50; p99; longest", func(f *Fault) string {
			return number(f.Latency.P50) + " ms; " + number(f.Latency.P99) + " ms; " + number(f.Latency.Max) + " ms"
		})
		if part.cut {
			row("… clients cut; came back; as the same session", func(f *Fault) string {
				return count(f.Cut) + "; " + count(f.Returned) + "; " + count(f.Continued)
			})
			row("… of the lost deliveries, to these clients", func(f *Fault) string { return count(f.LostCut) })
		}
		row("… nodes that ended by themselves", func(f *Fault) string {
			if f.Ended == "" {
				return "none"
			}
			return f.Ended
		})
	}
	return r.clusterTable(rows)
}

func (r *Result) clusterTable(rows []clusterRow) [][]string {
	if len(r.Clusters) == 0 {
		return nil
	}
	head := []string{""}
	for _, c := range r.Clusters {
		head = append(head, titles[c.Kind])
	}
	table := [][]string{head}
	for _, row := range rows {
		cells := []string{row.name}
		for _, c := range r.Clusters {
			cells = append(cells, row.value(c))
		}
		if strings.Trim(strings.Join(cells[1:], ""), none) != "" || strings.Contains(row.name, "first message") {
			table = append(table, cells)
		}
	}
	return table
}
