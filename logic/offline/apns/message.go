package apns

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/sideshow/apns2"

	"github.com/lightpush/lightpush/logic/offline/provider"
)

// message is what all devices of one push get.
type message struct {
	body     []byte
	silent   bool
	collapse string
	refused  *provider.Result // why none of them can get it, nil when they can
}

// tokenMax bounds a device token, in characters; Apple's have 64 and may grow.
const tokenMax = 400

// collapseMax is Apple's bound of apns-collapse-id, in bytes.
const collapseMax = 64

// newMessage makes the body and the headers of a payload (light-push-wire.md
// 4.8): members stay as given and in their order; aps is added when missing,
// and so is its alert, except in silent pushes, which must not have one.
func (p *Provider) newMessage(payload json.RawMessage) *message {
	if len(payload) > p.o.MaxPayload {
		r := refusal(false, apns2.ReasonPayloadTooLarge, http.StatusRequestEntityTooLarge)
		return &message{refused: &r}
	}
	root, ok := parseObject(payload)
	if !ok {
		root = nil
	}
	m := &message{}
	aps, ok := parseObject(root.get("aps"))
	if !ok {
		aps = nil
	}
	if m.silent = isSilent(aps); !m.silent && isBlank(aps.get("alert")) {
		aps = aps.set("alert", quote(p.o.Alert))
	}
	m.body = root.set("aps", aps.bytes()).bytes()
	for _, name := range []string{"apns-collapse-id", "collapse-id", "collapseId"} {
		if id := text(root.get(name)); id != "" {
			m.collapse = id
			break
		}
	}
	if len(m.collapse) > collapseMax || !printable(m.collapse) {
		r := refusal(false, apns2.ReasonBadCollapseID, http.StatusBadRequest)
		m.refused = &r
	}
	return m
}

// isSilent: content for the app and nothing for the user.
func isSilent(aps object) bool {
	available := string(aps.get("content-available"))
	return (available == "1" || available == "true") &&
		isBlank(aps.get("alert")) && isBlank(aps.get("sound")) && isBlank(aps.get("badge"))
}

func isBlank(v json.RawMessage) bool { return len(v) == 0 || string(v) == "null" || string(v) == `""` }

// notification is the request for one device.
func (a *account) notification(n provider.Notification, token string, m *message) *apns2.Notification {
	note := &apns2.Notification{
		ApnsID: notificationID(n.MessageID, n.ClientID), DeviceToken: token, Topic: a.topic, CollapseID: m.collapse,
		Expiration: a.expires(n.ExpireAt), Priority: apns2.PriorityHigh, PushType: apns2.PushTypeAlert, Payload: m.body,
	}
	if m.silent {
		note.Priority, note.PushType = apns2.PriorityLow, apns2.PushTypeBackground
	}
	return note
}

// notificationID is the same for every repetition of a message for a device:
// a UUID of version 8 (RFC 9562 5.8) over both ids.
func notificationID(messageID int64, clientID string) string {
	sum := sha256.Sum256([]byte(strconv.FormatInt(messageID, 10) + "\x00" + clientID))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum[:16])
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

// deviceToken checks a token, which becomes part of a path. Apple's are hex;
// private gateways may use more letters. The form "<0123 4567>" that old apps
// send, iOS's description of the bytes, is understood.
func deviceToken(s string) (token string, ok bool) {
	if len(s) > 2*tokenMax {
		return "", false
	}
	if strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">") {
		s = strings.ReplaceAll(s[1:len(s)-1], " ", "")
	}
	if s == "" || len(s) > tokenMax {
		return "", false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '_':
		default:
			return "", false
		}
	}
	return s, true
}

// printable reports whether s may be a header value.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// object is a JSON object whose members keep their order and their bytes.
type object []member

type member struct {
	key   string
	value json.RawMessage
}

// parseObject reads an object; of a repeated member the last value counts, as
// JSON.parse has it.
func parseObject(raw json.RawMessage) (o object, ok bool) {
	if len(raw) == 0 || !json.Valid(raw) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		t, err := d.Token()
		key, isText := t.(string)
		if err != nil || !isText {
			return nil, false
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, false
		}
		o = o.set(key, value)
	}
	return o, true
}

func (o object) get(key string) json.RawMessage {
	for _, m := range o {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

func (o object) set(key string, value json.RawMessage) object {
	for i := range o {
		if o[i].key == key {
			o[i].value = value
			return o
		}
	}
	return append(o, member{key, value})
}

func (o object) bytes() []byte {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, quote(m.key)...), ':')
		b = append(b, m.value...)
	}
	return append(b, '}')
}

// quote writes a text as JSON.stringify does, with nothing escaped that need
// not be.
func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// text reads a JSON text; "" for anything else.
func text(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s)
	return s
}
