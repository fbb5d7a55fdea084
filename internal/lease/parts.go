package lease

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"github.com/gentask/gentask/queue"
)

// parts is who has how many units of a share, by lease. The record of a share is its JSON.
type parts map[string]part

// part is what one program has.
type part struct {
	Node string `json:"node"`
	Has  int    `json:"has"`

	// Hungry means that the program could use more than it has.
	Hungry bool `json:"hungry,omitempty"`

	// Turn orders the parts by when they last became something, or nothing.
	Turn uint64 `json:"turn"`

	// Level is the level of the free units of a rate. Only the part of the free units has it.
	Level int64 `json:"level,omitempty"`
}

// partsOf returns the parts in a record. One that can't be read has none, and is replaced.
func partsOf(r queue.Record) parts {
	all := parts{}
	if err := json.Unmarshal(r.Value, &all); err != nil {
		return parts{}
	}
	maps.DeleteFunc(all, func(_ string, p part) bool { return p.Has < 0 || p.Level < 0 })
	return all
}

// has returns how many units all programs have.
func (p parts) has() int {
	n := 0
	for _, one := range p {
		n += one.Has
	}
	return n
}

// nextTurn returns a turn after all others.
func (p parts) nextTurn() uint64 {
	var last uint64
	for _, one := range p {
		last = max(last, one.Turn)
	}
	return last + 1
}

// fair returns how many of total units each program has if they are divided evenly among those that
// want any, rounded down.
func (p parts) fair(total int) int {
	n := 0
	for _, one := range p {
		if one.Has > 0 || one.Hungry {
			n++
		}
	}
	return total / max(n, 1)
}

// inTurn returns the leases whose parts pass the test, by turn.
func (p parts) inTurn(pass func(part) bool) []string {
	var ids []string
	for id, one := range p {
		if pass(one) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(p[a].Turn, p[b].Turn), cmp.Compare(a, b))
	})
	return ids
}

// aim is a program's view of the parts.
type aim struct {
	parts
	me    string
	total int
	want  int // units that the program could use

	// yields means that it has had its units for long enough to give some to programs that starve.
	yields bool

	// insists means that units have been free for so long that those whose turn it is do not take
	// them.
	insists bool
}

// goal returns how many units the program should have next. While other programs starve, it should
// not have more than its fair share; with more programs than units, they take turns.
func (a aim) goal() int {
	has := a.parts[a.me].Has
	free := a.total - a.has()
	least := max(a.fair(a.total), 1)
	starving := a.inTurn(func(p part) bool { return p.Hungry && p.Has < least })
	rank := slices.Index(starving, a.me)
	switch {
	case free < 0: // the total is less than it was
		return min(a.want, a.yield(has, least, len(starving)-free))
	case len(starving) == 0 || len(starving) == 1 && rank == 0:
		return min(a.want, has+free)
	case rank >= 0 && a.insists:
		return min(a.want, least, has+free)
	case rank >= 0:
		return min(a.want, least, has+max(0, free-rank))
	case a.yields:
		return min(a.want, a.yield(has, least, len(starving)-free))
	}
	return min(a.want, has)
}

// yield returns how many units remain if so many are needed by others.
func (a aim) yield(has, least, needed int) int {
	if has > least || a.fair(a.total) > 0 {
		return min(has, least)
	}
	holders := a.inTurn(func(p part) bool { return p.Has > 0 })
	if rank := slices.Index(holders, a.me); rank >= 0 && rank < needed {
		return 0
	}
	return has
}
