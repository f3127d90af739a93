package client

import (
	"errors"
	"strconv"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/name"
)

// Limits of the free fields of a record, in bytes.
const (
	DeviceTokenMax = 4096
	mobileMax      = 100
	systemMax      = 500
)

// Errors of records; a record of another namespace is an unknown one (B32).
var (
	ErrUnknown   = errors.New("this id not exists")
	ErrForbidden = errors.New("Forbidden") // the wire text
	ErrMutesFull = errors.New("too many rooms are muted")
)

// Position of a device, in degrees.
type Position struct{ Longitude, Latitude float64 }

// Update is a change of a device's record (light-push-wire.md 1.4.6).
type Update struct {
	// Fields by their names in the record; all values as stored.
	Fields map[string]string
	// Position is set when both coordinates are: it goes to the index that
	// discover searches.
	Position *Position
}

// ParseUpdate reads the fields a caller may write; all others are dropped
// (B28). An update without Fields asks to read. Errors are
// *input.FieldError.
func ParseUpdate(rules name.Rules, f input.Fields) (u Update, err error) {
	u.Fields = map[string]string{}
	for _, field := range []struct {
		name  string
		limit int
	}{
		{"device_token", DeviceTokenMax},
		{"mobile", mobileMax},
		{"system", systemMax},
		{"userId", 4 * rules.UserIDMax},
		{"nspName", 4 * rules.NamespaceMax},
	} {
		text, ok, err := f.Text(field.name, field.limit)
		if err != nil {
			return Update{}, err
		}
		if ok {
			u.Fields[field.name] = text
		}
	}
	leave, ok, err := LeaveMessage(f)
	if err != nil {
		return Update{}, err
	}
	if ok {
		u.Fields["leaveMessage"] = leave
	}
	longitude, hasLongitude, err := degrees(f, "longitude", 180)
	if err != nil {
		return Update{}, err
	}
	latitude, hasLatitude, err := degrees(f, "latitude", 90)
	if err != nil {
		return Update{}, err
	}
	if hasLongitude {
		u.Fields["longitude"] = formatDegrees(longitude)
	}
	if hasLatitude {
		u.Fields["latitude"] = formatDegrees(latitude)
	}
	if hasLongitude && hasLatitude {
		u.Position = &Position{longitude, latitude}
	}
	return u, nil
}

// LeaveMessage reads the switch of offline delivery as it is stored: true,
// false, or "" which means allowed.
func LeaveMessage(f input.Fields) (value string, ok bool, err error) {
	if _, ok = f.Raw("leaveMessage"); !ok {
		return "", false, nil
	}
	leave, set, err := f.Bool("leaveMessage")
	if err != nil || !set {
		return "", err == nil, err
	}
	return strconv.FormatBool(leave), true, nil
}

// ParsePosition reads the coordinates of a query; nil when not both are
// given.
func ParsePosition(f input.Fields) (*Position, error) {
	longitude, hasLongitude, err := degrees(f, "longitude", 180)
	if err != nil {
		return nil, err
	}
	latitude, hasLatitude, err := degrees(f, "latitude", 90)
	if err != nil || !hasLongitude || !hasLatitude {
		return nil, err
	}
	return &Position{longitude, latitude}, nil
}

// Position is the one a record remembers, nil when it has none.
func (r Record) Position() *Position {
	longitude, err1 := strconv.ParseFloat(r["longitude"], 64)
	latitude, err2 := strconv.ParseFloat(r["latitude"], 64)
	if err1 != nil || err2 != nil {
		return nil
	}
	return &Position{longitude, latitude}
}

func degrees(f input.Fields, field string, limit float64) (value float64, ok bool, err error) {
	value, ok, err = f.Number(field)
	if err == nil && (value < -limit || value > limit) {
		return 0, false, &input.FieldError{Field: field, Problem: "must be between -" + formatDegrees(limit) + " and " + formatDegrees(limit)}
	}
	return value, ok, err
}

func formatDegrees(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
