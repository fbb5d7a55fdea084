package top

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
)

// bodyOf returns the lines of the three tables.
func bodyOf(s *Snapshot, order Order, width int, paint Paint) []string {
	lines := append(queueTable(s.Queues, order).lines(width, paint), "")
	lines = append(append(lines, nodeTable(s.Nodes, order).lines(width, paint)...), "")
	lines = append(lines, jobTable(s.Jobs).lines(width, paint)...)
	if s.JobsLeft > 0 {
		lines = append(lines, paint(terminal.Faint, terminal.Cut(strconv.Itoa(s.JobsLeft)+" more jobs run", width)))
	}
	return lines
}

func queueTable(queues []Queue, order Order) *table {
	t := &table{columns: []column{
		{"QUEUE", 0, text},
		{"WAITING", 1, digits},
		{"DELAYED", 8, digits},
		{"HELD", 9, digits},
		{"DEAD", 4, digits},
		{"RUNNING", 3, digits},
		{"DONE/S", 5, digits},
		{"FAILED/S", 6, digits},
		{"P50", 10, digits},
		{"P99", 7, digits},
		{"STATE", 2, text},
	}}
	for _, q := range sorted(queues, func(a, b Queue) int {
		return compare(order, [...]float64{
			ByName: 0, ByWaiting: float64(b.Waiting - a.Waiting), ByRunning: float64(b.Running - a.Running),
			ByDone: b.Done - a.Done, ByFailed: b.Failed - a.Failed,
		}, a.Name, b.Name)
	}) {
		p50, p99 := "-", "-"
		if q.Timed {
			p50, p99 = span(q.P50), span(q.P99)
		}
		row := terminal.Plain(q.Name, count(q.Waiting), count(q.Delayed), count(q.Held), count(q.Dead),
			strconv.Itoa(q.Running), rate(q.Done), rate(q.Failed), p50, p99, q.Text)
		if q.Dead > 0 {
			row[4].Colour = terminal.Fair
		}
		row[10].Colour = q.Colour
		t.rows = append(t.rows, row)
	}
	return t
}

func nodeTable(nodes []Node, order Order) *table {
	t := &table{columns: []column{
		{"NODE", 0, text},
		{"VERSION", 6, text},
		{"UP", 5, digits},
		{"RUNNING", 1, digits},
		{"DONE/S", 3, digits},
		{"FAILED/S", 4, digits},
		{"STATE", 2, text},
	}}
	for _, n := range sorted(nodes, func(a, b Node) int {
		return compare(order, [...]float64{
			ByName: 0, ByWaiting: 0, ByRunning: float64(b.Running - a.Running), ByDone: b.Done - a.Done,
			ByFailed: b.Failed - a.Failed,
		}, a.Name, b.Name)
	}) {
		row := terminal.Plain(n.Name, n.Version, span(n.Up), strconv.Itoa(n.Running)+"/"+strconv.Itoa(n.Concurrency),
			rate(n.Done), rate(n.Failed), n.Text)
		row[6].Colour = n.Colour
		t.rows = append(t.rows, row)
	}
	return t
}

func jobTable(jobs []Job) *table {
	t := &table{columns: []column{
		{"JOB", 0, text},
		{"QUEUE", 2, text},
		{"NODE", 3, text},
		{"ATTEMPT", 4, digits},
		{"AGE", 1, digits},
		{"ACTIVE", 5, digits},
	}}
	for _, j := range jobs {
		t.rows = append(t.rows,
			terminal.Plain(j.ID, j.Queue, j.Node, strconv.Itoa(j.Attempt), span(j.Age), span(j.Active)))
	}
	return t
}

// compare compares by the difference that an order looks at, and then by name.
func compare(order Order, differences [orders]float64, a, b string) int {
	return cmp.Or(cmp.Compare(differences[order%orders], 0), cmp.Compare(a, b))
}

// sorted returns a sorted copy.
func sorted[T any](all []T, less func(a, b T) int) []T {
	return slices.SortedStableFunc(slices.Values(all), less)
}
