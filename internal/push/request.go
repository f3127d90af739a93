package push

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/name"
	"github.com/lightpush/lightpush/internal/namespace"
)

// Refusals of a push in the order they are checked, with the texts clients
// know (light-push-wire.md 1.4.2).
var (
	ErrRoomMissing   = errors.New("room can not be empty")
	ErrRoomInvalid   = errors.New("room invalid")
	ErrPushData      = errors.New("pushData can not be empty and must be an Object")
	ErrExcept        = errors.New("except must be string")
	ErrExpireInvalid = errors.New("expire invalid")
)

// ErrTooLarge refuses pushData of more bytes than its namespace allows.
var ErrTooLarge = errors.New("pushData is larger than this namespace allows")

// Limits of the free text fields, in bytes.
const (
	exceptMax   = 500
	apnsNameMax = 200
	fromMax     = 4096
	extraMax    = 4096
)

// Rules are the configured limits of a push.
type Rules struct {
	Names       name.Rules
	Expire      float64 // hours, when the request says nothing
	ExpireMax   float64 // hours
	APSDataSize int     // bytes of pushData.apsData
}

// Request is a validated push.
type Request struct {
	Room         string
	PushData     json.RawMessage
	LeaveMessage *bool
	APNsName     *string
	ExpireHours  float64
	Except       *string
	From         *string
	Extra        *string
}

// Parse validates the fields of a push to the namespace ns, in the order and
// with the texts of light-push-wire.md 1.4.2. Fields it does not know are
// dropped (B28).
func (r Rules) Parse(f input.Fields, ns *namespace.Namespace) (req Request, err error) {
	if req.Room, err = r.room(f); err != nil {
		return Request{}, err
	}
	if req.PushData, err = pushData(f); err != nil {
		return Request{}, err
	}
	if raw, ok := f.Raw("except"); ok && raw[0] != '"' {
		return Request{}, ErrExcept
	}
	switch {
	case ns == nil || ns.Key == namespace.Root:
		return Request{}, namespace.ErrLost
	case ns.Offline:
		return Request{}, namespace.ErrOffline
	}
	if most := ns.PushBytes(); most > 0 && len(req.PushData) > most {
		return Request{}, ErrTooLarge
	}
	if req.ExpireHours, err = r.expire(f, ns); err != nil {
		return Request{}, err
	}
	if err := req.readOptions(f); err != nil {
		return Request{}, err
	}
	if req.LeaveMessage != nil && *req.LeaveMessage { // few do, and to look for it takes a while
		if aps, ok := member(req.PushData, "apsData"); ok && len(aps) > r.APSDataSize {
			return Request{}, &APSDataError{Limit: r.APSDataSize}
		}
	}
	return req, nil
}

// APSDataError refuses an apsData of more than Limit bytes of JSON.
type APSDataError struct{ Limit int }

func (e *APSDataError) Error() string {
	return fmt.Sprintf("pushData.apsData size must be less then %d bytes", e.Limit)
}

func (r Rules) room(f input.Fields) (string, error) {
	room, ok, err := f.Text("room", 4*r.Names.RoomMax)
	switch {
	case err != nil:
		return "", ErrRoomInvalid
	case !ok || room == "":
		return "", ErrRoomMissing
	case !r.Names.Room(room):
		return "", ErrRoomInvalid
	}
	return room, nil
}

// pushData takes an object or array, also as text from a form body.
func pushData(f input.Fields) (json.RawMessage, error) {
	raw, ok := f.Raw("pushData")
	if !ok {
		return nil, ErrPushData
	}
	if raw[0] == '"' {
		var text string
		if json.Unmarshal(raw, &text) != nil || !json.Valid([]byte(text)) {
			return nil, ErrPushData
		}
		raw = json.RawMessage(text)
	}
	trimmed := raw[skipSpace(raw, 0):]
	if len(trimmed) == 0 || (trimmed[0] != '{' && trimmed[0] != '[') {
		return nil, ErrPushData
	}
	if isCompact(trimmed) { // and valid: it was parsed
		return bytes.Clone(trimmed), nil
	}
	var compact bytes.Buffer
	compact.Grow(len(trimmed))
	if err := json.Compact(&compact, trimmed); err != nil {
		return nil, ErrPushData
	}
	return compact.Bytes(), nil
}

func (r Rules) expire(f input.Fields, ns *namespace.Namespace) (float64, error) {
	hours, ok, err := f.Number("expire")
	life, longest := ns.ExpireHours(r.Expire, r.ExpireMax)
	switch {
	case err != nil || hours < 0 || hours > longest:
		return 0, ErrExpireInvalid
	case !ok || hours == 0:
		return life, nil
	}
	return hours, nil
}

func (req *Request) readOptions(f input.Fields) error {
	leave, ok, err := f.Bool("leaveMessage")
	if err != nil {
		return err
	}
	if ok {
		given := leave // most pushes have none of the options: only what is given goes to the heap
		req.LeaveMessage = &given
	}
	if req.Except, err = option(f.Text("except", exceptMax)); err != nil {
		return err
	}
	if req.APNsName, err = option(f.Text("apnsName", apnsNameMax)); err != nil {
		return err
	}
	if req.From, err = option(f.JSONText("from", fromMax)); err != nil {
		return err
	}
	req.Extra, err = option(f.JSONText("extra", extraMax))
	return err
}

// option is nil for a text that is not given or empty.
func option(text string, ok bool, err error) (*string, error) {
	if err != nil || !ok || text == "" {
		return nil, err
	}
	given := text
	return &given, nil
}

// Message makes the message of a validated request; ID is set when it is
// accepted.
func (req Request) Message(ns string, now time.Time) *Message {
	// Seconds are rounded up so that no expiry is ever zero (B40).
	seconds := int64(math.Ceil(req.ExpireHours * 3600))
	sent := now.UnixMilli()
	return &Message{
		Namespace:    ns,
		Room:         req.Room,
		PushData:     req.PushData,
		SendDate:     sent,
		Expire:       strconv.FormatFloat(req.ExpireHours, 'f', -1, 64),
		ExpireAt:     sent + max(seconds, 1)*1000,
		LeaveMessage: req.LeaveMessage,
		APNsName:     req.APNsName,
		Except:       req.Except,
		From:         req.From,
		Extra:        req.Extra,
	}
}
