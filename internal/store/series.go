package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/console"
)

// seriesKept is when an hour of samples may go: behind the longest chart.
const seriesKept = console.SeriesKept + 3*time.Hour

// series is the samples of an hour: minute (0 … 59) → encodeFigures.
func (k keys) series(ns string, hour time.Time) string {
	return k.namespace(ns).base + ":s:" + hour.UTC().Format("2006010215")
}

// Figures implements console.SeriesStore.
func (s *Store) Figures(ctx context.Context, namespaces []string, minute time.Time) ([]console.Figures, error) {
	const each = 5
	ops := make([]*op, 0, each*len(namespaces))
	for _, ns := range namespaces {
		k := s.keys.namespace(ns)
		b := k.buckets(minute)[0]
		ops = append(ops, do("HLEN", k.online), do("HLEN", k.users), do("HLEN", k.rooms), do("GET", b.key), do("HMGET", b.tally(), "d", "a"))
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("read figures: %w", err)
	}
	list := make([]console.Figures, len(namespaces))
	for i := range list {
		o := ops[i*each : (i+1)*each]
		deliveries, acks := tallyOf(o[4])
		list[i] = console.Figures{
			Clients: o[0].integer(), Users: o[1].integer(), Rooms: o[2].integer(), Pushes: o[3].integer(),
			Deliveries: deliveries, Acks: acks,
		}
	}
	return list, nil
}

// tallyOf is the reply of HMGET of d and a.
func tallyOf(o *op) (deliveries, acks int64) {
	if v := o.list(); len(v) == 2 {
		deliveries, acks = toInt(v[0]), toInt(v[1])
	}
	return deliveries, acks
}

// KeepFigures implements console.SeriesStore. An hour of samples is one small
// hash; a minute in which nothing was is an empty text.
func (s *Store) KeepFigures(ctx context.Context, minute time.Time, samples map[string]console.Figures) error {
	minute = minute.UTC()
	expires := minute.Truncate(time.Hour).Add(time.Hour + seriesKept).UnixMilli()
	ops := make([]*op, 0, 2*len(samples))
	for ns, f := range samples {
		if ns == console.Total {
			continue
		}
		key := s.keys.series(ns, minute)
		ops = append(ops, do("HSET", key, minute.Minute(), encodeFigures(f)), do("PEXPIREAT", key, expires))
	}
	if total, ok := samples[console.Total]; ok { // last: it says that all are there
		key := s.keys.series(console.Total, minute)
		ops = append(ops, do("HSET", key, minute.Minute(), encodeFigures(total)), do("PEXPIREAT", key, expires))
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return fmt.Errorf("keep figures: %w", err)
	}
	return nil
}

// KeptFigures implements console.SeriesStore.
func (s *Store) KeptFigures(ctx context.Context, ns string, from time.Time, minutes int) ([]*console.Figures, error) {
	from = from.UTC().Truncate(time.Minute)
	end := from.Add(time.Duration(minutes) * time.Minute)
	var hours []time.Time
	var ops []*op
	for hour := from.Truncate(time.Hour); hour.Before(end); hour = hour.Add(time.Hour) {
		hours = append(hours, hour)
		ops = append(ops, do("HGETALL", s.keys.series(ns, hour)))
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("read kept figures of %s: %w", ns, err)
	}
	list := make([]*console.Figures, minutes)
	for i, hour := range hours {
		for minute, text := range pairs(ops[i].list()) {
			n, err := strconv.Atoi(minute)
			if err != nil {
				continue
			}
			if at := int(hour.Add(time.Duration(n)*time.Minute).Sub(from) / time.Minute); at >= 0 && at < minutes {
				list[at] = decodeFigures(text)
			}
		}
	}
	return list, nil
}

// encodeFigures gives the numbers with commas; zeros are empty and left out at
// the end.
func encodeFigures(f console.Figures) string {
	var b strings.Builder
	for i, n := range [...]int64{f.Clients, f.Users, f.Rooms, f.Pushes, f.Deliveries, f.Acks} {
		if i > 0 {
			b.WriteByte(',')
		}
		if n != 0 {
			b.WriteString(strconv.FormatInt(n, 10))
		}
	}
	return strings.TrimRight(b.String(), ",")
}

func decodeFigures(text string) *console.Figures {
	f := &console.Figures{}
	into := [...]*int64{&f.Clients, &f.Users, &f.Rooms, &f.Pushes, &f.Deliveries, &f.Acks}
	for i, part := range strings.Split(text, ",") {
		if i < len(into) {
			*into[i], _ = strconv.ParseInt(part, 10, 64)
		}
	}
	return f
}

// Overviews implements console.OverviewStore.
func (s *Store) Overviews(ctx context.Context, namespaces []string, now time.Time) ([]console.Overview, error) {
	if err := s.rooms.flush(ctx); err != nil {
		return nil, err
	}
	const each = 5 + 2*3
	ops := make([]*op, 0, each*len(namespaces))
	for _, ns := range namespaces {
		k := s.keys.namespace(ns)
		ops = append(ops, do("HLEN", k.online), do("HLEN", k.users), do("HLEN", k.rooms), do("ZCARD", k.seen),
			do("HMGET", k.platforms, client.Web, client.IOS, client.Android))
		for _, b := range k.buckets(now) {
			ops = append(ops, do("GET", b.key), do("HMGET", b.tally(), "d", "a"))
		}
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("read overview: %w", err)
	}
	list := make([]console.Overview, len(namespaces))
	for i := range list {
		o := ops[i*each : (i+1)*each]
		v := &list[i]
		v.Time = now.UnixMilli()
		v.Clients, v.Users, v.Rooms, v.Total = o[0].integer(), o[1].integer(), o[2].integer(), o[3].integer()
		if p := o[4].list(); len(p) == len(client.Platforms) {
			v.Platforms = console.Platforms{Web: toInt(p[0]), IOS: toInt(p[1]), Android: toInt(p[2])}
		}
		v.Pushes = console.Periods{Minute: o[5].integer(), Hour: o[7].integer(), Day: o[9].integer()}
		v.Deliveries.Minute, v.Acks.Minute = tallyOf(o[6])
		v.Deliveries.Hour, v.Acks.Hour = tallyOf(o[8])
		v.Deliveries.Day, v.Acks.Day = tallyOf(o[10])
	}
	return list, nil
}
