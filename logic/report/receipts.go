package report

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
)

// Refusals of a query for receipts.
var (
	ErrCursor = errors.New("cursor invalid")
	ErrState  = errors.New("state invalid")
)

// Receipt is what became of a message for one device.
type Receipt struct {
	ClientID string     `json:"clientId"`
	Platform string     `json:"platform"`
	State    push.State `json:"state"`
	// Reason is the push service's word for a refusal, its id of what it has
	// taken, or what the state leaves open; may be absent.
	Reason string `json:"reason,omitempty"`
	At     string `json:"at,omitempty"` // ms; absent where nothing has kept it
}

// ReceiptPage is one page of the receipts of a message.
type ReceiptPage struct {
	ID       string    `json:"id"`
	Receipts []Receipt `json:"receipts"`
	Next     string    `json:"next"` // cursor of the next page; "" at the end
}

// ReceiptQuery asks for one page.
type ReceiptQuery struct {
	Namespace string
	ID        int64
	Cursor    string // ReceiptPage.Next of the page before, "" for the first
	Size      int    // devices looked at, about; ReceiptsDefault when below 1, at most Options.PageMax
	State     string // only these; "" for all
}

// ReceiptsDefault is the size of a page when the caller names none.
const ReceiptsDefault = 100

// receiptSteps bounds the steps of one answer: a page of a rare state may come
// back with fewer entries than asked for, or none, and a cursor.
const receiptSteps = 8

// Receipts reports on the devices of a message, page by page: first those of
// its room, by platform; then those that have left the room but acked; then
// those that have left and got it by offline delivery. A device that comes or
// goes while the pages are read may be missed or come twice. Errors:
// ErrNoMessage, ErrCursor, ErrState, else the store's.
func (r *Reports) Receipts(ctx context.Context, q ReceiptQuery) (ReceiptPage, error) {
	if q.State != "" && !slices.Contains(push.States, push.State(q.State)) {
		return ReceiptPage{}, ErrState
	}
	at, err := parseCursor(q.Cursor)
	if err != nil {
		return ReceiptPage{}, err
	}
	if q.ID <= 0 {
		return ReceiptPage{}, ErrNoMessage
	}
	if q.Size < 1 {
		q.Size = ReceiptsDefault
	}
	q.Size = min(q.Size, r.limits.PageMax)
	records, err := r.store.Records(ctx, []int64{q.ID})
	if err != nil {
		return ReceiptPage{}, err
	}
	if len(records) != 1 || records[0] == nil || records[0]["namespace"] != q.Namespace {
		return ReceiptPage{}, ErrNoMessage
	}
	w := &receiptWalk{r: r, q: q, m: newReceiptMessage(records[0]), cursor: at}
	page := ReceiptPage{ID: strconv.FormatInt(q.ID, 10)}
	if page.Receipts, err = w.page(ctx); err != nil {
		return ReceiptPage{}, err
	}
	page.Next = w.cursor.String()
	return page, nil
}

// page walks until there is a page, or the work is enough for one answer.
func (w *receiptWalk) page(ctx context.Context) ([]Receipt, error) {
	receipts := []Receipt{}
	for range receiptSteps {
		list, err := w.step(ctx)
		if err != nil {
			return nil, err
		}
		receipts = append(receipts, list...)
		if w.cursor.phase == phases || len(receipts) >= w.q.Size {
			break
		}
	}
	return receipts, nil
}

// receiptCursor is a place in the walk: which set, where in it, and how many of
// what that place gives have been shown.
type receiptCursor struct {
	phase int
	scan  uint64
	skip  int
}

// The phases: the audience by platform, who acked and left by platform, whose
// fate is kept and who left.
const (
	phaseAcked = len(client.Platforms)
	phaseFates = 2 * len(client.Platforms)
	phases     = phaseFates + 1
)

func (c receiptCursor) String() string {
	if c.phase == phases {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", c.phase, c.scan, c.skip)
}

// parseCursor reads String's form, and "" as the beginning.
func parseCursor(text string) (c receiptCursor, err error) {
	if text == "" {
		return c, nil
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return c, ErrCursor
	}
	var errs [3]error
	c.phase, errs[0] = strconv.Atoi(parts[0])
	c.scan, errs[1] = strconv.ParseUint(parts[1], 10, 64)
	c.skip, errs[2] = strconv.Atoi(parts[2])
	if errors.Join(errs[:]...) != nil || c.phase < 0 || c.phase >= phases || c.scan > math.MaxInt64 || c.skip < 0 || c.String() != text {
		return receiptCursor{}, ErrCursor
	}
	return c, nil
}

// receiptWalk is the work on one page.
type receiptWalk struct {
	r      *Reports
	q      ReceiptQuery
	m      receiptMessage
	cursor receiptCursor
}

// step shows the next devices and moves on.
func (w *receiptWalk) step(ctx context.Context) ([]Receipt, error) {
	c := &w.cursor
	phase := c.phase
	platform := client.Platforms[phase%len(client.Platforms)]
	var clients []string
	var next uint64
	var err error
	switch {
	case phase < phaseAcked:
		clients, next, err = w.r.store.Audience(ctx, w.q.Namespace, w.m.room, platform, c.scan, w.q.Size)
	case phase < phaseFates:
		clients, next, err = w.r.store.AckedPage(ctx, w.q.ID, platform, c.scan, w.q.Size)
	default:
		clients, next, err = w.r.store.SettledPage(ctx, w.q.ID, c.scan, w.q.Size)
	}
	if err != nil {
		return nil, err
	}
	// A set may give more at once than was asked for.
	clients = clients[min(c.skip, len(clients)):]
	if len(clients) > w.q.Size {
		clients = clients[:w.q.Size]
		c.skip += w.q.Size
	} else {
		*c = receiptCursor{phase: phase, scan: next}
		if next == 0 {
			c.phase++
		}
	}
	switch {
	case phase < phaseAcked:
		return w.receipts(ctx, platform, clients)
	case phase < phaseFates:
		if clients, err = w.left(ctx, platform, clients); err != nil {
			return nil, err
		}
		return w.receipts(ctx, platform, clients)
	}
	return w.settledOnly(ctx, clients)
}

// left keeps the devices that are not of the audience any more.
func (w *receiptWalk) left(ctx context.Context, platform string, clients []string) ([]string, error) {
	if len(clients) == 0 {
		return nil, nil
	}
	members, err := w.r.store.InAudience(ctx, w.q.Namespace, w.m.room, platform, clients)
	if err != nil {
		return nil, err
	}
	var left []string
	for i, c := range clients {
		if !members[i] {
			left = append(left, c)
		}
	}
	return left, nil
}

// settledOnly reports on devices of which nothing but the fate is known: they
// are neither in the audience nor have they acked, on any platform.
func (w *receiptWalk) settledOnly(ctx context.Context, clients []string) ([]Receipt, error) {
	for _, platform := range client.Platforms {
		var err error
		if clients, err = w.left(ctx, platform, clients); err != nil || len(clients) == 0 {
			return nil, err
		}
		acked, _, err := w.r.store.Marks(ctx, w.q.ID, platform, clients)
		if err != nil {
			return nil, err
		}
		var open []string
		for i, c := range clients {
			if !acked[i] {
				open = append(open, c)
			}
		}
		clients = open
	}
	list, err := w.receipts(ctx, client.Web, clients)
	for i := range list {
		list[i].Platform = client.PlatformIn(list[i].ClientID)
	}
	return list, err
}

// receipts reports on devices of one platform.
func (w *receiptWalk) receipts(ctx context.Context, platform string, clients []string) ([]Receipt, error) {
	if len(clients) == 0 {
		return nil, nil
	}
	acked, fates, err := w.r.store.Marks(ctx, w.q.ID, platform, clients)
	if err != nil {
		return nil, err
	}
	var unknown []string
	for i, c := range clients {
		if !acked[i] && fates[i].State == "" && c != w.m.except {
			unknown = append(unknown, c)
		}
	}
	online := map[string]bool{}
	if len(unknown) > 0 {
		recipients, err := w.r.store.Recipients(ctx, w.q.Namespace, w.m.room, unknown)
		if err != nil {
			return nil, err
		}
		for _, d := range recipients {
			online[d.ClientID] = d.Node != "" && d.Gen <= w.m.sent
		}
	}
	var list []Receipt
	var confirmed []string
	for i, c := range clients {
		receipt := w.m.judge(platform, c, acked[i], fates[i], online[c], w.r.limits.OfflinePlatforms)
		if w.q.State != "" && w.q.State != string(receipt.State) {
			continue
		}
		list = append(list, receipt)
		if receipt.confirmed() {
			confirmed = append(confirmed, c)
		}
	}
	times, err := w.r.store.DeviceTimes(ctx, w.q.ID, w.m.times, confirmed)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].confirmed() {
			list[i].noteAck(times[0])
			times = times[1:]
		}
	}
	return list, nil
}

// confirmed reports that the device has acked.
func (r *Receipt) confirmed() bool {
	return r.State == push.StateAcked || r.State == push.StateDelivered
}

// noteAck notes when it did, if that is known.
func (r *Receipt) noteAck(t push.DeviceTimes) {
	if r.confirmed() && t.Acked > 0 {
		r.At = strconv.FormatInt(t.Acked, 10)
	}
}

// receiptMessage is what the record of a message says to its receipts.
type receiptMessage struct {
	room, except, result string
	sent                 int64
	leave                bool
	done                 string // when its offline delivery was over, ms; "" before
	times                push.Times
}

func newReceiptMessage(record map[string]string) receiptMessage {
	sent, _ := strconv.ParseInt(record["sendDate"], 10, 64)
	return receiptMessage{
		room: record["room"], except: record["except"], result: record["result"], sent: sent,
		leave: record["leaveMessage"] == "true", done: record[push.FieldDone], times: push.TimesOf(record),
	}
}

// judge says what became of the message for one device. online: it has been
// connected since before the push.
func (m *receiptMessage) judge(platform, clientID string, acked bool, fate push.Fate, online bool, kept []string) Receipt {
	r := Receipt{ClientID: clientID, Platform: platform, State: fate.State, Reason: fate.Detail}
	if fate.At > 0 {
		r.At = strconv.FormatInt(fate.At, 10)
	}
	switch {
	case clientID == m.except && m.except != "":
		return Receipt{ClientID: clientID, Platform: platform, State: push.StateExcepted}
	case acked && fate.State == push.StateInbox: // the ack has not been noted beside the fate
		return Receipt{ClientID: clientID, Platform: platform, State: push.StateDelivered}
	case fate.State == push.StateDelivered:
	case acked:
		return Receipt{ClientID: clientID, Platform: platform, State: push.StateAcked, Reason: string(fate.State)}
	case fate.State != "":
	case m.leave && m.done != "" && (m.result == namespace.ErrLost.Error() || m.result == namespace.ErrOffline.Error()):
		r.State, r.Reason, r.At = push.StateExpired, m.result, m.done
	case online:
		r.State = push.StateOnline
	case m.leave && m.done == "" && (platform == client.IOS || slices.Contains(kept, platform)):
		r.State = push.StatePending
	default:
		r.State = push.StateMissed
	}
	return r
}
