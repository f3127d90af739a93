package store

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// script is one embedded file; its first lines say what it does.
type script struct {
	name string
	text string
	sha  string
}

var allScripts []*script

func newScript(name string) *script {
	text, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // a file of this package is missing: cannot happen in a build
	}
	sum := sha1.Sum(text)
	s := &script{name: name, text: string(text), sha: hex.EncodeToString(sum[:])}
	allScripts = append(allScripts, s)
	return s
}

var (
	clientClaim   = newScript("client_claim")
	clientJoin    = newScript("client_join")
	clientRelease = newScript("client_release")
	nsEnter       = newScript("ns_enter")
	nsLeave       = newScript("ns_leave")
	roomJoin      = newScript("room_join")
	roomLeave     = newScript("room_leave")
	roomsCount    = newScript("rooms_count")
	roomsCorrect  = newScript("rooms_correct")
	messageRecord = newScript("message_record")
	nsUpdate      = newScript("ns_update")
	takeLock      = newScript("lock")
	clientUpdate  = newScript("client_update")
	clientMute    = newScript("client_mute")
	clientAdopt   = newScript("client_adopt")
	clientDisown  = newScript("client_disown")
	nsLocate      = newScript("ns_locate")

	inboxAdd      = newScript("inbox_add")
	inboxTold     = newScript("inbox_told")
	clientUntoken = newScript("client_untoken")
	messageSettle = newScript("message_settle")
	messageFinish = newScript("message_finish")

	queueEnqueue = newScript("queue_enqueue")
	queueTake    = newScript("queue_take")
	queueReclaim = newScript("queue_reclaim")
	queueDone    = newScript("queue_done")
	queueRetry   = newScript("queue_retry")
	queueBury    = newScript("queue_bury")
	queueLeave   = newScript("queue_leave")
	queueRequeue = newScript("queue_requeue")
	queueStats   = newScript("queue_stats")
)

// call is the command that runs the script on keys with args.
func (s *script) call(keys []string, args ...any) *op {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, "EVALSHA", s.sha, strconv.Itoa(len(keys)))
	for _, k := range keys {
		all = append(all, k)
	}
	return &op{args: append(all, args...)}
}

// loadScripts makes all scripts known to every Redis server.
func (s *Store) loadScripts(ctx context.Context) error {
	for _, script := range allScripts {
		sha, err := s.rdb.ScriptLoad(ctx, script.text).Result()
		switch {
		case redis.IsPermissionError(err):
			return fmt.Errorf("load script %s: %w: %w", script.name, ErrPermission, err)
		case err != nil:
			return fmt.Errorf("load script %s: %w", script.name, err)
		}
		if !strings.EqualFold(sha, script.sha) {
			return fmt.Errorf("load script %s: the server knows it as %s, not %s", script.name, sha, script.sha)
		}
	}
	return nil
}
