package command

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/fleet"
)

// didYouMean returns a question in brackets, with the name that was probably meant by what was
// typed; "" if no name is near enough.
func didYouMean(typed string, names []string) string {
	if name := nearest(typed, names); name != "" {
		return fmt.Sprintf(" (did you mean %s?)", name)
	}
	return ""
}

// leastPrefix is how many letters of a name are enough to mean it.
const leastPrefix = 2

// nearest returns the name that differs least from what was typed: by a third of its letters at
// most, where a pair that was swapped is one. The only name that begins with it is near, too.
func nearest(typed string, names []string) string {
	best, least, begin := "", len([]rune(typed))/3+1, []string{} //nolint:mnd // a third
	for _, name := range names {
		if name == typed {
			continue
		}
		if d := distance(strings.ToLower(typed), strings.ToLower(name)); d < least {
			best, least = name, d
		}
		if len(typed) >= leastPrefix && strings.HasPrefix(name, typed) {
			begin = append(begin, name)
		}
	}
	if best == "" && len(begin) == 1 {
		return begin[0]
	}
	return best
}

// distance returns how many letters must be changed, added, left out or swapped with the next one
// to make b of a.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	rows := make([][]int, len(from)+1)
	for i := range rows {
		rows[i] = make([]int, len(to)+1)
		rows[i][0] = i
	}
	for j := range to {
		rows[0][j+1] = j + 1
	}
	for i := range from {
		for j := range to {
			change := 1
			if from[i] == to[j] {
				change = 0
			}
			d := min(rows[i][j]+change, rows[i][j+1]+1, rows[i+1][j]+1)
			if i > 0 && j > 0 && from[i] == to[j-1] && from[i-1] == to[j] {
				d = min(d, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = d
		}
	}
	return rows[len(from)][len(to)]
}

// flagNames returns the names of all flags that a command takes.
func flagNames(c *cli.Command) []string {
	names := []string{"--help"}
	for _, one := range c.Lineage() {
		for _, f := range one.Flags {
			names = append(names, "--"+f.Names()[0])
		}
	}
	return names
}

// suggestQueue adds the queue that was probably meant to the error about one that does not exist.
// A broker that lists none has no suggestion.
func (s *session) suggestQueue(ctx context.Context, name string, err error) error {
	names, listed := s.broker.Names(ctx)
	hint := didYouMean(strconv.Quote(name), quoted(names))
	if listed != nil || hint == "" {
		return err
	}
	return fmt.Errorf("%w%s", err, hint)
}

// quoted returns names in quotation marks.
func quoted(names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = strconv.Quote(name)
	}
	return all
}

// noteUnused writes a note about a queue that has nothing, where every name is one, if another one
// was probably meant.
func (s *session) noteUnused(ctx context.Context, name string) {
	b, ok := s.broker.(broker.Loose)
	if !ok {
		return
	}
	if used, err := b.Uses(ctx, name); err != nil || used {
		return
	}
	if names, err := s.broker.Names(ctx); err == nil {
		s.noteNearest(name, names)
	}
}

// noteUnheard writes a note about a queue that no node has, if another one was probably meant.
func (s *session) noteUnheard(ctx context.Context, n *fleet.Node, name string) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	nodes, err := n.Nodes(ctx)
	if err != nil {
		return // it is only a suggestion
	}
	var names []string
	for _, node := range nodes {
		for _, c := range node.Consumers {
			names = append(names, c.Queue)
		}
	}
	s.noteNearest(name, names)
}

// noteNearest writes which queue was probably meant.
func (s *session) noteNearest(name string, names []string) {
	if hint := didYouMean(strconv.Quote(name), quoted(names)); hint != "" {
		s.screen.Notef("there is nothing by the name of queue %s%s", terminal.Text(strconv.Quote(name)),
			terminal.Text(hint))
	}
}
