package embedded

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/alicebob/miniredis/v2/server"
)

// Rewriting turns a command into one whose result depends on the data alone. Where the arguments are invalid, the
// command goes on as it is and miniredis answers with its error before it changes anything.

// maxTime bounds times in ms, so that no arithmetic on them overflows (year 2255).
const maxTime = 9_000_000_000_000

var (
	errExpireTime = errors.New("ERR invalid expire time")
	errSyntax     = errors.New("ERR syntax error")
)

// integer parses a decimal argument. What is none is left to miniredis, which has the error text for it.
func integer(text string) (v int64, ok bool) {
	v, err := strconv.ParseInt(text, 10, 64)
	return v, err == nil
}

// deadline returns when an expiry option with that value ends, in wall clock ms. ok is false when the value is not an
// integer.
func deadline(unit, value string, now int64) (at int64, ok bool, err error) {
	v, ok := integer(value)
	if !ok {
		return 0, false, nil
	}
	if v > maxTime || v < -maxTime {
		return 0, true, errExpireTime
	}
	switch unit {
	case "EX", "EXPIRE", "SETEX":
		at = now + v*1000
	case "PX", "PEXPIRE", "PSETEX":
		at = now + v
	case "EXAT", "EXPIREAT":
		at = v * 1000
	default: // PXAT, PEXPIREAT
		at = v
	}
	if at > maxTime {
		return 0, true, errExpireTime
	}
	return at, true, nil
}

// rewriteExpire makes EXPIRE, PEXPIRE, EXPIREAT and PEXPIREAT an absolute PEXPIREAT. A time that has passed becomes 0,
// which deletes the key at once, now and in every replay.
func rewriteExpire(e *engine, args []string) ([]string, error) {
	if len(args) < 3 {
		return args, nil
	}
	at, ok, err := deadline(strings.ToUpper(args[0]), args[2], e.now)
	if err != nil || !ok {
		return args, err
	}
	if at <= e.now {
		at = 0
	}
	return append([]string{"PEXPIREAT", args[1], strconv.FormatInt(at, 10)}, args[3:]...), nil
}

// rewriteSet makes the expiry of a SET an absolute PXAT.
func rewriteSet(e *engine, args []string) ([]string, error) {
	return rewriteOption(e, args, 3)
}

// rewriteGetex does the same for GETEX; without an option it is a GET.
func rewriteGetex(e *engine, args []string) ([]string, error) {
	if len(args) == 2 {
		return []string{"GET", args[1]}, nil
	}
	return rewriteOption(e, args, 2)
}

func rewriteOption(e *engine, args []string, from int) ([]string, error) {
	for i := from; i+1 < len(args); i++ {
		unit := strings.ToUpper(args[i])
		switch unit {
		case "EX", "PX", "EXAT", "PXAT":
		default:
			continue
		}
		if v, err := strconv.ParseInt(args[i+1], 10, 64); err == nil && v <= 0 {
			return args, nil // refused by miniredis
		}
		at, ok, err := deadline(unit, args[i+1], e.now)
		if err != nil || !ok {
			return args, err
		}
		out := append([]string(nil), args...)
		// A past EXAT lives one more millisecond: miniredis would keep the lifetime without the key.
		out[i], out[i+1] = "PXAT", strconv.FormatInt(max(at, e.now+1), 10)
		return out, nil
	}
	return args, nil
}

// rewriteSetex makes SETEX and PSETEX a SET with PXAT.
func rewriteSetex(e *engine, args []string) ([]string, error) {
	if len(args) != 4 {
		return args, nil
	}
	if v, ok := integer(args[2]); !ok || v <= 0 {
		return args, nil
	}
	at, _, err := deadline(strings.ToUpper(args[0]), args[2], e.now)
	if err != nil {
		return nil, err
	}
	return []string{"SET", args[1], args[3], "PXAT", strconv.FormatInt(at, 10)}, nil
}

// rewriteLmove refuses a wrong direction, which miniredis notices after it has taken the element.
func rewriteLmove(_ *engine, args []string) ([]string, error) {
	if len(args) != 5 {
		return args, nil
	}
	for _, dir := range args[3:] {
		if !strings.EqualFold(dir, "LEFT") && !strings.EqualFold(dir, "RIGHT") {
			return nil, errSyntax
		}
	}
	return args, nil
}

// rewriteZstore refuses a destination among the sources: where that is a plain set, miniredis keeps the set hidden
// behind the sorted set, and a later SADD to the key is lost.
func rewriteZstore(_ *engine, args []string) ([]string, error) {
	if len(args) < 4 {
		return args, nil
	}
	n, err := strconv.Atoi(args[2])
	if err == nil && n > 0 && n <= len(args)-3 && slices.Contains(args[3:3+n], args[1]) {
		return nil, errRefused(strings.ToUpper(args[0]) + " into one of its sources")
	}
	return args, nil
}

// rewriteXadd gives the entry of XADD * its id and drops LIMIT, which miniredis does not know (it trims exactly).
func rewriteXadd(e *engine, args []string) ([]string, error) {
	i := 2
	next := func() string {
		if i < len(args) {
			i++
			return strings.ToUpper(args[i-1])
		}
		return ""
	}
	option := next()
	if option == "NOMKSTREAM" {
		option = next()
	}
	limit := 0
	if option == "MAXLEN" || option == "MINID" {
		minID := option == "MINID"
		threshold := next()
		if threshold == "~" || threshold == "=" {
			threshold = next()
		}
		if _, err := parseStreamID(threshold); minID && err != nil {
			return nil, err
		}
		option = next()
		if option == "LIMIT" {
			limit = i - 1
			next()
			option = next()
		}
	}
	fields := len(args) - i
	if option == "" || fields == 0 || fields%2 != 0 {
		return nil, errors.New("ERR wrong number of arguments for 'xadd' command")
	}
	id := i - 1
	if option != "*" && limit == 0 {
		return args, nil
	}
	out := append([]string(nil), args...)
	if option == "*" {
		out[id] = e.nextStreamID(args[1]).String()
	}
	if limit > 0 {
		out = append(out[:limit], out[limit+2:]...)
	}
	return out, nil
}

// effectXadd logs the id that was given, which differs from the argument for "<ms>-*".
func effectXadd(args []string, reply []byte) ([]string, error) {
	if len(reply) == 0 || reply[0] != '$' {
		return args, nil
	}
	id, err := parseBulk(reply)
	if err != nil {
		return nil, err
	}
	ms, _, _ := strings.Cut(id, "-")
	for i := 2; i < len(args); i++ {
		if args[i] == ms+"-*" {
			out := append([]string(nil), args...)
			out[i] = id
			return out, nil
		}
		if args[i] == id {
			break
		}
	}
	return args, nil
}

// effectSpop logs which members went.
func effectSpop(args []string, reply []byte) ([]string, error) {
	if reply[0] == '-' {
		return args, nil
	}
	v, err := server.ParseReply(bufio.NewReader(bytes.NewReader(reply)))
	if err != nil {
		return nil, err
	}
	out := []string{"SREM", args[1]}
	switch v := v.(type) {
	case string:
		return append(out, v), nil
	case []any:
		for _, m := range v {
			out = append(out, fmt.Sprint(m))
		}
		return out, nil
	}
	return nil, fmt.Errorf("unexpected reply %q", reply)
}

// parseBulk reads a bulk string reply.
func parseBulk(reply []byte) (string, error) {
	v, err := server.ParseReply(bufio.NewReader(bytes.NewReader(reply)))
	if s, ok := v.(string); ok && err == nil {
		return s, nil
	}
	return "", fmt.Errorf("unexpected reply %q", reply)
}

// streamID is a stream entry's id.
type streamID struct{ ms, seq uint64 }

var errStreamID = errors.New("ERR Invalid stream ID specified as stream command argument")

func parseStreamID(s string) (streamID, error) {
	ms, seq, found := strings.Cut(s, "-")
	var id streamID
	var err error
	if id.ms, err = strconv.ParseUint(ms, 10, 64); err != nil {
		return id, errStreamID
	}
	if found {
		if id.seq, err = strconv.ParseUint(seq, 10, 64); err != nil {
			return id, errStreamID
		}
	}
	return id, nil
}

func (id streamID) String() string {
	return strconv.FormatUint(id.ms, 10) + "-" + strconv.FormatUint(id.seq, 10)
}

func (id streamID) less(other streamID) bool {
	return id.ms < other.ms || id.ms == other.ms && id.seq < other.seq
}
