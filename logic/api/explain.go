package api

import (
	"context"

	"github.com/gin-gonic/gin"

	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/logic/offline"
)

// explains reports that a push is only to be explained.
func explains(c *gin.Context) bool { return on(c.Request.URL.Query(), "explain") }

// explainedMessage is the message as it would be accepted.
type explainedMessage struct {
	Room         string `json:"room"`
	Bytes        int    `json:"bytes"`    // of pushData
	Expire       string `json:"expire"`   // hours
	ExpireAt     int64  `json:"expireAt"` // ms
	LeaveMessage bool   `json:"leaveMessage"`
	APNsName     string `json:"apnsName"`
	Except       string `json:"except"`
	Lost         bool   `json:"lost"`
}

type explanation struct {
	Message explainedMessage `json:"message"`
	offline.Explanation
}

// explain tells, device by device, what a push would do. Nothing is stored or
// sent.
func (a *API) explain(ctx context.Context, c *call, req push.Request) (any, error) {
	if a.console == nil || a.console.Explain == nil {
		return nil, FailUnavailable
	}
	query := c.gin.Request.URL.Query()
	cursor := query.Get("cursor")
	if len(cursor) > cursorMax {
		return nil, console.ErrCursor
	}
	m := req.Message(c.ns.Key, a.o.Now())
	found, err := a.console.Explain.Explain(ctx, m, cursor, positive(query, "size", 0))
	if err != nil {
		return nil, err
	}
	answer := explanation{
		Message: explainedMessage{
			Room: m.Room, Bytes: len(m.PushData), Expire: m.Expire, ExpireAt: m.ExpireAt,
			LeaveMessage: m.LeaveMessage != nil && *m.LeaveMessage, Except: m.ExceptID(), Lost: m.Lost(),
		},
		Explanation: found,
	}
	if m.APNsName != nil {
		answer.Message.APNsName = *m.APNsName
	}
	return answer, nil
}
