package socketio

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// incoming is one complete packet of a client.
type incoming struct {
	packet
	event string // EVENT and BINARY_EVENT
	args  Args
	auth  json.RawMessage // CONNECT; nil when there was none
	size  int             // bytes held, for the bound of what waits
	due   int             // attachments that have not come yet
	// empty marks an event that nobody hears of: one without JSON, or one
	// that SIO4 servers ignore. Its attachments are swallowed.
	empty bool
}

// decoder joins the messages of one session to packets. It belongs to the
// session and not to a transport: a header may come by POST and its
// attachments by WebSocket. Not safe for concurrent use.
type decoder struct {
	sio4    bool
	usual   string    // the namespace of the packet before
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
	p, err := parsePacket(data, d.sio4, d.usual)
	if err != nil {
		return nil, err
	}
	in := &incoming{packet: p, size: len(data), due: p.attachments}
	if err := in.parsePayload(d.sio4); err != nil {
		return nil, err
	}
	in.payload = nil // points into data
	if in.due > 0 {
		d.partial = in
		return nil, nil
	}
	return in, nil
}

// keepUsual remembers a namespace that is joined, so that the next packet for
// it needs no copy of the name.
func (d *decoder) keepUsual(namespace string) { d.usual = namespace }

func (d *decoder) attach(data []byte) (*incoming, error) {
	in := d.partial
	if in == nil {
		return nil, errUnexpectedBinary
	}
	if !in.empty {
		in.args.attachments = append(in.args.attachments, bytes.Clone(data))
		in.size += len(data)
	}
	if in.due--; in.due > 0 {
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
		return in.parseEvent(sio4)
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
	case sio4 && (text[0] == '{' || text[0] == '[' || string(text) == "null"):
		return nil
	case !sio4 && text[0] == '{':
		in.auth = bytes.Clone(text)
		return nil
	}
	return errPayload
}

func (in *incoming) parseEvent(sio4 bool) error {
	if in.payload == nil { // "2" or "21": legal, and nothing happens
		in.empty = true
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
	if in.event, err = eventName(elements[0]); err != nil {
		return err
	}
	if reserved(in.event) {
		if !sio4 {
			return errReservedEvent
		}
		in.empty = true
		return nil
	}
	in.args.raw = elements[1:]
	return in.checkAttachments()
}

// eventName is the first element of an event: a string or a number.
func eventName(element json.RawMessage) (string, error) {
	switch c := element[0]; {
	case c == '"':
		if text := element[1 : len(element)-1]; plain(text) {
			return string(text), nil
		}
		var name string
		err := json.Unmarshal(element, &name)
		return name, err
	case c == '-' || (c >= '0' && c <= '9'):
		f, err := strconv.ParseFloat(string(element), 64)
		if err != nil {
			return "", errPayload
		}
		return strconv.FormatFloat(f, 'f', -1, 64), nil
	}
	return "", errPayload
}

// plain reports that the inside of a JSON string stands for itself.
func plain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
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
