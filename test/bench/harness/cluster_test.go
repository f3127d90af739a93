package harness

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/test/bench/load"
)

// sampleClusters are one of which everything is known and one that failed.
func sampleClusters() []*Cluster {
	rate := &Rate{
		PerSecond: 10, Messages: 80, Expected: 240_000, Received: 239_999, Latency: latency(1, 2, 3),
		CPU: 3, Helpers: map[string]float64{"node2": 2, "node3": 4, "redis": 1.5, "logic": 0.5},
	}
	fault := &Fault{
		Clients: 300, Messages: 800, Refused: 3, Expected: 239_100, Lost: 2391, FirstLost: 77, Repeated: 4, Misordered: 5, Cut: 100, Returned: 99, Continued: 98,
		LostCut: 2000, Away: 2.1, Silence: 2.2, Latency: latency(1, 2, 3), Arrivals: []int{0, 7500, 0, 15000}, Ended: "node2",
	}
	return []*Cluster{
		{Kind: Lightpush, Version: "this tree", Clients: 3000, Memory: &ShareMap{Nodes: 30.72, Redis: 3.072}, Room: rate, Users: rate, Restart: fault, Kill: fault},
		{Kind: PubSub, Version: "4.8.4", Clients: 3000, Failed: "node2 has ended by itself", Room: rate},
	}
}

func TestByProcess(t *testing.T) {
	got := sampleClusters()[0].Room.ByProcess()
	if want := (ShareMap{Nodes: 9, Logic: 0.5, Redis: 1.5}); got != want || got.all() != 11 {
		t.Errorf("%+v", got)
	}
}

func TestClusterTables(t *testing.T) {
	r := &Result{Sizes: Full, Clusters: sampleClusters()}
	var text strings.Builder
	for _, table := range [][][]string{r.ClusterTable(), r.FaultTable()} {
		WriteText(&text, table)
	}
	for _, want := range []string{
		"socket.io, redis-adapter", "10 KB; 1 KB", "9 µs", "0.50 µs", "11 µs", "1 ms; 2 ms; 3 ms", "1; 0; 0 of 240,000", "800; 3", "2,391 of 239,100, 1 %", "no. 77", "4; 5",
		"2.20 s", "2.10 s", "100; 99; 98", "2,000", "node2", none,
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if r := (&Result{Sizes: Full}); r.ClusterTable() != nil || r.FaultTable() != nil {
		t.Error("tables of nothing")
	}
}

func TestFaultCount(t *testing.T) {
	f := &Fault{Clients: 10}
	f.count(load.Reply{Seen: []int{10, 9, 0, 7}, SeenCut: []int{3, 2, 0, 1}, Cut: 3}, []int{2})
	if f.Expected != 30 || f.Lost != 4 || f.LostCut != 3 || f.FirstLost != 2 {
		t.Errorf("%+v", f)
	}
}

func TestTimeline(t *testing.T) {
	var long Timeline
	for i := range 1000 {
		long = append(long, Sample{float64(i), float64(i)})
	}
	thin := long.thin()
	if len(thin) > timelineMax+1 || thin[0] != long[0] || thin[len(thin)-1] != long[999] {
		t.Errorf("%d samples, from %v to %v", len(thin), thin[0], thin[len(thin)-1])
	}
	if got := long[:3].thin(); len(got) != 3 {
		t.Error(got)
	}
	if got := long.since(990, 5); len(got) != 15 || got[0] != (Sample{-5, 985}) || got[14] != (Sample{9, 999}) {
		t.Error(got)
	}
	text, err := json.Marshal(long[1:3])
	if err != nil || string(text) != "[1,1,2,2]" {
		t.Errorf("%s, %v", text, err)
	}
	var back Timeline
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, long[1:3]) {
		t.Error(back, err)
	}
	for _, bad := range []string{"[1]", `"x"`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s passed", bad)
		}
	}
}
