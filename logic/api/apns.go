package api

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/logic/offline/provider"
)

// Prober sends one notification at once and tells the real answer of the push
// service. A *provider.ProfileError says that there is no usable profile.
type Prober interface {
	Probe(ctx context.Context, ns, name, token string, payload json.RawMessage) (provider.Result, error)
}

// Limits of the fields of a test notification, in bytes.
const (
	apnsNameMax    = 200
	deviceTokenMax = 1000
	apsDataMax     = 16 << 10
)

// probed is the answer to a test notification.
type probed struct {
	Status int    `json:"status"` // of APNs; 0 when it gave no answer
	Reason string `json:"reason"` // "" when accepted, else APNs' word or what went wrong
	APNsID string `json:"apnsId"`
}

// testAPNs sends a test notification with a profile of the caller's
// namespace, or the default one, to a device token or to a device of the
// namespace. It is limited, because it is not made durable, not counted and
// not queued.
func (a *API) testAPNs(ctx context.Context, c *call) (any, error) {
	fields, err := c.form()
	if err != nil {
		return nil, err
	}
	if a.o.APNs == nil {
		return nil, FailUnavailable
	}
	name, _, err := fields.Text("apnsName", apnsNameMax)
	if err != nil {
		return nil, err
	}
	payload, err := testPayload(fields)
	if err != nil {
		return nil, err
	}
	if wait := a.probes.take(c.ns.Key, a.o.Now()); wait > 0 {
		c.gin.Writer.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
		return nil, FailTooManyTests
	}
	token, err := a.testDevice(ctx, c.ns.Key, fields)
	if err != nil {
		return nil, err
	}
	result, err := a.o.APNs.Probe(ctx, c.ns.Key, name, token, payload)
	var profile *provider.ProfileError
	switch {
	case errors.As(err, &profile):
		return nil, invalid(profile.Error())
	case err != nil:
		return nil, err
	}
	return probed{Status: result.Status, Reason: result.Reason, APNsID: result.ID}, nil
}

// testPayload reads the payload, which has the form of pushData.apsData.
func testPayload(fields input.Fields) (json.RawMessage, error) {
	raw, ok := fields.Raw("payload")
	switch {
	case !ok:
		return nil, nil
	case raw[0] != '{':
		return nil, &input.FieldError{Field: "payload", Problem: "must be an object"}
	case len(raw) > apsDataMax:
		return nil, &input.FieldError{Field: "payload", Problem: "must be at most " + strconv.Itoa(apsDataMax) + " bytes"}
	}
	return raw, nil
}

// testDevice finds the device token: as given, or in the record of a device.
func (a *API) testDevice(ctx context.Context, ns string, fields input.Fields) (string, error) {
	token, _, err := fields.Text("deviceToken", deviceTokenMax)
	if err != nil {
		return "", err
	}
	id, _, err := fields.Text("clientId", clientIDMax)
	switch {
	case err != nil:
		return "", err
	case (token == "") == (id == ""):
		return "", &input.FieldError{Field: "deviceToken", Problem: "or clientId must be given, one of them"}
	case token != "":
		return token, nil
	}
	record, err := a.o.Devices.Client(ctx, ns, id)
	if err != nil {
		return "", err
	}
	if len(record) == 0 {
		return "", &input.FieldError{Field: "clientId", Problem: "is no device of this namespace"}
	}
	if token = record["device_token"]; token == "" {
		return "", &input.FieldError{Field: "clientId", Problem: "is a device without a device_token"}
	}
	return token, nil
}

// probes limits test notifications per namespace. Its memory is bounded by
// the namespaces there are.
type probes struct {
	perMinute int

	mu   sync.Mutex
	left map[string]*rate.Limiter
}

func newProbes(perMinute int) *probes {
	return &probes{perMinute: perMinute, left: map[string]*rate.Limiter{}}
}

// take uses up one test of a namespace, or says how long to wait.
func (p *probes) take(ns string, now time.Time) (wait time.Duration) {
	if p.perMinute <= 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.left[ns]
	if l == nil {
		l = rate.NewLimiter(rate.Limit(float64(p.perMinute)/60), p.perMinute)
		p.left[ns] = l
	}
	r := l.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
	}
	return wait
}
