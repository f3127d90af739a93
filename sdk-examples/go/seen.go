package main

import (
	"encoding/json"
	"os"
	"slices"
)

// seenKeep bounds what is remembered. Ids grow, so the newest are the ones that can come again.
const seenKeep = 1000

// Seen remembers which messages were handled, also over restarts: they come at least once, and the id tells a repeat.
type Seen struct {
	file string
	ids  []int64 // sorted
}

// OpenSeen reads the file; one that is not there is the first start.
func OpenSeen(file string) *Seen {
	s := &Seen{file: file}
	if b, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(b, &s.ids)
		slices.Sort(s.ids)
	}
	return s
}

// Add reports false for a repeat. The id is on disk when it returns, so that an ack may follow.
func (s *Seen) Add(id int64) (bool, error) {
	at, found := slices.BinarySearch(s.ids, id)
	if found {
		return false, nil
	}
	s.ids = slices.Insert(s.ids, at, id)
	s.ids = s.ids[max(0, len(s.ids)-seenKeep):]
	b, err := json.Marshal(s.ids)
	if err != nil {
		return false, err
	}
	if err := os.WriteFile(s.file+".new", b, 0o600); err != nil {
		return false, err
	}
	return true, os.Rename(s.file+".new", s.file)
}
