package namespace

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lightpush/lightpush/internal/input"
)

// field returns where the profile keeps the field of that JSON name, nil for
// a name that does not exist.
func (p *APNsProfile) field(jsonName string) *string {
	switch jsonName {
	case "apns_env":
		return &p.Env
	case "apns_expiration":
		return &p.Expiration
	case "apns_topic":
		return &p.Topic
	case "apns_dev_cert":
		return &p.DevCert
	case "apns_dev_key":
		return &p.DevKey
	case "apns_production_cert":
		return &p.ProductionCert
	case "apns_production_key":
		return &p.ProductionKey
	case "token_key":
		return &p.TokenKey
	case "token_keyId":
		return &p.TokenKeyID
	case "token_teamId":
		return &p.TokenTeamID
	case "apns_host":
		return &p.Host
	}
	return nil
}

// parseProfiles reads apns_list. A value that is no array, or an empty one,
// changes nothing (light-push-wire.md 1.4.10); unknown fields are dropped.
func parseProfiles(f input.Fields) ([]APNsPatch, error) {
	raw, ok := f.Raw("apns_list")
	if !ok || raw[0] != '[' {
		return nil, nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, &input.FieldError{Field: "apns_list", Problem: "must be an array of objects"}
	}
	if len(items) > profilesMax {
		return nil, tooManyProfiles()
	}
	var patches []APNsPatch
	for i, item := range items {
		patch, err := parseProfile(item)
		if err != nil {
			return nil, profileError(i, err)
		}
		patches = append(patches, patch)
	}
	return patches, nil
}

func tooManyProfiles() error {
	return &input.FieldError{Field: "apns_list", Problem: fmt.Sprintf("must have at most %d elements", profilesMax)}
}

// profileError names the element of apns_list, and the field within it.
func profileError(i int, err error) error {
	var inner *input.FieldError
	if errors.As(err, &inner) {
		return &input.FieldError{Field: fmt.Sprintf("apns_list[%d].%s", i, inner.Field), Problem: inner.Problem}
	}
	return &input.FieldError{Field: fmt.Sprintf("apns_list[%d]", i), Problem: err.Error()}
}

var errNotProfile = errors.New("must be an object")

func parseProfile(item json.RawMessage) (APNsPatch, error) {
	f, err := input.FromJSON(item)
	if err != nil {
		return APNsPatch{}, errNotProfile
	}
	profile, _, err := f.Text("name", nameMax)
	if err != nil {
		return APNsPatch{}, err
	}
	if profile == "" {
		return APNsPatch{}, &input.FieldError{Field: "name", Problem: "can not be empty"}
	}
	patch := APNsPatch{Name: profile, Fields: map[string]string{}}
	if patch.Delete, _, err = f.Bool("del"); err != nil {
		return APNsPatch{}, err
	}
	var probe APNsProfile
	for field := range f {
		if probe.field(field) == nil {
			continue
		}
		text, _, err := f.Text(field, pemMax)
		if err != nil {
			return APNsPatch{}, err
		}
		if text != SecretMark { // sent back unchanged by a reader of the record
			patch.Fields[field] = text
		}
	}
	return patch, nil
}

// mergeProfiles applies patches by name: new names are appended, known ones
// merged field by field and judged, deleted ones removed. Errors:
// *input.FieldError with the position in the request.
func mergeProfiles(profiles []APNsProfile, patches []APNsPatch, tenant bool, now time.Time) ([]APNsProfile, error) {
	for i, patch := range patches {
		at := slices.IndexFunc(profiles, func(p APNsProfile) bool { return p.Name == patch.Name })
		switch {
		case patch.Delete && at >= 0:
			profiles = slices.Delete(profiles, at, at+1)
			continue
		case patch.Delete:
			continue
		case at < 0:
			profiles = append(profiles, APNsProfile{Name: patch.Name})
			at = len(profiles) - 1
		}
		before := profiles[at]
		for field, value := range patch.Fields {
			*profiles[at].field(field) = value
		}
		if err := profiles[at].check(before, tenant, now); err != nil {
			return nil, profileError(i, err)
		}
	}
	return profiles, nil
}

// firstCredential finds a secret that patches bring, as the field of the
// request; "" for none.
func firstCredential(patches []APNsPatch) string {
	for i, patch := range patches {
		for _, field := range []string{"token_key", "apns_production_key", "apns_dev_key", "apns_production_cert", "apns_dev_cert"} {
			if patch.Fields[field] != "" && !patch.Delete {
				return fmt.Sprintf("apns_list[%d].%s", i, field)
			}
		}
	}
	return ""
}
