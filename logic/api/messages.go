package api

import (
	"context"
	"strconv"

	"github.com/lightpush/lightpush/internal/console"
	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/logic/report"
)

type messagePage struct {
	List   []report.FoundMessage `json:"list"`
	Cursor string                `json:"cursor"`
}

// messages finds messages of the history, the newest first.
func (a *API) messages(ctx context.Context, c *call, p *consoleParts) (any, error) {
	query := c.gin.Request.URL.Query()
	q := console.MessageQuery{
		Namespace: c.ns.Key, Room: query.Get("room"), Text: query.Get("text"), APNsName: query.Get("apnsName"),
		Cursor: query.Get("cursor"), Size: positive(query, "size", console.PageDefault),
	}
	for _, number := range []struct {
		key  string
		into *int64
	}{{"from", &q.From}, {"to", &q.To}, {"id", &q.ID}} {
		text := query.Get(number.key)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n <= 0 {
			return nil, &input.FieldError{Field: number.key, Problem: "must be a positive whole number"}
		}
		*number.into = n
	}
	switch offline := query.Get("offline"); offline {
	case "":
	case "on", "off":
		kept := offline == "on"
		q.Offline = &kept
	default:
		return nil, &input.FieldError{Field: "offline", Problem: "must be on or off"}
	}
	if len(q.Text) > searchMax {
		return nil, &input.FieldError{Field: "text", Problem: "is too long"}
	}
	found, next, err := console.Messages(ctx, p.Store, q)
	if err != nil {
		return nil, err
	}
	answer := messagePage{List: []report.FoundMessage{}, Cursor: next}
	for _, record := range found {
		answer.List = append(answer.List, report.NewFoundMessage(record))
	}
	return answer, nil
}
