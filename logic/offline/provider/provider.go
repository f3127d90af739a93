// Package provider is what the offline worker knows of push services: how to
// find the credentials a message asks for, how to send, what came of it, and
// the words of the report. APNs is the first implementation (logic/offline/apns).
//
// # Adding another service
//
// FCM HTTP v1, Huawei Push Kit and Web Push each become a package beside apns
// that implements Provider, and one line in the Set that cmd/lightpush gives
// the worker: the key is the platform of the devices it serves ("android", or
// a platform of its own such as "harmony" or "webpush"). Queue, worker, fates
// and reports stay as they are, because
//
//   - what a push says to a service is the member of pushData that Member
//     names (apsData; fcmData, hmsData, webData), so services never compete
//     for one payload and it is never sent to online clients;
//   - a device's address is one opaque text, the device_token of its record: a
//     registration token, or the JSON of a Web Push subscription;
//   - credentials are found by Open from (namespace, name), where name is the
//     message's apnsName; a service with another rule reads another name;
//   - whatever a service answers is one of four outcomes, and the words for
//     reports are made by the service itself (Result.Text).
//
// The package imports nothing of the project and owns no goroutine.
package provider

import (
	"context"
	"encoding/json"
	"time"
)

// Notification is one message for one device.
type Notification struct {
	MessageID int64
	Namespace string // of the message, with its leading slash
	Room      string
	ClientID  string
	// Token is the address of the device at the service; opaque, any length,
	// checked by the Sender. The worker sends nothing without one.
	Token string
	// Payload is the member of pushData that Provider.Member names, nil when
	// the push has none. It is shared between notifications: read only.
	Payload json.RawMessage
	// ExpireAt is the end of the message's life, ms; no service may keep it
	// for longer. 0: unknown.
	ExpireAt int64
}

// Outcome is what became of a notification.
type Outcome int

// Outcomes. Only Unavailable is worth a later retry; the Sender has made its
// own short retries before.
const (
	// Sent: the service took the notification over.
	Sent Outcome = iota + 1
	// Rejected: the service refuses this notification for good. The token
	// stays.
	Rejected
	// BadToken: the device is not, or no longer, reachable under its token,
	// which the worker removes from the record if it is still the same.
	BadToken
	// Unavailable: the service could not be reached or asks to wait. Nothing
	// is known of the device; it may even have got the notification.
	Unavailable
)

// String returns the name of the outcome in metrics and logs.
func (o Outcome) String() string {
	switch o {
	case Sent:
		return "sent"
	case Rejected:
		return "rejected"
	case BadToken:
		return "bad_token"
	case Unavailable:
		return "unavailable"
	}
	return "unknown"
}

// Result is what became of one notification.
type Result struct {
	Outcome Outcome
	// Status is the HTTP status of the last answer, 0 when there was none.
	Status int
	// Reason is the service's word for a refusal ("BadDeviceToken"), or what
	// went wrong with the connection; "" when sent. At most 200 bytes.
	Reason string
	// Text is what the record field result says of this device
	// (light-push-wire.md 4.8); "" adds nothing. At most 300 bytes.
	Text string
	// ID is the service's id of the notification, "" when unknown.
	ID string
	// RetryAfter is how long the service asks to wait, 0 when it does not
	// say. Only with Unavailable.
	RetryAfter time.Duration
}

// Sender sends with one set of credentials. It is safe for concurrent use,
// stays valid when the credentials change (it then uses the new ones), and
// needs no closing. Get one per message: Provider.Open is cheap.
type Sender interface {
	// Intro is how the record field result of a run begins, "apnsEnv:dev  ".
	Intro() string
	// Send returns one Result per notification, in their order. It sends
	// concurrently within the bounds of the provider, so give it hundreds at
	// once; it makes short retries of its own and returns when every
	// notification has its outcome. When ctx ends, the rest is Unavailable.
	Send(ctx context.Context, batch []Notification) []Result
}

// Provider is one push service.
type Provider interface {
	// Name is the service in metrics, logs and fates: "apns".
	Name() string
	// Member is the member of pushData that carries the payload: "apsData".
	Member() string
	// MaxPayload is the most bytes of JSON a payload may have.
	MaxPayload() int
	// Open finds the credentials that a message of a namespace names; name ""
	// is the default. A *ProfileError is final and its Text becomes the
	// record's result; any other error is worth a later retry.
	Open(namespace, name string) (Sender, error)
}

// ProfileError says that there are no usable credentials.
type ProfileError struct {
	Text string // the record's result, one of TextNoDefault, TextNoProfile, TextNoProvider
	Err  error  // the cause for the log; may be nil, never holds a secret
}

func (e *ProfileError) Error() string {
	if e.Err == nil {
		return e.Text
	}
	return e.Text + ": " + e.Err.Error()
}

func (e *ProfileError) Unwrap() error { return e.Err }

// Set maps platforms ("ios") to the service that serves their devices. It is
// fixed after the start.
type Set map[string]Provider
