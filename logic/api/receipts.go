package api

import (
	"context"
	"strconv"

	"github.com/lightpush/lightpush/logic/report"
)

// receipts tells, device by device, what became of a message.
func (a *API) receipts(ctx context.Context, c *call) (any, error) {
	text := c.gin.Param("id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != text {
		return nil, report.ErrNoMessage
	}
	query := c.gin.Request.URL.Query()
	return a.o.Reports.Receipts(ctx, report.ReceiptQuery{
		Namespace: c.ns.Key, ID: id,
		Cursor: query.Get("cursor"), Size: positive(query, "size", report.ReceiptsDefault), State: query.Get("state"),
	})
}
