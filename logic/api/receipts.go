package api

import (
	"context"

	"github.com/lightpush/lightpush/logic/report"
)

// receipts tells, device by device, what became of a message.
func (a *API) receipts(ctx context.Context, c *call) (any, error) {
	id, err := messageID(c)
	if err != nil {
		return nil, err
	}
	query := c.gin.Request.URL.Query()
	return a.o.Reports.Receipts(ctx, report.ReceiptQuery{
		Namespace: c.ns.Key, ID: id,
		Cursor: query.Get("cursor"), Size: positive(query, "size", report.ReceiptsDefault), State: query.Get("state"),
	})
}

// states counts the receipts of a message.
func (a *API) states(ctx context.Context, c *call) (any, error) {
	id, err := messageID(c)
	if err != nil {
		return nil, err
	}
	return a.o.Reports.States(ctx, c.ns.Key, id)
}
