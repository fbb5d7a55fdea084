package dashboard

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/gentask/gentask/fleet"
)

// member is a node, as it answered last.
type member struct {
	fleet.NodeStatus
	seen time.Time
}

type nodeKey struct{ node, instance string }

const (
	// lateAfter is when a node counts as one that does not answer, and goneAfter when it is left
	// out. A bus may lose an answer now and then.
	lateAfter = 2500 * time.Millisecond
	goneAfter = 6 * time.Second
)

// late reports whether the node has missed its last answers, at a moment.
func (m *member) late(at time.Time) bool { return at.Sub(m.seen) > lateAfter }

// roll calls the roll of the nodes, and remembers for a moment those that do not answer.
type roll struct {
	from  members
	known map[nodeKey]member
}

// call asks the nodes. It returns those that are known beside an error.
func (r *roll) call(ctx context.Context) ([]member, error) {
	found, err := r.from.Nodes(ctx)
	now := time.Now()
	for _, n := range found {
		r.known[nodeKey{n.Node, n.Instance}] = member{n, now}
	}
	maps.DeleteFunc(r.known, func(_ nodeKey, m member) bool { return now.Sub(m.seen) > goneAfter })
	return slices.SortedFunc(maps.Values(r.known), func(a, b member) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Instance, b.Instance))
	}), err
}
