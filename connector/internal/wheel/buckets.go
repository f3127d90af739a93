package wheel

// A level has 128 buckets, each four times as long as those of the level below. A timer goes to the lowest level
// that reaches its time and is never moved down: on the levels above the first it is at least 126/4 buckets away
// when it is armed, so rounding up to the next bucket adds at most 1/31 of its delay.
const (
	levels     = 9
	levelShift = 2 // bits per level
	bucketBits = 7
	buckets    = 1 << bucketBits
	reach      = buckets - 2 // buckets ahead that a level is used for
)

// list is the head of a circular list of timers.
type list struct{ head Timer }

func (l *list) init() { l.head.next, l.head.prev = &l.head, &l.head }

func (l *list) empty() bool { return l.head.next == &l.head }

func (l *list) push(t *Timer) {
	t.prev, t.next = l.head.prev, &l.head
	t.prev.next, t.next.prev = t, t
}

// take moves everything from other to the end of l.
func (l *list) take(other *list) {
	if other.empty() {
		return
	}
	first, last := other.head.next, other.head.prev
	first.prev, last.next = l.head.prev, &l.head
	l.head.prev.next, l.head.prev = first, last
	other.init()
}

func (t *Timer) unlink() {
	t.prev.next, t.next.prev = t.next, t.prev
	t.prev, t.next = nil, nil
}

// table sorts armed timers by the tick at which they expire. It knows no clock.
type table struct {
	done  int64       // every tick up to this one was collected
	armed [levels]int // timers per level, so that empty levels are skipped
	lists [levels][buckets]list
}

func (w *table) init() {
	for level := range w.lists {
		for i := range w.lists[level] {
			w.lists[level][i].init()
		}
	}
}

// add links t so that it is collected at its tick due, or soon after. It returns the tick of collection. A due
// beyond the reach of the highest level is collected early.
func (w *table) add(t *Timer, due int64) int64 {
	due = max(due, w.done+1)
	level := 0
	for level < levels-1 && due-w.done >= reach<<(levelShift*level) {
		level++
	}
	shift := levelShift * level
	due = min(due, w.done+reach<<shift)
	unit := (due + 1<<shift - 1) >> shift
	t.level = uint8(level)
	w.armed[level]++
	w.lists[level][unit&(buckets-1)].push(t)
	return unit << shift
}

func (w *table) remove(t *Timer) {
	w.armed[t.level]--
	t.unlink()
}

// collect moves the timers of all ticks up to now to expired; they are no longer counted in armed.
func (w *table) collect(now int64, expired *list) {
	if now <= w.done {
		return
	}
	for level := range w.lists {
		if w.armed[level] == 0 {
			continue
		}
		shift := levelShift * level
		from, to := w.done>>shift+1, now>>shift
		from = max(from, to-buckets+1)
		for unit := from; unit <= to; unit++ {
			l := &w.lists[level][unit&(buckets-1)]
			for t := l.head.next; t != &l.head; t = t.next {
				t.level = expiring
				w.armed[level]--
			}
			expired.take(l)
		}
	}
	w.done = now
}

// next is the earliest tick at which something is to be collected; ok is false when nothing is armed.
func (w *table) next() (tick int64, ok bool) {
	for level := range w.lists {
		if w.armed[level] == 0 {
			continue
		}
		shift := levelShift * level
		for unit := w.done>>shift + 1; ; unit++ { // ends: something is armed on this level
			if !w.lists[level][unit&(buckets-1)].empty() {
				if at := unit << shift; !ok || at < tick {
					tick, ok = at, true
				}
				break
			}
		}
	}
	return tick, ok
}
