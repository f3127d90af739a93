package client

import (
	"fmt"

	"github.com/lightpush/lightpush/internal/input"
)

// Defaults and bounds of discover (light-push-wire.md 4.12).
const (
	radiusDefault = 10.0 // km
	radiusMax     = 1000.0
	countDefault  = 100
	countMax      = 500
)

// Area is what discover searches: connected devices around a position,
// nearest first, one per user.
type Area struct {
	Namespace string
	ClientID  string // of the caller, left out
	Around    Position
	RadiusKM  float64
	Count     int // of the answer
}

// Neighbour is a device somebody else may see. Fields are some of its record.
type Neighbour struct {
	ClientID   string
	UserID     string // effective
	DistanceKM float64
	Fields     map[string]string
}

// NeighbourFields are the fields of a record that others may see: nothing by
// which a device, a person or a place could be found (B35).
var NeighbourFields = []string{"nspName", "system", "last_connect_time"}

// ParseArea reads radius (km) and count; what is above the bounds counts as
// the bound. Around is left for the caller when no position is given.
func ParseArea(f input.Fields) (a Area, at *Position, err error) {
	if a.RadiusKM, err = positive(f, "radius", radiusDefault, radiusMax); err != nil {
		return Area{}, nil, err
	}
	count, err := positive(f, "count", countDefault, countMax)
	if err != nil {
		return Area{}, nil, err
	}
	if count != float64(int(count)) {
		return Area{}, nil, &input.FieldError{Field: "count", Problem: "must be a whole number"}
	}
	a.Count = int(count)
	at, err = ParsePosition(f)
	return a, at, err
}

func positive(f input.Fields, field string, unset, limit float64) (float64, error) {
	value, ok, err := f.Number(field)
	switch {
	case err != nil:
		return 0, err
	case !ok:
		return unset, nil
	case value <= 0:
		return 0, &input.FieldError{Field: field, Problem: "must be above 0"}
	}
	return min(value, limit), nil
}

// Public is the form in which others see a neighbour.
func (n Neighbour) Public() map[string]string {
	p := map[string]string{"id": n.ClientID, "userId": n.UserID, "distance": fmt.Sprintf("%.4f", n.DistanceKM)}
	for _, field := range NeighbourFields {
		if v, ok := n.Fields[field]; ok {
			p[field] = v
		}
	}
	return p
}
