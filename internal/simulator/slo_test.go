package simulator

import (
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/simulator/stats"
)

func TestParseSLO(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, " , ": 0, "p99=200ms": 1, "p99=200ms, loss=0 ,dup=0,order=0,connect=99.9%": 5, "loss=0.1%": 1, "connect=0.999": 1, "drops=3,stray=0,push_errors=1%,ack_loss=0,p50=1s,p90=1s,p999=1s,max=2s,connect_p99=1s": 9,
		"p98=1s": -1, "p99": -1, "p99=0s": -1, "p99=-1s": -1, "p99=200": -1, "loss=x": -1, "loss=-1": -1, "loss=NaN": -1, "loss=101%": -1, "connect=2": -1, "loss=0,loss=0": -1, "=1": -1,
	} {
		list, err := ParseSLO(text)
		got := len(list)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
}

func FuzzParseSLO(f *testing.F) {
	for _, s := range []string{"p99=200ms,loss=0", "connect=99.9%", "loss=1e999", "max=1h,", "p99=%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseSLO(text)
		if err != nil {
			return
		}
		for _, o := range list {
			if !(o.Limit >= 0) || o.Share && o.Limit > 1 || o.Time < 0 {
				t.Errorf("%q gives %+v", text, o)
			}
		}
		Judge(&Report{}, list)
	})
}

func TestJudge(t *testing.T) {
	good := Report{Connects: 999, Failures: map[string]int64{"x": 1}, Delivered: 1000, PushAttempts: 10, Accepted: 10, Acked: 5, AckedServer: 5,
		Latency: stats.Summary{Count: 1000, P50: 1, P90: 2, P99: 3, P999: 4, Max: 5}, Connect: stats.Summary{Count: 1, P99: 7}}
	for name, tt := range map[string]struct {
		slo    string
		change func(*Report)
		want   bool
	}{
		"nothing asked":       {"", nil, true},
		"all kept":            {"p50=1ms,p90=2ms,p99=3ms,p999=4ms,max=5ms,connect_p99=7ms,loss=0,dup=0,order=0,stray=0,drops=0,push_errors=0,ack_loss=0,connect=99.9%", nil, true},
		"p50":                 {"p50=999us", nil, false},
		"p999":                {"p999=3.9ms", nil, false},
		"max":                 {"max=4ms", nil, false},
		"connect latency":     {"connect_p99=6ms", nil, false},
		"connect share":       {"connect=99.91%", nil, false},
		"no connect":          {"connect=0%", func(r *Report) { *r = Report{} }, false},
		"loss":                {"loss=0", func(r *Report) { r.Lost = 1 }, false},
		"some loss allowed":   {"loss=1", func(r *Report) { r.Lost = 1 }, true},
		"share of loss":       {"loss=0.1%", func(r *Report) { r.Lost = 1 }, true},
		"more than the share": {"loss=0.1%", func(r *Report) { r.Lost = 2 }, false},
		"dup":                 {"dup=0", func(r *Report) { r.Repeated = 1 }, false},
		"order":               {"order=0", func(r *Report) { r.Reordered = 1 }, false},
		"stray":               {"stray=0", func(r *Report) { r.Stray = 1 }, false},
		"drops":               {"drops=1", func(r *Report) { r.Drops = map[string]int64{"a": 1, "b": 1} }, false},
		"push errors":         {"push_errors=10%", func(r *Report) { r.Accepted = 8 }, false},
		"ack loss":            {"ack_loss=0", func(r *Report) { r.AckedServer = 4 }, false},
		"nothing delivered":   {"loss=0", func(r *Report) { r.Delivered = 0 }, false},
		"nothing measured":    {"p99=1h", func(r *Report) { r.Latency = stats.Summary{} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			if tt.change != nil {
				tt.change(&r)
			}
			list, err := ParseSLO(tt.slo)
			if err != nil {
				t.Fatal(err)
			}
			findings, ok := Judge(&r, list)
			if ok != tt.want || len(findings) != len(list) {
				t.Errorf("ok %v: %+v", ok, findings)
			}
			r.Findings, r.Verdict = findings, "x"
			var b strings.Builder
			r.Print(&b)
			if strings.Contains(b.String(), "MISSED") == tt.want {
				t.Errorf("printed %s", b.String())
			}
		})
	}
}
