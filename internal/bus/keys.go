package bus

import "strconv"

// controlMax is how many notices the control stream keeps, about.
const controlMax = 10_000

// Names of the one field an entry has: its kind.
const (
	fieldDelivery  = "d"
	fieldKick      = "k"
	fieldTransfer  = "t"
	fieldEvent     = "e"
	fieldDirect    = "o"
	fieldCanary    = "c"
	fieldHello     = "h"
	fieldNamespace = "n"

	fieldRevocation = "r"
)

// StreamKey is the stream of one node. Node ids never contain braces.
func StreamKey(prefix, node string) string { return prefix + "s:{" + node + "}" }

// ControlKey is the stream that every process reads.
func ControlKey(prefix string) string { return prefix + "ctl" }

// DeliveryCommand is the command that appends an encoded delivery to the
// stream of a node, unless the node is gone: a stream that does not exist is
// not created again. The reply is nil then.
func DeliveryCommand(stream string, max int64, entry []byte) []any {
	return appendCommand(stream, max, fieldDelivery, entry)
}

// KickCommand is the same for a kick.
func KickCommand(stream string, max int64, entry []byte) []any {
	return appendCommand(stream, max, fieldKick, entry)
}

// TransferCommand is the same for a transfer.
func TransferCommand(stream string, max int64, entry []byte) []any {
	return appendCommand(stream, max, fieldTransfer, entry)
}

// EventCommand is the same for an event of a room.
func EventCommand(stream string, max int64, entry []byte) []any {
	return appendCommand(stream, max, fieldEvent, entry)
}

// DirectCommand is the same for a message to one device.
func DirectCommand(stream string, max int64, entry []byte) []any {
	return appendCommand(stream, max, fieldDirect, entry)
}

// CanaryCommand is the same for a canary.
func CanaryCommand(stream string, max int64, entry []byte) []any {
	return appendCommand(stream, max, fieldCanary, entry)
}

// NamespaceCommand appends the notice that a namespace has changed to the
// control stream.
func NamespaceCommand(prefix, namespace string) []any {
	return []any{"XADD", ControlKey(prefix), "MAXLEN", "~", strconv.Itoa(controlMax), "*", fieldNamespace, namespace}
}

func appendCommand(stream string, max int64, field string, entry []byte) []any {
	return []any{"XADD", stream, "NOMKSTREAM", "MAXLEN", "~", strconv.FormatInt(max, 10), "*", field, entry}
}
