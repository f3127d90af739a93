package bus

import (
	"strconv"

	"github.com/lightpush/lightpush/internal/auth"
)

// RevocationListener is a Listener that hears of revocations too; others load
// everything again.
type RevocationListener interface {
	Revoked(r auth.Revocation)
}

// RevocationCommand appends the notice of a revocation, encoded, to the control
// stream.
func RevocationCommand(prefix, encoded string) []any {
	return []any{"XADD", ControlKey(prefix), "MAXLEN", "~", strconv.Itoa(controlMax), "*", fieldRevocation, encoded}
}

// revoked reports whether a notice was taken by the listener.
func (c *Control) revoked(field, value string) bool {
	l, ok := c.listener.(RevocationListener)
	if field != fieldRevocation || !ok {
		return false
	}
	r, err := auth.DecodeRevocation(value)
	if err != nil {
		return false
	}
	l.Revoked(r)
	return true
}
