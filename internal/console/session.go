package console

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Role is what a session may do.
type Role string

// Admin and Viewer act for every namespace, Owner and Reader for their own.
// Viewer and Reader change nothing.
const (
	Admin  Role = "admin"
	Viewer Role = "viewer"
	Owner  Role = "owner"
	Reader Role = "reader"
)

// Everywhere reports that the role is not bound to one namespace.
func (r Role) Everywhere() bool { return r == Admin || r == Viewer }

// Writes reports that the role may change something.
func (r Role) Writes() bool { return r == Admin || r == Owner }

// Account is who a session belongs to.
type Account struct {
	Role      Role   `json:"role"`
	Name      string `json:"name"`      // the administrator's or the namespace's
	Namespace string `json:"namespace"` // of Owner and Reader, else ""
}

// Session is one login.
type Session struct {
	Account
	CSRF    string `json:"csrf"`    // what every change must repeat
	Created int64  `json:"created"` // ms
	// Mark is bound to the credential the session was opened with, and says
	// nothing of it to who cannot present the token.
	Mark string `json:"mark"`
}

// SessionStore keeps sessions for all processes, under the digest of their
// tokens.
type SessionStore interface {
	// PutSession keeps a session for ttl; of the sessions of an account the
	// newest most are kept.
	PutSession(ctx context.Context, id, account string, data []byte, ttl time.Duration, most int) error
	// WebSession reads a session and how long it is still kept; nil when
	// there is none.
	WebSession(ctx context.Context, id string) (data []byte, left time.Duration, err error)
	// ExtendSession keeps an existing session for ttl from now.
	ExtendSession(ctx context.Context, id string, ttl time.Duration) error
	DropSession(ctx context.Context, id string) error
}

// ErrSession is returned for a token without a session: it never was one, it
// has expired, or its account has another password by now.
var ErrSession = errors.New("session expired")

// Bounds of sessions.
const (
	sessionIdle = 30 * time.Minute
	sessionLife = 12 * time.Hour
	// sessionTouch is how much older a session may look than it is: not
	// every request writes.
	sessionTouch = time.Minute
	sessionsMost = 100 // of one account
	tokenBytes   = 32
)

// Sessions are the logins of the console.
type Sessions struct {
	store SessionStore
	now   func() time.Time
}

// NewSessions returns Sessions; now may be nil.
func NewSessions(store SessionStore, now func() time.Time) *Sessions {
	if now == nil {
		now = time.Now
	}
	return &Sessions{store: store, now: now}
}

// Open begins a session. credential is what the account's password is checked
// against; when that changes the session ends. token is for the caller alone.
func (s *Sessions) Open(ctx context.Context, a Account, credential string) (token string, opened Session, expires time.Time, err error) {
	token = secret()
	now := s.now()
	opened = Session{Account: a, CSRF: secret(), Created: now.UnixMilli(), Mark: markOf(token, credential)}
	data, err := json.Marshal(opened)
	if err != nil {
		return "", Session{}, time.Time{}, fmt.Errorf("encode session: %w", err)
	}
	if err := s.store.PutSession(ctx, sessionID(token), string(a.Role)+" "+a.Name, data, sessionIdle, sessionsMost); err != nil {
		return "", Session{}, time.Time{}, err
	}
	return token, opened, now.Add(sessionIdle), nil
}

// Find returns the session of a token and when it ends unless it is used
// again. credential tells the present one of an account, false when the
// account is gone. Errors: ErrSession, else the store's.
func (s *Sessions) Find(ctx context.Context, token string, credential func(Account) (string, bool)) (Session, time.Time, error) {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return Session{}, time.Time{}, ErrSession
	}
	id := sessionID(token)
	data, left, err := s.store.WebSession(ctx, id)
	if err != nil {
		return Session{}, time.Time{}, err
	}
	var found Session
	if data == nil || json.Unmarshal(data, &found) != nil {
		return Session{}, time.Time{}, ErrSession
	}
	now := s.now()
	end := time.UnixMilli(found.Created).Add(sessionLife)
	present, ok := credential(found.Account)
	mark := markOf(token, present)
	if !ok || !now.Before(end) || left <= 0 || subtle.ConstantTimeCompare([]byte(mark), []byte(found.Mark)) != 1 {
		return Session{}, time.Time{}, errors.Join(ErrSession, s.store.DropSession(ctx, id))
	}
	keep := min(sessionIdle, end.Sub(now))
	if left < keep-sessionTouch {
		if err := s.store.ExtendSession(ctx, id, keep); err != nil {
			return Session{}, time.Time{}, err
		}
		left = keep
	}
	return found, now.Add(left), nil
}

// Close ends a session; one that does not exist is no error.
func (s *Sessions) Close(ctx context.Context, token string) error {
	return s.store.DropSession(ctx, sessionID(token))
}

// FitsCSRF compares in constant time.
func (s Session) FitsCSRF(given string) bool {
	return given != "" && subtle.ConstantTimeCompare([]byte(given), []byte(s.CSRF)) == 1
}

func secret() string {
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// sessionID is what the store may know of a token.
func sessionID(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// markOf binds a credential to a token: without the token, which the store
// never sees, a mark can neither be made nor be tried passwords on.
func markOf(token, credential string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(credential))
	return hex.EncodeToString(mac.Sum(nil))
}
