package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lightpush/lightpush/internal/client"
)

// What a recovery continues is kept in the record of the device, in ~s, while
// the connection lives: a node that is killed leaves it behind. ~u says until
// when it holds, and appears at the release or the sweep. The rooms of the
// session are those that its generation has joined.

func (s *Store) recovers() bool { return s.opt.RecoveryWindow > 0 }

// sessionArg is the session of an entering connection for client_join.lua.
func (s *Store) sessionArg(m client.Member) string {
	switch {
	case !s.recovers():
		return ""
	case m.PID == "":
		return "-"
	}
	return strconv.FormatInt(m.Gen, 10) + "|" + m.PID + "|" + m.SID
}

// decodeSession reads sessionArg's form; anything else is no session.
func decodeSession(text string) client.Session {
	parts := strings.SplitN(text, "|", 3)
	if len(parts) != 3 {
		return client.Session{}
	}
	gen, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return client.Session{}
	}
	return client.Session{Gen: gen, PID: parts[1], SID: parts[2]}
}

// sessionEnd is until when a session can be continued that ends now, and until
// when it was alive, for client_release.lua.
func (s *Store) sessionEnd(alive int64) string {
	if !s.recovers() {
		return ""
	}
	till := s.nowMillis() + s.opt.RecoveryWindow.Milliseconds()
	return strconv.FormatInt(till, 10) + "|" + strconv.FormatInt(alive, 10)
}

// sessionEnds is sessionEnd for the connections of nodes that died: they were
// alive when their nodes' leases ran out, at the latest. The windows begin now,
// however late the sweep is.
func (s *Store) sessionEnds(ctx context.Context, members []client.Member) (map[string]string, error) {
	if !s.recovers() {
		return nil, nil
	}
	var nodes []string
	var ops []*op
	ends := map[string]string{}
	for _, m := range members {
		if _, ok := ends[m.Node]; !ok {
			ends[m.Node] = ""
			nodes = append(nodes, m.Node)
			ops = append(ops, do("ZSCORE", s.keys.nodes(), m.Node))
		}
	}
	if err := s.run(ctx, ops...); err != nil {
		return nil, err
	}
	for i, node := range nodes {
		ends[node] = s.sessionEnd(leaseEnd(ops[i]))
	}
	return ends, nil
}

// leaseEnd is the reply of ZSCORE on the leases; 0 when there is none.
func leaseEnd(o *op) int64 {
	end, _ := strconv.ParseFloat(o.text(), 64)
	return int64(end)
}

// Session implements session.Recovery.
func (s *Store) Session(ctx context.Context, m client.Member, c client.Claim) (rooms []string, alive int64, err error) {
	gen := strconv.FormatInt(c.Session.Gen, 10)
	err = s.scanHash(ctx, s.keys.clientRooms(m.Namespace, m.ClientID), func(pairs []string) error {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i+1] == gen {
				rooms = append(rooms, pairs[i])
			}
		}
		return nil
	})
	if err == nil {
		if alive = c.Session.Alive; alive == 0 {
			lease := do("ZSCORE", s.keys.nodes(), c.Prev.Node)
			err = s.run(ctx, lease)
			alive = leaseEnd(lease)
		}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read session of %s: %w", m.ClientID, err)
	}
	return rooms, alive, nil
}
