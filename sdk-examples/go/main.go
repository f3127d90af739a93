// Command receive shows everything lightpush can send to a device: it prints it, drops repeats, and confirms it. Settings
// come from the environment; see README.md.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func env(name, fallback string) string { return cmp.Or(os.Getenv(name), fallback) }

var (
	server    = env("PUSH_URL", "http://127.0.0.1:21314")
	namespace = env("PUSH_NAMESPACE", "/demo")
	user      = env("PUSH_USER", "gus")
	uuid      = env("PUSH_UUID", "example-go") // one per device, the same at every start
	rooms     = strings.FieldsFunc(env("PUSH_ROOMS", "news"), func(r rune) bool { return r == ',' })
	seen      = OpenSeen(env("PUSH_STATE", "seen-"+uuid+".json"))
)

// Refusals that another attempt can overcome; all others are final.
var temporary = regexp.MustCompile(`^(handshake fail|service unavailable|namespaces are not loaded yet|token keys unavailable|too many connections .*)$`)

// Refusals that a new token can overcome.
var needsToken = regexp.MustCompile(`^(token |handshake fail statusCode: 40)`)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx))
}

// run connects again and again, with growing pauses while nobody answers.
func run(ctx context.Context) int {
	var session Session
	longest, _ := strconv.Atoi(env("PUSH_RETRY_MAX", "5000"))
	pause := 500 * time.Millisecond
	for {
		began := time.Now()
		err := connect(ctx, &session)
		var refused Refused
		switch {
		case ctx.Err() != nil:
			return 0
		case errors.Is(err, ErrServerDisconnect) && closing == "token expired" && os.Getenv("PUSH_TOKEN_URL") != "":
			// connected again with a new one
		case errors.Is(err, ErrServerDisconnect):
			// A newer connection of this device has taken over, or the namespace is offline.
			fmt.Println("disconnected:", err)
			return 0
		case errors.As(err, &refused) && !temporary.MatchString(refused.Message) &&
			(os.Getenv("PUSH_TOKEN_URL") == "" || !needsToken.MatchString(refused.Message)):
			fmt.Println("refused:", err)
			return 1
		}
		fmt.Println("disconnected:", err)
		if time.Since(began) > time.Minute {
			pause = 500 * time.Millisecond
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 0
		}
		pause = min(2*pause, time.Duration(longest)*time.Millisecond)
	}
}

func connect(ctx context.Context, session *Session) error {
	token, err := currentToken(ctx)
	if err != nil {
		return err
	}
	query := url.Values{"uuid": {uuid}, "userid": {user}, "platform": {env("PUSH_PLATFORM", "android")}}
	if os.Getenv("PUSH_ANNOUNCE") != "" {
		query.Set("activityBroadcast", "true")
	}
	s, err := Dial(ctx, server, namespace, query, token, session)
	if err != nil {
		return err
	}
	leave := context.AfterFunc(ctx, s.Close)
	defer leave()
	closing = ""
	return s.Run(context.WithoutCancel(ctx), func() { join(s) }, func(e Event) {
		if e.Name == "tokenExpiring" {
			go refresh(s) // asks another server: the events behind this one do not wait
			return
		}
		handle(e)
	})
}

// closing is why the server ends the connection, when it has said so. Only the goroutine of run uses it.
var closing string

// refresh keeps a connection whose token is about to expire.
func refresh(s *Socket) {
	token, err := currentToken(context.Background())
	if err != nil {
		fmt.Println("not refreshed:", err)
		return
	}
	_ = s.Emit(context.Background(), "refresh", token, func(args []json.RawMessage) {
		fmt.Printf("refreshed: %s\n", args)
	})
}

// join is called in every new session; a continued one has its rooms.
func join(s *Socket) {
	if s.Recovered || len(rooms) == 0 {
		return
	}
	_ = s.Emit(context.Background(), "joinRoom", rooms, func(args []json.RawMessage) {
		var answer struct {
			Status int
			Msg    string
		}
		if len(args) > 0 && json.Unmarshal(args[0], &answer) == nil && answer.Status == http.StatusOK {
			fmt.Println("joined", strings.Join(rooms, ","))
		} else {
			fmt.Println("not joined:", answer.Msg)
		}
	})
}

// Message is a push, live or out of the inbox.
type Message struct {
	ID       json.RawMessage `json:"id"` // a number in push, a text in offlineMessage
	Room     string          `json:"room"`
	PushData json.RawMessage `json:"pushData"`
}

// handle treats one event and confirms it when everything in it was handled: what could not be must come again.
func handle(e Event) {
	if len(e.Args) == 0 {
		return
	}
	if err := treat(e.Name, e.Args[0]); err != nil {
		fmt.Println("not confirmed:", err)
		return
	}
	if e.Ack != nil {
		e.Ack()
	}
}

func treat(name string, arg json.RawMessage) error {
	var data struct {
		ClientID      string
		Dropped       int
		TargetRoom    string
		UserID, Room  string
		ClientOffline bool
		Reason        string
	}
	switch name {
	case "push":
		return message("push", arg)
	case "offlineMessage":
		var list []json.RawMessage
		if err := json.Unmarshal(arg, &list); err != nil {
			return err
		}
		for _, m := range list {
			if err := message("inbox", m); err != nil {
				return err
			}
		}
		return nil
	case "offset":
		return nil // the client itself has read it
	}
	if err := json.Unmarshal(arg, &data); err != nil {
		return err
	}
	switch name {
	case "ok":
		fmt.Println("ready as", data.ClientID)
	case "closing":
		closing = data.Reason
		fmt.Println("closing:", data.Reason)
	case "inboxDropped":
		fmt.Printf("lost %d of a full inbox\n", data.Dropped) // an app would now ask for the history
	case "joinRoom":
		fmt.Println("put into", data.TargetRoom)
	case "leaveRoom":
		fmt.Println("taken out of", data.TargetRoom)
	case "peopleJoin":
		fmt.Printf("%s came to %s\n", data.UserID, data.Room)
	case "peopleLeave":
		if data.ClientOffline {
			fmt.Printf("%s went offline in %s\n", data.UserID, data.Room)
		} else {
			fmt.Printf("%s left %s\n", data.UserID, data.Room)
		}
	}
	return nil
}

func message(kind string, raw json.RawMessage) error {
	var m Message
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	id, err := strconv.ParseInt(strings.Trim(string(m.ID), `"`), 10, 64)
	if err != nil {
		return err
	}
	first, err := seen.Add(id)
	if err != nil {
		return err
	}
	if !first {
		fmt.Printf("repeat #%d\n", id)
		return nil
	}
	fmt.Printf("%s #%d in %s: %s\n", kind, id, m.Room, m.PushData)
	return nil
}

// currentToken asks for a new token before every connect.
func currentToken(ctx context.Context) (map[string]string, error) {
	if token := os.Getenv("PUSH_TOKEN"); token != "" {
		return map[string]string{"token": token}, nil
	}
	source := os.Getenv("PUSH_TOKEN_URL")
	if source == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source+"?userid="+url.QueryEscape(user), nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer := map[string]string{}
	if err := json.NewDecoder(http.MaxBytesReader(nil, res.Body, 64<<10)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return map[string]string{"token": answer["token"]}, nil
}
