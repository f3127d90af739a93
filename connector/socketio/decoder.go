package socketio

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// incoming is one complete packet of a client.
type incoming struct {
	packet
	event string // EVENT and BINARY_EVENT; "" when the packet had no JSON
	args  Args
	auth  json.RawMessage // CONNECT
	size  int             // bytes held, for the bound of what waits
}

// decoder joins the messages of one session to packets. It belongs to the
// session and not to a transport: a header may come by POST and its
// attachments by WebSocket. Not safe for concurrent use.
type decoder struct {
	sio4    bool
	partial *incoming // a binary packet whose attachments are due
}

// decode takes one engine message. It returns nil when a packet is not
// complete yet. data is not kept.
func (d *decoder) decode(binary bool, data []byte) (*incoming, error) {
	if binary {
		return d.attach(data)
	}
	if d.partial != nil {
		return nil, errUnexpectedText
	}
	p, err := parsePacket(data, d.sio4)
	if err != nil {
		return nil, err
	}
	in := &incoming{packet: p, size: len(data)}
	if err := in.parsePayload(d.sio4); err != nil {
		return nil, err
	}
	in.payload = nil // points into data
	if p.attachments > 0 {
		d.partial = in
		return nil, nil
	}
	return in, nil
}

func (d *decoder) attach(data []byte) (*incoming, error) {
	in := d.partial
	if in == nil {
		return nil, errUnexpectedBinary
	}
	in.args.attachments = append(in.args.attachments, bytes.Clone(data))
	in.size += len(data)
	if len(in.args.attachments) < in.attachments {
		return nil, nil
	}
	d.partial = nil
	return in, nil
}

// parsePayload judges the JSON by the packet's type.
func (in *incoming) parsePayload(sio4 bool) error {
	switch in.typ {
	case packetConnect:
		return in.parseAuth(sio4)
	case packetDisconnect:
		if in.payload != nil || in.hasAckID {
			return errPayload
		}
	case packetEvent, packetBinaryEvent:
		return in.parseEvent()
	case packetAck, packetBinaryAck:
		return in.parseAck()
	case packetConnectError:
		return errServerOnly
	}
	return nil
}

// parseAuth: SIO5 allows an object or nothing; SIO4 clients may send an
// object, an array or null, which mean nothing there.
func (in *incoming) parseAuth(sio4 bool) error {
	if in.hasAckID {
		return errPayload
	}
	if in.payload == nil {
		return nil
	}
	if !json.Valid(in.payload) {
		return errPayload
	}
	text := bytes.TrimSpace(in.payload)
	switch {
	case text[0] == '{':
		in.auth = bytes.Clone(text)
		return nil
	case sio4 && (text[0] == '[' || string(text) == "null"):
		return nil
	}
	return errPayload
}

func (in *incoming) parseEvent() error {
	if in.payload == nil { // "2" or "21": legal, and nothing happens
		if in.attachments > 0 {
			return errPayload
		}
		return nil
	}
	elements, err := splitArray(in.payload)
	if err != nil {
		return err
	}
	if len(elements) == 0 {
		return errPayload
	}
	switch c := elements[0][0]; {
	case c == '"':
		if err := json.Unmarshal(elements[0], &in.event); err != nil {
			return errPayload
		}
	case c == '-' || (c >= '0' && c <= '9'):
		f, err := strconv.ParseFloat(string(elements[0]), 64)
		if err != nil {
			return errPayload
		}
		in.event = strconv.FormatFloat(f, 'f', -1, 64)
	default:
		return errPayload
	}
	if reserved(in.event) {
		return errReservedEvent
	}
	in.args.raw = elements[1:]
	return in.checkAttachments()
}

func (in *incoming) parseAck() error {
	if in.payload == nil { // "3" or "31": an ack without arguments
		if in.attachments > 0 {
			return errPayload
		}
		return nil
	}
	elements, err := splitArray(in.payload)
	if err != nil {
		return err
	}
	in.args.raw = elements
	return in.checkAttachments()
}

func (in *incoming) checkAttachments() error {
	if in.attachments == 0 {
		return nil
	}
	return checkPlaceholders(in.payload, in.attachments)
}
