package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lightpush/lightpush/connector/socketio"
	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/push"
)

// push is a push sent by a client (2.7): to a room of its own namespace, in
// its own name, at most one per interval. What a client says about the
// namespace, the sender or the exclusion is ignored (B34).
func (d *device) push(e *socketio.Event) {
	if ns, ok := d.hub.opts.Namespaces.Get(d.member.Namespace); ok && ns.ClientPushOff {
		_ = e.Ack(answerForbidden)
		return
	}
	req, bad := d.pushRequest(e)
	if bad != nil {
		_ = e.Ack(*bad)
		return
	}
	limits := d.hub.opts.Limits
	if limits.PushRequiresMember && !d.socket.In(req.Room) {
		_ = e.Ack(answer{Status: 403, Msg: "Forbidden"})
		return
	}
	key := deviceKey{d.member.Namespace, d.member.ClientID}
	if !d.hub.pushes.begin(key) {
		_ = e.Ack(answer{Status: 500, Msg: fmt.Sprintf("limited access in %gs", limits.PushInterval.Seconds())})
		return
	}
	ns, _ := d.hub.opts.Namespaces.Get(d.member.Namespace)
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	id, err := d.hub.opts.Push.Push(ctx, ns, req)
	if err != nil {
		d.hub.pushes.undo(key) // a failed push does not use up the interval (B51)
		d.hub.opts.Logger.Error().Err(err).Str("client", d.member.ClientID).Msg("client push")
		_ = e.Ack(answer{Status: 503, Msg: errStore.Error()})
		return
	}
	d.hub.opts.Logger.Debug().Str("client", d.member.ClientID).Int64("message_id", id).Msg("client push accepted")
	_ = e.Ack(answer{Status: 200, Msg: "ok", ID: id})
}

func (d *device) pushRequest(e *socketio.Event) (push.Request, *answer) {
	fields, err := input.FromJSON(e.Args.Raw(0))
	if err != nil {
		fields = nil // as light-push: no object has no fields
	}
	ns, _ := d.hub.opts.Namespaces.Get(d.member.Namespace)
	delete(fields, "except")
	delete(fields, "from")
	if !d.hub.opts.Limits.PushMayLeaveMessage {
		delete(fields, "leaveMessage")
		delete(fields, "apnsName")
	}
	req, err := d.hub.opts.Rules.Parse(fields, ns)
	if err != nil {
		if errors.Is(err, push.ErrTooLarge) {
			d.hub.opts.Observer.Refused(err.Error())
		}
		return push.Request{}, &answer{Status: 400, Msg: nested(err)}
	}
	sender := d.member.ClientID
	req.From, req.Except = &sender, &sender
	return req, nil
}

// nested is the text clients parse as JSON: light-push put its REST error
// into msg (2.7, B48), spaces included.
func nested(err error) string {
	text, _ := json.Marshal(err.Error())
	return fmt.Sprintf(`{"code": 9999,"msg": %s}`, text)
}

// intervals lets each client do something once per interval, over all its
// connections (B51). Safe for concurrent use; bounded by intervalsMax.
type intervals struct {
	every time.Duration

	mu   sync.Mutex
	last map[deviceKey]time.Time
}

const intervalsMax = 100_000

func newIntervals(every time.Duration) *intervals {
	return &intervals{every: every, last: map[deviceKey]time.Time{}}
}

func (i *intervals) begin(key deviceKey) bool {
	if i.every <= 0 {
		return true
	}
	now := time.Now()
	i.mu.Lock()
	defer i.mu.Unlock()
	if last, ok := i.last[key]; ok && now.Sub(last) < i.every {
		return false
	}
	if len(i.last) >= intervalsMax {
		for k, last := range i.last {
			if now.Sub(last) >= i.every {
				delete(i.last, k)
			}
		}
		if len(i.last) >= intervalsMax {
			return false // a flood of clients; nobody is let past the limit
		}
	}
	i.last[key] = now
	return true
}

func (i *intervals) undo(key deviceKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.last, key)
}
