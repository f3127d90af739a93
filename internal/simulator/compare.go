package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// comparePatience is how long the server may take to write its last receipts down.
const comparePatience = 5 * time.Second

// compare reads the reports of the sampled messages and adds up what the server knows of them.
func (r *run) compare(ctx context.Context, report *Report, sampled map[mark]heard) {
	ids := map[mark]int64{}
	r.journal.view(func(entries []push, byStream [][]int32) {
		for stream, positions := range byStream {
			for i, at := range positions {
				m := mark{int32(stream), int32(i + 1)}
				if e := entries[at-1]; e.fate == accepted && r.plan.sampled(m.Stream, m.Seq) && len(ids) < maxReports {
					ids[m] = e.id
				}
			}
		}
	})
	deadline := time.Now().Add(r.opt.patience)
	for m, id := range ids {
		want := sampled[m]
		var found receipt
		for {
			var err error
			if found, err = r.api.receipt(ctx, id); err != nil {
				break
			}
			if found.online >= want.Got && found.acked >= want.Acked || time.Now().After(deadline) {
				break
			}
			time.Sleep(25 * time.Millisecond)
		}
		if !found.known {
			continue
		}
		report.Samples++
		report.Got += want.Got
		report.GotServer += found.online
		report.Acked += want.Acked
		report.AckedServer += min(found.acked, want.Acked)
		report.AcksServer += found.acked
	}
}

// maxReports bounds the reports that are read.
const maxReports = 500

// receipt is what the server knows about a message.
type receipt struct {
	known         bool
	online, acked int64
}

// receipt reads one report; known is false when the message is gone or the server is older.
func (a *api) receipt(ctx context.Context, id int64) (receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	status, body, err := a.call(ctx, http.MethodGet, "/api/auth/report/push/"+strconv.FormatInt(id, 10), nil)
	if err != nil {
		return receipt{}, err
	}
	if status != http.StatusOK {
		return receipt{}, fmt.Errorf("report of message %d: HTTP %d", id, status)
	}
	var m struct{ OnlineClientCount, AckCount string }
	if err := json.Unmarshal(body, &m); err != nil {
		return receipt{}, err
	}
	online, err1 := strconv.ParseInt(m.OnlineClientCount, 10, 64)
	acked, err2 := strconv.ParseInt(m.AckCount, 10, 64)
	return receipt{err1 == nil && err2 == nil, online, acked}, nil
}
