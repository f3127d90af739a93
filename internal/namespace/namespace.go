// Package namespace is the domain of tenants: their configuration, how it is
// changed, who may act for them, and the in-memory registry every process
// keeps of it.
//
// It imports only internal/name, internal/input, internal/auth, internal/apikey
// and golang.org/x/crypto. The Registry owns
// one goroutine between Start and Close; everything else is safe for
// concurrent use.
package namespace

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/lightpush/lightpush/internal/apikey"
)

// Namespace is the stored configuration of one tenant. Values are immutable
// once handed out: change a copy and Save it.
type Namespace struct {
	Key                string // with its leading slash
	Name               *string
	ConnectCallback    *string // absent or empty: no callback
	DisconnectCallback *string
	CallbackAuth       *string // sent verbatim as authorization header of callbacks
	CallbackSecret     *string `json:",omitempty"` // signs callbacks; see callback.Signature
	PasswdHash         string  // see HashPassword; empty never authenticates
	ViewerHash         string  `json:",omitempty"` // of the password that only looks; empty: there is none
	APNs               []APNsProfile
	UpdateDate         int64 // ms
	ClientIP           string
	Offline            bool
	// ClientPushOff refuses the push event of clients.
	ClientPushOff bool `json:",omitempty"`
	// JoinForeign lets clients join the rooms of other users; nil: as the
	// configuration says.
	JoinForeign *bool `json:",omitempty"`
	// Auth says who may connect.
	Auth Auth `json:",omitzero"`
	// APIKeys may call the REST interface beside the password.
	APIKeys []apikey.Key `json:",omitempty"`
	// Limits are what the namespace has set for itself, Granted what an
	// administrator has set for it.
	Limits  Limits `json:",omitzero"`
	Granted Limits `json:",omitzero"`
	// Purge is what is being removed of the namespace right now.
	Purge Purge `json:",omitempty"`
}

// APNsProfile is one set of APNs credentials (light-push-wire.md 1.4.10).
// Secret fields are never given back by the API.
type APNsProfile struct {
	Name           string `json:"name"`
	Env            string `json:"apns_env,omitempty"`
	Expiration     string `json:"apns_expiration,omitempty"`
	Topic          string `json:"apns_topic,omitempty"`
	DevCert        string `json:"apns_dev_cert,omitempty"`
	DevKey         string `json:"apns_dev_key,omitempty"`
	ProductionCert string `json:"apns_production_cert,omitempty"`
	ProductionKey  string `json:"apns_production_key,omitempty"`
	TokenKey       string `json:"token_key,omitempty"`
	TokenKeyID     string `json:"token_keyId,omitempty"`
	TokenTeamID    string `json:"token_teamId,omitempty"`
	// Host stands in for Apple's gateway, "https://host:port"; "" for Apple's,
	// or the configuration's apns_host.
	Host string `json:"apns_host,omitempty"`
}

// Root is the namespace every v2 client is in by itself. It holds the
// default APNs profile and is no tenant: nobody is pushed to in it.
const Root = "/"

// Errors of the domain with the texts clients know.
var (
	ErrNotFound    = errors.New("namespace not found")      // REST credential (1.1)
	ErrUnknown     = errors.New("this namespace not found") // handshake (2.4)
	ErrLost        = errors.New("this namespace lose")      // push and transfer (1.4.2)
	ErrOffline     = errors.New("this namespace offline")
	ErrPassword    = errors.New("passwd error")
	ErrKeyMissing  = errors.New("key is null")
	ErrKeyInvalid  = errors.New("namespace invalid")
	ErrNoPassword  = errors.New("auth_passwd can not be empty")
	ErrUnavailable = errors.New("namespaces are not loaded yet")
	ErrNotOffline  = errors.New("namespace must be set offline on") // maintenance (1.4.11)
	ErrBusy        = errors.New("namespace is being cleared, try again later")
)

// SecretMark stands in answers where a secret is set. Saving it back leaves
// the secret unchanged, so that a read-modify-write of the whole record works.
const SecretMark = "******"

// Public is the record as the API answers it: names and order of
// light-push-wire.md 1.4.10, secrets replaced by SecretMark (B33).
type Public struct {
	Key                string        `json:"key"`
	Name               *string       `json:"name"`
	ConnectCallback    *string       `json:"connect_callback"`
	DisconnectCallback *string       `json:"disconnect_callback"`
	AuthPasswd         *string       `json:"auth_passwd"`
	APNs               []APNsProfile `json:"apns_list"` // null when never set
	UpdateDate         string        `json:"update_date"`
	ClientIP           string        `json:"client_ip"`
	CallbackAuth       *string       `json:"callback_auth"`
	Offline            string        `json:"offline"`
	ClientPush         string        `json:"client_push"`
	JoinForeign        string        `json:"join_foreign_user_room"` // on, off, or "" for the configuration's
	CallbackSecret     *string       `json:"callback_secret"`
	ViewerPasswd       *string       `json:"viewer_passwd"`
	PublicAuth
	PublicLimits
}

// Public returns n with every secret replaced.
func (n *Namespace) Public() Public {
	p := Public{
		Key:                n.Key,
		Name:               n.Name,
		ConnectCallback:    n.ConnectCallback,
		DisconnectCallback: n.DisconnectCallback,
		AuthPasswd:         maskSet(n.PasswdHash != ""),
		UpdateDate:         formatMillis(n.UpdateDate),
		ClientIP:           n.ClientIP,
		CallbackAuth:       maskSet(n.CallbackAuth != nil && *n.CallbackAuth != ""),
		Offline:            onOff(n.Offline),
		ClientPush:         onOff(!n.ClientPushOff),
		CallbackSecret:     maskSet(n.CallbackSecret != nil && *n.CallbackSecret != ""),
		ViewerPasswd:       maskSet(n.ViewerHash != ""),
		PublicAuth:         n.publicAuth(),
		PublicLimits:       PublicLimits(n.shownLimits()),
	}
	if n.JoinForeign != nil {
		p.JoinForeign = onOff(*n.JoinForeign)
	}
	if n.APNs != nil {
		p.APNs = []APNsProfile{}
	}
	for _, profile := range n.APNs {
		for _, secret := range profile.secrets() {
			if *secret != "" {
				*secret = SecretMark
			}
		}
		p.APNs = append(p.APNs, profile)
	}
	return p
}

// secrets are the fields that must not be given back: the keys, and a
// certificate whose PEM text carries its key along.
func (p *APNsProfile) secrets() []*string {
	secrets := []*string{&p.DevKey, &p.ProductionKey, &p.TokenKey}
	for _, cert := range []*string{&p.DevCert, &p.ProductionCert} {
		if strings.Contains(*cert, "PRIVATE KEY") {
			secrets = append(secrets, cert)
		}
	}
	return secrets
}

func maskSet(set bool) *string {
	if !set {
		return nil
	}
	mark := SecretMark
	return &mark
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// Clone returns a deep copy that may be changed.
func (n *Namespace) Clone() *Namespace {
	c := *n
	c.APNs = slices.Clone(n.APNs)
	c.APIKeys = slices.Clone(n.APIKeys)
	return &c
}

// Encode gives the one JSON form in which a namespace is stored.
func (n *Namespace) Encode() ([]byte, error) { return json.Marshal(n) }

// Decode reads Encode's form.
func Decode(data []byte) (*Namespace, error) {
	var n Namespace
	if err := json.Unmarshal(data, &n); err != nil {
		return nil, err
	}
	return &n, nil
}
