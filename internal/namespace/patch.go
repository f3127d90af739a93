package namespace

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/name"
)

// Limits of the free fields of a namespace, in bytes.
const (
	nameMax     = 200
	urlMax      = 2000
	authMax     = 4000
	passwordMax = 1000
	profilesMax = 50
	pemMax      = 16 << 10
)

// Patch is a partial change of a namespace: nil fields stay as they are.
type Patch struct {
	Key                string
	MustExist          bool // a tenant changes its own namespace and cannot create one
	Name               *string
	ConnectCallback    *string
	DisconnectCallback *string
	CallbackAuth       *string
	CallbackSecret     *string
	Password           *string // plain; nil also when SecretMark or null was sent back
	ViewerPassword     *string // plain; "" for none, nil also when SecretMark was sent back
	ClientIP           *string
	Offline            *bool
	ClientPushOff      *bool
	JoinForeign        *Choice
	APNs               []APNsPatch
	Auth               AuthPatch
	Limits             map[string]int // by field; only given ones

	// ByAdmin says that an administrator saves, who may raise limits, and
	// Configured what they are held against; Registry.Save sets the latter.
	ByAdmin    bool
	Configured Limits

	// hashes are those made so far: while others change the namespace too,
	// Apply is repeated, and a hash takes longer than all the rest. nil: none
	// are kept.
	hashes map[string]string
}

// APNsPatch changes the profile of that name, adds it, or removes it.
type APNsPatch struct {
	Name   string
	Delete bool
	Fields map[string]string // JSON name → value; only given ones
}

// ParseKey normalises a namespace key: callers may leave the leading slash
// out, nothing else (B45).
func ParseKey(rules name.Rules, key string) (string, error) {
	if key == "" {
		return "", ErrKeyMissing
	}
	if !strings.HasPrefix(key, "/") {
		key = "/" + key
	}
	if !rules.Namespace(key) {
		return "", ErrKeyInvalid
	}
	return key, nil
}

// ParsePatch reads the fields of a save request (light-push-wire.md 1.4.10).
// key, when not empty, is the caller's own namespace and replaces the field;
// without it the administrator saves, and client_ip becomes empty.
func ParsePatch(rules name.Rules, f input.Fields, key string) (p Patch, err error) {
	p.MustExist = key != ""
	if key == "" {
		if key, _, err = f.Text("key", urlMax); err != nil {
			return Patch{}, ErrKeyInvalid
		}
	}
	if p.Key, err = ParseKey(rules, key); err != nil {
		return Patch{}, err
	}
	for _, field := range []struct {
		name  string
		limit int
		into  **string
	}{
		{"name", nameMax, &p.Name},
		{"connect_callback", urlMax, &p.ConnectCallback},
		{"disconnect_callback", urlMax, &p.DisconnectCallback},
		{"callback_auth", authMax, &p.CallbackAuth},
		{"callback_secret", passwordMax, &p.CallbackSecret},
		{"auth_passwd", passwordMax, &p.Password},
		{"viewer_passwd", passwordMax, &p.ViewerPassword},
		{"client_ip", nameMax, &p.ClientIP},
	} {
		if field.into == &p.ClientIP && !p.MustExist {
			p.ClientIP = new(string)
			continue
		}
		if *field.into, err = optionalText(f, field.name, field.limit); err != nil {
			return Patch{}, err
		}
	}
	if _, set := f.Raw("auth_passwd"); !set {
		p.Password = nil // null is how the record shows a namespace without one
	}
	if err := p.check(); err != nil {
		return Patch{}, err
	}
	if offline, ok, err := f.Bool("offline"); err != nil {
		return Patch{}, &input.FieldError{Field: "offline", Problem: "must be on or off"}
	} else if ok {
		p.Offline = &offline
	}
	if err := p.parseSwitches(f); err != nil {
		return Patch{}, err
	}
	if err := p.parseAuth(f); err != nil {
		return Patch{}, err
	}
	if err := p.parseLimits(f); err != nil {
		return Patch{}, err
	}
	p.APNs, err = parseProfiles(f)
	return p, err
}

// optionalText reads a text where null and "" both mean "make it empty" and
// absence means "leave it".
func optionalText(f input.Fields, field string, limit int) (*string, error) {
	if _, given := f[field]; !given {
		return nil, nil
	}
	text, _, err := f.Text(field, limit)
	if err != nil {
		return nil, err
	}
	return &text, nil
}

func (p *Patch) check() error {
	for _, callback := range []struct {
		field string
		url   *string
	}{{"connect_callback", p.ConnectCallback}, {"disconnect_callback", p.DisconnectCallback}} {
		if callback.url != nil && *callback.url != "" && !validCallback(*callback.url) {
			return &input.FieldError{Field: callback.field, Problem: "must be an absolute http or https URL"}
		}
	}
	if p.CallbackAuth != nil && strings.ContainsAny(*p.CallbackAuth, "\r\n\x00") {
		return &input.FieldError{Field: "callback_auth", Problem: "must not contain line breaks"}
	}
	if p.CallbackAuth != nil && *p.CallbackAuth == SecretMark {
		p.CallbackAuth = nil
	}
	if p.CallbackSecret != nil && *p.CallbackSecret == SecretMark {
		p.CallbackSecret = nil
	}
	if p.ViewerPassword != nil && *p.ViewerPassword == SecretMark {
		p.ViewerPassword = nil
	}
	if p.Password != nil {
		switch *p.Password {
		case SecretMark:
			p.Password = nil
		case "":
			return ErrNoPassword // an empty password never authenticates (B30)
		}
	}
	return nil
}

func validCallback(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.Fragment == ""
}

// Apply returns base changed by p; base nil means the namespace is new.
// now is in ms. A new namespace is always online and needs a password, but for
// the root, which nobody logs in to. UpdateDate always grows, so that two
// versions of a namespace can be told apart and put in order. Errors:
// ErrNotFound, ErrNoPassword, ErrBusy, *input.FieldError for APNs profiles.
func (p Patch) Apply(base *Namespace, now int64) (*Namespace, error) {
	var n *Namespace
	if base == nil {
		if p.MustExist {
			return nil, ErrNotFound
		}
		n = &Namespace{Key: p.Key}
		if p.Password == nil && p.Key != Root {
			return nil, ErrNoPassword
		}
	} else {
		n = base.Clone()
		if err := p.allowed(base); err != nil {
			return nil, err
		}
		if p.Offline != nil {
			n.Offline = *p.Offline
		}
	}
	for _, change := range []struct{ from, to **string }{
		{&p.Name, &n.Name},
		{&p.ConnectCallback, &n.ConnectCallback},
		{&p.DisconnectCallback, &n.DisconnectCallback},
		{&p.CallbackAuth, &n.CallbackAuth},
		{&p.CallbackSecret, &n.CallbackSecret},
	} {
		if *change.from != nil {
			*change.to = *change.from
		}
	}
	if n.CallbackSecret != nil && *n.CallbackSecret == "" {
		n.CallbackSecret = nil
	}
	if p.ClientIP != nil {
		n.ClientIP = *p.ClientIP
	}
	if p.Password != nil {
		hash, err := p.hash(*p.Password)
		if err != nil {
			return nil, err
		}
		n.PasswdHash = hash
	}
	if err := p.applyViewer(n); err != nil {
		return nil, err
	}
	p.applySwitches(n)
	if err := p.applyAuth(n); err != nil {
		return nil, err
	}
	if err := p.applyLimits(n); err != nil {
		return nil, err
	}
	var err error
	if n.APNs, err = mergeProfiles(n.APNs, p.APNs, p.MustExist, time.UnixMilli(now)); err != nil {
		return nil, err
	}
	if len(n.APNs) > profilesMax {
		return nil, tooManyProfiles()
	}
	n.UpdateDate = max(now, n.UpdateDate+1)
	return n, nil
}

func formatMillis(ms int64) string { return strconv.FormatInt(ms, 10) }

// hash is HashPassword, once for each password.
func (p Patch) hash(password string) (string, error) {
	if hash, ok := p.hashes[password]; ok {
		return hash, nil
	}
	hash, err := HashPassword(password)
	if err == nil && p.hashes != nil {
		p.hashes[password] = hash
	}
	return hash, err
}
