package api

import (
	"strconv"

	"github.com/lightpush/lightpush/logic/report"
)

// messageID is the id in the path of a message; anything that is none is the
// id of a message that does not exist.
func messageID(c *call) (int64, error) {
	text := c.gin.Param("id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != text {
		return 0, report.ErrNoMessage
	}
	return id, nil
}
