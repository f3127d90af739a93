package console

import (
	"context"
	"time"
)

// Platforms is one figure per platform.
type Platforms struct {
	Web     int64 `json:"web"`
	IOS     int64 `json:"ios"`
	Android int64 `json:"android"`
}

// Periods are the counts of the minute, the hour and the day (UTC) that have
// begun.
type Periods struct {
	Minute int64 `json:"minute"`
	Hour   int64 `json:"hour"`
	Day    int64 `json:"day"`
}

// Overview is the state of a namespace, or of all together.
type Overview struct {
	Time       int64     `json:"time"` // ms
	Clients    int64     `json:"clients"`
	Users      int64     `json:"users"`
	Rooms      int64     `json:"rooms"`
	Total      int64     `json:"total"` // devices ever seen
	Platforms  Platforms `json:"platforms"`
	Pushes     Periods   `json:"pushes"`
	Deliveries Periods   `json:"deliveries"`
	Acks       Periods   `json:"acks"`
}

// OverviewStore reads the state of namespaces.
type OverviewStore interface {
	Overviews(ctx context.Context, namespaces []string, now time.Time) ([]Overview, error)
}

// ReadOverview sums the state of namespaces.
func ReadOverview(ctx context.Context, store OverviewStore, namespaces []string, now time.Time) (Overview, error) {
	sum := Overview{Time: now.UnixMilli()}
	list, err := store.Overviews(ctx, namespaces, now)
	if err != nil {
		return sum, err
	}
	for _, o := range list {
		sum.Clients += o.Clients
		sum.Users += o.Users
		sum.Rooms += o.Rooms
		sum.Total += o.Total
		sum.Platforms.Web += o.Platforms.Web
		sum.Platforms.IOS += o.Platforms.IOS
		sum.Platforms.Android += o.Platforms.Android
		sum.Pushes.add(o.Pushes)
		sum.Deliveries.add(o.Deliveries)
		sum.Acks.add(o.Acks)
	}
	return sum, nil
}

func (p *Periods) add(q Periods) {
	p.Minute += q.Minute
	p.Hour += q.Hour
	p.Day += q.Day
}
