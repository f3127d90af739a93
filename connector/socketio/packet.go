package socketio

import (
	"bytes"
	"errors"
	"strings"
)

// packetType is the first digit of a packet.
type packetType byte

const (
	packetConnect      packetType = '0'
	packetDisconnect   packetType = '1'
	packetEvent        packetType = '2'
	packetAck          packetType = '3'
	packetConnectError packetType = '4'
	packetBinaryEvent  packetType = '5'
	packetBinaryAck    packetType = '6'
)

// maxAttachments is the official bound of binary attachments per packet.
const maxAttachments = 10

// maxAckID bounds ids from clients: JavaScript loses digits above 2^53.
const maxAckID = 1<<53 - 1

// packet is one decoded header; payload is the JSON text behind it, nil when
// absent, and points into the input.
type packet struct {
	typ         packetType
	namespace   string // "/" when not given
	query       string // SIO4: what followed '?' in the namespace
	ackID       uint64
	hasAckID    bool
	attachments int
	payload     []byte
}

// Protocol violations. Each closes the connection of the offender unless the
// caller says otherwise.
var (
	errEmptyPacket      = errors.New("socketio: empty packet")
	errUnknownType      = errors.New("socketio: unknown packet type")
	errAttachmentCount  = errors.New("socketio: bad attachment count")
	errAckID            = errors.New("socketio: bad ack id")
	errPayload          = errors.New("socketio: payload does not fit the packet type")
	errReservedEvent    = errors.New("socketio: reserved event name")
	errPlaceholder      = errors.New("socketio: bad attachment placeholder")
	errUnexpectedBinary = errors.New("socketio: binary message nobody waits for")
	errUnexpectedText   = errors.New("socketio: text message while attachments are due")
	errNotJoined        = errors.New("socketio: packet for a namespace that is not joined")
	errServerOnly       = errors.New("socketio: packet type is for servers only")
	errAlreadyJoined    = errors.New("socketio: namespace is joined already")
	errInboundOverflow  = errors.New("socketio: too much waits for the handlers")
)

// parsePacket splits one Socket.IO text packet (without Engine.IO's '4'):
// type [attachments "-"] [namespace ","] [ack id] [json]. With sio4 a query
// is cut off the namespace. A namespace equal to usual shares its bytes. It
// judges only the grammar; parsePayload judges whether the JSON fits the type.
func parsePacket(data []byte, sio4 bool, usual string) (p packet, err error) {
	if len(data) == 0 {
		return packet{}, errEmptyPacket
	}
	p = packet{typ: packetType(data[0]), namespace: "/"}
	if p.typ < packetConnect || p.typ > packetBinaryAck {
		return packet{}, errUnknownType
	}
	rest := data[1:]
	if p.typ == packetBinaryEvent || p.typ == packetBinaryAck {
		if rest, err = p.parseAttachments(rest); err != nil {
			return packet{}, err
		}
	}
	if len(rest) > 0 && rest[0] == '/' {
		rest = p.parseNamespace(rest, sio4, usual)
	}
	if rest, err = p.parseAckID(rest); err != nil {
		return packet{}, err
	}
	if len(rest) > 0 {
		p.payload = rest
	}
	return p, nil
}

func (p *packet) parseAttachments(data []byte) ([]byte, error) {
	i := 0
	for i < len(data) && data[i] >= '0' && data[i] <= '9' {
		p.attachments = p.attachments*10 + int(data[i]-'0')
		if p.attachments > maxAttachments {
			return nil, errAttachmentCount
		}
		i++
	}
	if p.attachments == 0 || i == len(data) || data[i] != '-' {
		return nil, errAttachmentCount
	}
	return data[i+1:], nil
}

func (p *packet) parseNamespace(data []byte, sio4 bool, usual string) (rest []byte) {
	name, rest, _ := bytes.Cut(data, []byte{','})
	if string(name) == usual {
		p.namespace = usual
		return rest
	}
	p.namespace = string(name)
	if sio4 {
		// Only SIO4 has queries here; in SIO5 '?' is part of the name.
		p.namespace, p.query, _ = strings.Cut(p.namespace, "?")
	}
	return rest
}

func (p *packet) parseAckID(data []byte) ([]byte, error) {
	i := 0
	for i < len(data) && data[i] >= '0' && data[i] <= '9' {
		p.ackID = p.ackID*10 + uint64(data[i]-'0')
		if p.ackID > maxAckID {
			return nil, errAckID
		}
		i++
	}
	p.hasAckID = i > 0
	return data[i:], nil
}

// reserved are event names that official parsers on either side refuse.
func reserved(event string) bool {
	switch event {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}
