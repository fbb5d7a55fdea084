package gentask

import "fmt"

// faultsOf says what is wrong with a lineup: each entry that waits is the first in its chains, and in its queue, or waits for another that is at
// work or waits itself.
func faultsOf(l *lineup) []string {
	var faults []string
	fail := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	waiting := map[*entry]bool{}
	for t := l.turns.first; t != nil; t = t.next {
		if t.head == nil || (t.key != "" && l.turns.by[t.key] != t) {
			fail("the queue of %q is listed, and is none", t.key)
		}
		var last *entry
		for e := t.head; e != nil; last, e = e, e.spot.next {
			waiting[e] = true
			if e.spot.state != spotWaiting || e.spot.queue != t || e.spot.ahead != 0 || e.spot.prev != last {
				fail("%d is queued, and does not know", e.serial)
			}
			if last != nil && last.serial > e.serial {
				fail("%d is queued behind %d", e.serial, last.serial)
			}
		}
		if t.tail != last {
			fail("the queue of %q has lost its end", t.key)
		}
	}
	faults = append(faults, faultsOfChains(&l.ids, waiting)...)
	faults = append(faults, faultsOfChains(&l.orders, waiting)...)
	if len(waiting) != l.waiting {
		fail("%d wait, and %d are counted", len(waiting), l.waiting)
	}
	return faults
}

func faultsOfChains[N comparable](c *chains[N], waiting map[*entry]bool) (faults []string) {
	for name, ch := range c.by {
		faults = append(faults, faultsOfChain(c, name, ch, waiting)...)
	}
	return faults
}

func faultsOfChain[N comparable](c *chains[N], name N, ch chain, waiting map[*entry]bool) []string {
	var faults []string
	fail := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	var last *entry
	for e := ch.first; e != nil; last, e = e, c.link(e).behind {
		if at := c.link(e); !at.in || at.before != last {
			fail("%d is in the chain of %v, and does not know", e.serial, name)
		}
		if last != nil && (last.serial >= e.serial || e.spot.state != spotWaiting || e.spot.ahead == 0 || e.spot.queue != nil) {
			fail("%d is behind %d in the chain of %v, and does not wait for it", e.serial, last.serial, name)
		}
		if e.spot.state == spotNone {
			fail("%d is in the chain of %v, and not in the lineup", e.serial, name)
		}
		if e.spot.state == spotWaiting {
			waiting[e] = true
		}
	}
	if ch.first == nil || ch.last != last {
		fail("the chain of %v has lost an end", name)
	}
	return faults
}
