package socketio

import (
	"encoding/json"
	"sort"
	"strconv"

	"github.com/lightpush/lightpush/connector/engineio"
)

// noAck is the ack id of packets that want none.
const noAck = -1

// encodePacket makes the engine messages of one packet: the text and, behind
// it, its attachments. They can be shared by any number of sessions.
func encodePacket(typ packetType, nsp string, ackID int64, payload []byte, attachments [][]byte) []*engineio.Message {
	header := make([]byte, 0, len(nsp)+len(payload)+24)
	if len(attachments) > 0 {
		switch typ {
		case packetEvent:
			typ = packetBinaryEvent
		case packetAck:
			typ = packetBinaryAck
		}
	}
	header = append(header, byte(typ))
	if len(attachments) > 0 {
		header = strconv.AppendInt(header, int64(len(attachments)), 10)
		header = append(header, '-')
	}
	if nsp != "/" {
		header = append(header, nsp...)
		header = append(header, ',')
	}
	if ackID != noAck {
		header = strconv.AppendInt(header, ackID, 10)
	}
	header = append(header, payload...)
	if len(attachments) == 0 {
		return []*engineio.Message{engineio.TextMessage(header)}
	}
	msgs := make([]*engineio.Message, 0, 1+len(attachments))
	msgs = append(msgs, engineio.TextMessage(header))
	for _, a := range attachments {
		msgs = append(msgs, engineio.BinaryMessage(a))
	}
	return msgs
}

// encodeEvent makes an EVENT or BINARY_EVENT.
func encodeEvent(nsp string, ackID int64, event string, args []any) ([]*engineio.Message, error) {
	if reserved(event) {
		return nil, errReservedEvent
	}
	payload, attachments, err := encodeArgs(event, args)
	if err != nil {
		return nil, err
	}
	return encodePacket(packetEvent, nsp, ackID, payload, attachments), nil
}

// encodeConnect is the answer to CONNECT: SIO5 tells the socket id, SIO4
// carries no payload (older 2.x parsers reject one).
func encodeConnect(nsp, id string, sio4 bool) []*engineio.Message {
	if sio4 {
		return encodePacket(packetConnect, nsp, noAck, nil, nil)
	}
	payload, _ := json.Marshal(struct {
		SID string `json:"sid"`
	}{id})
	return encodePacket(packetConnect, nsp, noAck, payload, nil)
}

// encodeConnectError refuses a namespace: an object for SIO5; for SIO4 the
// bare text, or the data in its place.
func encodeConnectError(nsp string, e *ConnectError, sio4 bool) []*engineio.Message {
	var payload []byte
	var err error
	switch {
	case !sio4:
		payload, err = marshal(struct {
			Message string `json:"message"`
			Data    any    `json:"data,omitempty"`
		}{e.Message, e.Data})
	case e.Data != nil:
		payload, err = marshal(e.Data)
	default:
		payload, err = marshal(e.Message)
	}
	if err != nil { // data that cannot be encoded: the text alone
		return encodeConnectError(nsp, &ConnectError{Message: e.Message}, sio4)
	}
	return encodePacket(packetConnectError, nsp, noAck, payload, nil)
}

func encodeDisconnect(nsp string) []*engineio.Message {
	return encodePacket(packetDisconnect, nsp, noAck, nil, nil)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
