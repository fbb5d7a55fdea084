package chaos

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// markKind is the kind of a Mark. The set is closed.
type markKind string

const (
	ran    markKind = "ran"    // the job began to run
	done   markKind = "done"   // it ran to its end
	failed markKind = "failed" // it ran to its end, and failed as it should
	took   markKind = "took"   // the broker took the ack
)

// Mark is something that a consumer has seen of a job. Consumers in other processes write it as a
// line of JSON.
type Mark struct {
	Kind  markKind
	ID    string
	Again bool // the broker said that it had delivered the message before
	At    time.Time
	Node  string
}

// Tally is the book of a trial: what was published, and what was seen of it. It is safe for
// concurrent use.
type Tally struct {
	mu        sync.Mutex
	published map[string]int // by id, how often
	poison    map[string]bool
	runs      map[string]int
	failures  map[string]int
	done      map[string]bool
	acked     map[string]bool
	doubtful  map[string]bool
	buried    map[string]int
	begun     []Mark
	purged    int      // messages that an operator has purged and no consumer held
	unmarked  []string // ids that ran again though the broker did not say that it delivered again
}

func newTally() *Tally {
	return &Tally{
		published: map[string]int{}, poison: map[string]bool{}, runs: map[string]int{}, failures: map[string]int{}, done: map[string]bool{}, acked: map[string]bool{},
		doubtful: map[string]bool{}, buried: map[string]int{},
	}
}

// plan notes that a message will be published.
func (y *Tally) plan(id string, poison bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.published[id] += 0
	y.poison[id] = poison
}

// sent notes that a message is about to be published.
func (y *Tally) sent(id string, poison bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.published[id]++
	y.poison[id] = poison
}

// maybe records that a message may have been published.
func (y *Tally) maybe(id string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	delete(y.published, id)
	y.doubtful[id] = true
}

// phantoms returns what ran and was not published.
func (y *Tally) phantoms() []string {
	y.mu.Lock()
	defer y.mu.Unlock()
	var ids []string
	for id := range y.runs {
		if y.published[id] == 0 && !y.doubtful[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// unearned returns what the broker was told is done, and was not.
func (y *Tally) unearned() []string {
	y.mu.Lock()
	defer y.mu.Unlock()
	var ids []string
	for id := range y.acked {
		if !y.done[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// fresh returns how many runs of a message were not marked as further ones. The first delivery may
// be run last, by a node that stood still and lost it meanwhile.
func (y *Tally) fresh(id string) int {
	n := 0
	for _, m := range y.begun {
		if m.ID == id && !m.Again {
			n++
		}
	}
	return n
}

// bury notes what became of the dead letters, before they are deleted by a fault.
func (y *Tally) bury(dead map[string]int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for id, n := range dead {
		y.buried[id] += n
	}
}

// mark notes what a consumer has seen.
func (y *Tally) mark(m Mark) {
	y.mu.Lock()
	defer y.mu.Unlock()
	switch m.Kind {
	case ran:
		y.runs[m.ID]++
		y.begun = append(y.begun, m)
		if y.runs[m.ID] > 1 && !m.Again && y.published[m.ID] == 1 && y.fresh(m.ID) > 1 {
			y.unmarked = append(y.unmarked, m.ID)
		}
	case failed:
		y.failures[m.ID]++
	case done:
		y.done[m.ID] = true
	case took:
		y.acked[m.ID] = true
	}
}

// Done returns how many messages ran to their end.
func (y *Tally) Done() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.done)
}

// unfinished returns the ids of those that a node has begun and not done.
func (y *Tally) unfinished(node string) map[string]bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	ids := map[string]bool{}
	for _, m := range y.begun {
		if m.Node == node && !y.done[m.ID] {
			ids[m.ID] = true
		}
	}
	return ids
}

// purge notes that an operator has purged n messages that no consumer held.
func (y *Tally) purge(n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.purged += n
}

// open returns how many messages have not run to their end, those aside that are poison or purged.
func (y *Tally) open() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	n := 0
	for id := range y.published {
		if !y.done[id] && !y.poison[id] {
			n++
		}
	}
	return n - y.purged
}

// missing returns the messages that have not run to their end, for a report.
func (y *Tally) missing() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	var ids []int
	for id := range y.published {
		if n, err := strconv.Atoi(id); err == nil && !y.done[id] && !y.poison[id] {
			ids = append(ids, n)
		}
	}
	if len(ids) == 0 {
		return "none"
	}
	slices.Sort(ids)
	begun := 0
	for _, n := range ids {
		begun += min(y.runs[strconv.Itoa(n)], 1)
	}
	return fmt.Sprintf("%d to %d, %d of them have begun", ids[0], ids[len(ids)-1], begun)
}

// firstAfter returns the first run after the moment for which want holds.
func (y *Tally) firstAfter(at time.Time, want func(Mark) bool) (Mark, bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	var first Mark
	for _, m := range slices.Backward(y.begun) {
		if m.At.Before(at.Add(-time.Minute)) {
			break // marks of several nodes come in almost in order
		}
		if m.At.After(at) && want(m) && (first.ID == "" || m.At.Before(first.At)) {
			first = m
		}
	}
	return first, first.ID != ""
}

// sum is the row of a trial whose queue is empty, given the dead letters.
func (y *Tally) sum(dead map[string]int) Row {
	y.mu.Lock()
	defer y.mu.Unlock()
	for id, n := range y.buried {
		dead[id] += n
	}
	for id := range y.doubtful {
		delete(dead, id)
	}
	r := Row{
		Published: len(y.published), DeadLettered: len(dead), Purged: y.purged, Lost: -y.purged, // not more, and not less
		LongestPause: y.longestPause(),
	}
	for id := range y.published {
		switch {
		case dead[id] > 0:
			r.Duplicates += dead[id] - 1
		case y.done[id]: // The broker has nothing left, so it took the ack, also where the session ended before anybody heard.
			r.Acknowledged++
		default:
			r.Lost++
		}
		r.Duplicates += max(y.runs[id]-y.failures[id]-1, 0)
	}
	return r
}

// longestPause is the longest time in which no job began, from the first to the last.
func (y *Tally) longestPause() Span {
	slices.SortFunc(y.begun, func(a, b Mark) int { return a.At.Compare(b.At) })
	var longest time.Duration
	for i := range y.begun {
		if i > 0 {
			longest = max(longest, y.begun[i].At.Sub(y.begun[i-1].At))
		}
	}
	return Span(longest)
}
