package namespace

// Purge is how much of a namespace is being removed (light-push-wire.md
// 1.4.11, 4.11). It is kept in the configuration, so that it outlives the
// process that works on it and is decided in the same moment as whether the
// namespace is offline. While it is set the namespace stays offline.
type Purge string

// Purges, each with all that the one before removes.
const (
	PurgeNone     Purge = ""
	PurgeRealtime Purge = "realtime" // who is online where
	PurgeClear    Purge = "clear"    // everything but the configuration
	PurgeFlush    Purge = "flush"    // everything: for all others the namespace is gone already
)

var purgeRank = map[Purge]int{PurgeRealtime: 1, PurgeClear: 2, PurgeFlush: 3}

// Doomed reports whether n only still exists so that its removal is finished.
func (n *Namespace) Doomed() bool { return n != nil && n.Purge == PurgeFlush }

// BeginPurge returns n with the note that p has to be done; of two purges the
// greater one stays. n nil is an unknown namespace. now is in ms. A flush
// leaves nothing of the configuration but its name. Errors: ErrNotOffline.
func (n *Namespace) BeginPurge(p Purge, now int64) (*Namespace, error) {
	if n == nil || !n.Offline || n.Doomed() && p != PurgeFlush {
		return nil, ErrNotOffline
	}
	if purgeRank[n.Purge] >= purgeRank[p] {
		p = n.Purge
	}
	noted := n.Clone()
	if p == PurgeFlush {
		noted = &Namespace{Key: n.Key, Offline: true}
	}
	noted.Purge = p
	noted.UpdateDate = max(now, n.UpdateDate+1)
	return noted, nil
}

// EndPurge returns n without its note; now is in ms.
func (n *Namespace) EndPurge(now int64) *Namespace {
	done := n.Clone()
	done.Purge = PurgeNone
	done.UpdateDate = max(now, n.UpdateDate+1)
	return done
}

// allowed refuses what must wait for the end of a purge: to make a name new
// that is being removed, and to let clients in meanwhile.
func (p *Patch) allowed(base *Namespace) error {
	switch {
	case base.Doomed() && p.MustExist:
		return ErrNotFound
	case base.Doomed(), base.Purge != PurgeNone && p.Offline != nil && !*p.Offline:
		return ErrBusy
	}
	return nil
}
