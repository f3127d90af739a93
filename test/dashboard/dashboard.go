// Package dashboard reads what doc/operations ships for Prometheus and Grafana, so that tests can hold it against a live
// process: the expressions, and the figures each of them names.
package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// Query is one expression of a dashboard or a rule file.
type Query struct {
	Where string // the panel and its letter, or the alert
	Expr  string
	// Runbook and Severity are of alerts.
	Runbook, Severity string
}

// Panels reads the queries of a Grafana dashboard. It wants every panel to have a title and queries, and every
// datasource to be the dashboard's variable.
func Panels(file string) ([]Query, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	type source struct{ Type, UID string }
	var board struct {
		Title, UID string
		Templating struct {
			List []struct {
				Name, Type string
				Datasource source
			}
		}
		Panels []struct {
			ID         int
			Type       string
			Title      string
			Datasource source
			GridPos    struct{ X, Y, W, H int }
			Targets    []struct {
				RefID      string
				Expr       string
				Datasource source
			}
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if board.Title == "" || board.UID == "" {
		return nil, errors.New("the dashboard has no title or no uid")
	}
	variables := map[string]string{}
	want := source{"prometheus", "${datasource}"}
	for _, v := range board.Templating.List {
		if variables[v.Name] = v.Type; v.Type == "query" && v.Datasource != want {
			return nil, fmt.Errorf("variable %s: datasource %v", v.Name, v.Datasource)
		}
	}
	if variables["datasource"] != "datasource" || variables["job"] != "query" || variables["instance"] != "query" {
		return nil, fmt.Errorf("the variables of the dashboard are %v", variables)
	}
	var queries []Query
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" {
			return nil, fmt.Errorf("panel %d %q: an id that is taken, or no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken || x >= 24 {
					return nil, fmt.Errorf("panel %q lies on %q, or outside", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Datasource != want || len(p.Targets) == 0 {
			return nil, fmt.Errorf("panel %q: datasource %v, %d queries", p.Title, p.Datasource, len(p.Targets))
		}
		for _, t := range p.Targets {
			if t.Datasource != want || t.Expr == "" || t.RefID == "" {
				return nil, fmt.Errorf("panel %q: %+v", p.Title, t)
			}
			queries = append(queries, Query{Where: p.Title + " " + t.RefID, Expr: t.Expr})
		}
	}
	return queries, nil
}

// Alerts reads a rule file of Prometheus. It wants every alert to be complete.
func Alerts(file string) ([]Query, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var queries []Query
	known := map[string]bool{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			severity := r.Labels["severity"]
			if r.Alert == "" || known[r.Alert] || r.Expr == "" || r.Annotations["summary"] == "" || (severity != "critical" && severity != "warning") {
				return nil, fmt.Errorf("rule %q of %s: not complete, or twice", r.Alert, g.Name)
			}
			known[r.Alert] = true
			queries = append(queries, Query{Where: r.Alert, Expr: r.Expr, Runbook: r.Annotations["runbook"], Severity: severity})
		}
	}
	return queries, nil
}

// Expand fills in what Grafana would.
func Expand(expr, job, instance, interval string) string {
	return strings.NewReplacer("$__rate_interval", interval, "$job", job, "$instance", instance).Replace(expr)
}

// Figure is a metric that an expression names, with the labels it is selected or grouped by.
type Figure struct {
	Name   string
	Labels []string
}

var (
	text     = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	number   = regexp.MustCompile(`\b[0-9][0-9A-Za-z.]*`)
	span     = regexp.MustCompile(`\[[^\]]*\]`)
	grouping = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)`)
	selector = regexp.MustCompile(`([A-Za-z_:][A-Za-z0-9_:]*)\s*(\{[^{}]*\}|\()?`)
	matcher  = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_]*)\s*(?:=~|!~|!=|=)`)
)

// operators are words that are neither functions nor metrics.
var operators = map[string]bool{"and": true, "or": true, "unless": true, "bool": true, "offset": true, "inf": true, "nan": true}

// Figures are the metrics of an expression, and the labels of its groupings, which must be those of one of the metrics.
// It knows as much of PromQL as the dashboard needs; promtool reads the rest.
func Figures(expr string) (figures []Figure, groups []string) {
	expr = text.ReplaceAllString(expr, `""`)
	expr = number.ReplaceAllString(span.ReplaceAllString(expr, ""), "")
	expr = grouping.ReplaceAllStringFunc(expr, func(part string) string {
		for _, label := range strings.Split(grouping.FindStringSubmatch(part)[2], ",") {
			if label = strings.TrimSpace(label); label != "" {
				groups = append(groups, label)
			}
		}
		return " "
	})
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		if m[2] == "(" || operators[strings.ToLower(m[1])] {
			continue
		}
		f := Figure{Name: m[1]}
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			f.Labels = append(f.Labels, l[1])
		}
		figures = append(figures, f)
	}
	return figures, groups
}
