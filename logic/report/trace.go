package report

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/push"
)

// Trace is what did happen to a message, and to a page of its devices.
type Trace struct {
	Message  TracedMessage `json:"message"`
	Time     int64         `json:"time"` // ms: now
	Timeline []Event       `json:"timeline"`
	Devices  []Traced      `json:"devices"`
	Cursor   string        `json:"cursor"` // of the next page of devices; "" at the end
}

// TracedMessage is the record of the message.
type TracedMessage struct {
	FoundMessage
	ExpireAt int64 `json:"expireAt"` // ms
}

// Traced is what did happen to a message for one device.
type Traced struct {
	ClientID    string     `json:"clientId"`
	UserID      string     `json:"userid"`
	Platform    string     `json:"platform"`
	State       push.State `json:"state"`
	Reason      string     `json:"reason"`
	At          int64      `json:"at"` // of the state, ms; 0 where nobody has kept it
	Online      bool       `json:"online"`
	Node        string     `json:"node"`  // it is connected to now; "" when it is offline
	Since       int64      `json:"since"` // of that connection, ms; 0 when it is offline
	Rule        Rule       `json:"rule"`
	Explanation string     `json:"explanation"`
	Steps       []Step     `json:"steps"`
}

// Step is something that happened to a message for one device.
type Step struct {
	At     int64  `json:"at"` // ms
	Event  string `json:"event"`
	Detail string `json:"detail"`
}

// TraceQuery asks for the trace of a message.
type TraceQuery struct {
	Namespace string
	ID        int64
	ClientID  string // only this device; "" for all, page by page
	Cursor    string // Trace.Cursor of the page before, "" for the first
	Size      int    // TraceDefault when below 1, at most TraceMost
}

// Sizes of a page of a trace.
const (
	TraceDefault = 50
	TraceMost    = 200
)

// Trace tells what did happen to a message: the devices come as in Receipts.
// Errors: as Receipts.
func (r *Reports) Trace(ctx context.Context, q TraceQuery) (Trace, error) {
	at, err := parseCursor(q.Cursor)
	if err != nil {
		return Trace{}, err
	}
	if q.ID <= 0 {
		return Trace{}, ErrNoMessage
	}
	if q.Size < 1 {
		q.Size = TraceDefault
	}
	q.Size = min(q.Size, TraceMost, r.limits.PageMax)
	records, err := r.store.Records(ctx, []int64{q.ID})
	if err != nil {
		return Trace{}, err
	}
	if len(records) != 1 || records[0] == nil || records[0]["namespace"] != q.Namespace {
		return Trace{}, ErrNoMessage
	}
	job, err := r.store.OfflineJob(ctx, q.ID)
	if err != nil {
		return Trace{}, err
	}
	w := &receiptWalk{
		r: r, m: newReceiptMessage(records[0]), cursor: at,
		q: ReceiptQuery{Namespace: q.Namespace, ID: q.ID, Size: q.Size},
	}
	var receipts []Receipt
	t := Trace{}
	if q.ClientID != "" {
		receipts, err = w.one(ctx, q.ClientID)
	} else {
		receipts, err = w.page(ctx)
		t.Cursor = w.cursor.String()
	}
	if err != nil {
		return Trace{}, err
	}
	if t.Devices, err = w.traced(ctx, receipts, records[0]); err != nil {
		return Trace{}, err
	}
	t.Message.FoundMessage = NewFoundMessage(records[0])
	t.Message.ExpireAt, _ = strconv.ParseInt(records[0][push.FieldExpireAt], 10, 64)
	t.Timeline = timeline(&t.Message, w.m.times, job)
	if q.ClientID != "" {
		for _, d := range t.Devices {
			for _, s := range d.Steps {
				t.Timeline = append(t.Timeline, Event{At: s.At, Event: s.Event, ClientID: d.ClientID, Detail: s.Detail})
			}
		}
	}
	slices.SortStableFunc(t.Timeline, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return t, nil
}

// one is the receipt of one device; none when it has nothing to do with the
// message.
func (w *receiptWalk) one(ctx context.Context, id string) ([]Receipt, error) {
	platform := client.PlatformIn(id)
	in, err := w.r.store.InAudience(ctx, w.q.Namespace, w.m.room, platform, []string{id})
	if err != nil {
		return nil, err
	}
	acked, fates, err := w.r.store.Marks(ctx, w.q.ID, platform, []string{id})
	if err != nil || (!in[0] && !acked[0] && fates[0].State == "") {
		return nil, err
	}
	return w.receipts(ctx, platform, []string{id})
}

// traced adds to receipts what else is known of their devices.
func (w *receiptWalk) traced(ctx context.Context, receipts []Receipt, record map[string]string) ([]Traced, error) {
	if len(receipts) == 0 {
		return []Traced{}, nil
	}
	ids := make([]string, len(receipts))
	byPlatform := map[string][]string{}
	for i, r := range receipts {
		ids[i] = r.ClientID
		byPlatform[r.Platform] = append(byPlatform[r.Platform], r.ClientID)
	}
	devices, err := w.r.store.Devices(ctx, w.q.Namespace, ids)
	if err != nil {
		return nil, err
	}
	times, err := w.r.store.DeviceTimes(ctx, w.q.ID, w.m.times, ids)
	if err != nil {
		return nil, err
	}
	fates := map[string]push.Fate{}
	for platform, list := range byPlatform {
		_, found, err := w.r.store.Marks(ctx, w.q.ID, platform, list)
		if err != nil {
			return nil, err
		}
		for i, id := range list {
			fates[id] = found[i]
		}
	}
	list := make([]Traced, len(receipts))
	for i, r := range receipts {
		d := devices[i]
		at, _ := strconv.ParseInt(r.At, 10, 64)
		list[i] = Traced{
			ClientID: r.ClientID, UserID: d.UserID, Platform: r.Platform, State: r.State, Reason: r.Reason, At: at,
			Online: d.Online, Node: d.Node, Steps: w.m.steps(r, d, fates[r.ClientID], times[i]),
		}
		if d.Online {
			list[i].Since = d.Since
		}
		list[i].Rule, list[i].Explanation = explain(r, &w.m, record, w.r.limits.OfflinePlatforms)
	}
	return list, nil
}

// steps is what is known to have happened to one device, by time.
func (m *receiptMessage) steps(r Receipt, d console.Device, fate push.Fate, times push.DeviceTimes) []Step {
	steps := []Step{}
	if r.State != push.StateExcepted && d.Online {
		for _, w := range m.times.Written {
			// Nothing is kept per device of what is written: this follows from
			// where it is connected.
			if w.Node == d.Node && d.Since <= w.First {
				steps = append(steps, Step{At: w.First, Event: EventWritten, Detail: w.Node})
			}
		}
	}
	for _, f := range append(slices.Clip(times.Past), fate) {
		if f.State != "" {
			steps = append(steps, Step{At: f.At, Event: string(f.State), Detail: f.Detail})
		}
	}
	if times.Acked > 0 {
		steps = append(steps, Step{At: times.Acked, Event: string(push.StateAcked)})
	}
	if r.State == push.StateExpired {
		steps = append(steps, Step{At: m.times.Done, Event: string(r.State), Detail: r.Reason})
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	return steps
}
