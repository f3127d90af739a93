package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lightpush/lightpush/internal/client"
)

// geoLatitude is the greatest latitude Redis can index, in degrees.
const geoLatitude = 85.05112878

// candidatesMax bounds what one search looks at.
const candidatesMax = 5_000

func clampLatitude(v float64) float64 { return max(-geoLatitude, min(geoLatitude, v)) }

// Nearby implements session.Clients. The index knows client ids; who their
// users are, and whether they are online, is asked for. More candidates are
// taken until enough are left when those that do not count are out.
func (s *Store) Nearby(ctx context.Context, a client.Area) ([]client.Neighbour, error) {
	var found []client.Neighbour
	for take := 2*a.Count + 10; ; take *= 4 {
		take = min(take, candidatesMax)
		candidates, err := s.candidates(ctx, a, take)
		if err != nil {
			return nil, fmt.Errorf("find devices nearby in %s: %w", a.Namespace, err)
		}
		if found = onePerUser(candidates, a); len(found) == a.Count || len(candidates) < take || take == candidatesMax {
			break
		}
	}
	ops := make([]*op, len(found))
	for i, n := range found {
		args := []any{"HMGET", s.keys.client(a.Namespace, n.ClientID)}
		for _, field := range client.NeighbourFields {
			args = append(args, field)
		}
		ops[i] = do(args...)
	}
	if err := s.runChunks(ctx, ops); err != nil {
		return nil, fmt.Errorf("read devices nearby in %s: %w", a.Namespace, err)
	}
	for i, o := range ops {
		found[i].Fields = map[string]string{}
		for j, v := range o.list() {
			if text, ok := v.(string); ok {
				found[i].Fields[client.NeighbourFields[j]] = text
			}
		}
	}
	return found, nil
}

// candidates are the nearest positions, with their users; without a user when
// the device is not online any more.
func (s *Store) candidates(ctx context.Context, a client.Area, count int) ([]client.Neighbour, error) {
	k := s.keys.namespace(a.Namespace)
	search := do("GEORADIUS_RO", k.geo, a.Around.Longitude, clampLatitude(a.Around.Latitude), a.RadiusKM, "km",
		"WITHDIST", "COUNT", count, "ASC")
	if err := s.run(ctx, search); err != nil {
		return nil, err
	}
	list := make([]client.Neighbour, 0, len(search.list()))
	users := []any{"HMGET", k.online}
	for _, v := range search.list() {
		pair, _ := v.([]any)
		if len(pair) != 2 {
			return nil, fmt.Errorf("unexpected reply %v", v)
		}
		distance, _ := strconv.ParseFloat(toText(pair[1]), 64)
		list = append(list, client.Neighbour{ClientID: toText(pair[0]), DistanceKM: distance})
		users = append(users, toText(pair[0]))
	}
	if len(list) == 0 {
		return nil, nil
	}
	online := do(users...)
	if err := s.run(ctx, online); err != nil {
		return nil, err
	}
	for i, v := range online.list() {
		_, list[i].UserID, _ = strings.Cut(toText(v), "|")
	}
	return list, nil
}

func onePerUser(candidates []client.Neighbour, a client.Area) (found []client.Neighbour) {
	seen := map[string]bool{}
	for _, n := range candidates {
		if len(found) < a.Count && n.ClientID != a.ClientID && n.UserID != "" && !seen[n.UserID] {
			seen[n.UserID] = true
			found = append(found, n)
		}
	}
	return found
}
