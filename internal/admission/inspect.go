package admission

import (
	"fmt"
	"iter"

	"github.com/gentask/gentask/internal/list"
)

// Faults returns what is wrong with the queue, for tests. Each item that waits must be the first of
// its chains, and in the queue of its key, or wait for another that is at work or waits itself.
func (q *Queue) Faults() []string {
	var faults []string
	fail := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	waits := map[*Item]bool{}
	for t := range q.turns.list.All() {
		if t.items.Len() == 0 || (t.key != "" && q.turns.by[t.key] != t) {
			fail("the queue of %q has a turn, and doesn't exist", t.key)
		}
		var last *Item
		for it := range t.items.All() {
			waits[it] = true
			if it.state != waiting || !it.waiting.In() || it.ahead != 0 {
				fail("%d is in a queue, and not marked so", it.Serial)
			}
			if last != nil && last.Serial > it.Serial {
				fail("%d is behind %d", it.Serial, last.Serial)
			}
			last = it
		}
	}
	for name, chain := range q.ids.by {
		faults = append(faults, faultsOfChain(q.ids.links, name, chain, waits)...)
	}
	for name, chain := range q.orders.by {
		faults = append(faults, faultsOfChain(q.orders.links, name, chain, waits)...)
	}
	if len(waits) != q.waiting {
		fail("%d wait, and %d are counted", len(waits), q.waiting)
	}
	return faults
}

func faultsOfChain[N comparable](
	links func(*Item) *list.Links[Item], name N, chain list.List[Item], waits map[*Item]bool,
) []string {
	var faults []string
	fail := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if chain.Len() == 0 {
		fail("the chain of %v is empty", name)
	}
	var last *Item
	for it := range chain.All() {
		if !links(it).In() || it.state == outside {
			fail("%d is in the chain of %v, and not marked so", it.Serial, name)
		}
		if last != nil && (last.Serial >= it.Serial || it.state != waiting || it.ahead == 0 || it.waiting.In()) {
			fail("%d is behind %d in the chain of %v, and doesn't wait for it", it.Serial, last.Serial, name)
		}
		if it.state == waiting {
			waits[it] = true
		}
		last = it
	}
	return faults
}

// Gates returns the gates, in their order.
func (q *Queue) Gates() []Gate { return q.gates }

// First reports whether an item is the first of the deliveries of its message.
func (q *Queue) First(it *Item) bool {
	chain := q.ids.by[it.Identity]
	return chain.First() == it
}

// Ready returns the items that wait and are the first of their chains: only a gate, or their time,
// can hold one back.
func (q *Queue) Ready() iter.Seq[*Item] {
	return func(yield func(*Item) bool) {
		for t := range q.turns.list.All() {
			for it := range t.items.All() {
				if !yield(it) {
					return
				}
			}
		}
	}
}
