package command

import (
	"context"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/fleet"
)

// showStacks shows the tasks that have not returned, with their stacks. In JSON each line is a
// fleet.TaskStatus.
func showStacks(ctx context.Context, s *session, n *fleet.Node) error {
	bounded, cancel := s.bounded(ctx)
	defer cancel()
	tasks, err := n.Tasks(bounded, s.String("node"), s.String("queue"))
	if err != nil {
		return err
	}
	if len(tasks) == 0 {
		s.screen.Notef("no task runs on the nodes that answer")
	}
	for _, t := range tasks {
		if s.screen.IsJSON() {
			s.screen.Object(t)
			continue
		}
		s.showStack(&t)
	}
	return nil
}

func (s *session) showStack(t *fleet.TaskStatus) {
	abandoned := ""
	if t.Abandoned {
		abandoned = ", " + s.screen.Paint(terminal.Bad, "abandoned")
	}
	s.screen.Printf("%s of %s on %s, attempt %d, %s old%s\n", s.screen.Paint(terminal.Title, terminal.Text(t.ID)),
		terminal.Text(t.Queue), terminal.Text(t.Node), t.Attempt, terminal.Age(t.Age), abandoned)
	s.screen.Printf("  %s\n", terminal.Lines(t.Stack, "  "))
	if t.StackCut > 0 {
		s.screen.Printf("  (%d bytes more)\n", t.StackCut)
	}
	if t.LeftOut > 0 {
		s.screen.Notef("%d more tasks of node %s are not shown", t.LeftOut, terminal.Text(t.Node))
	}
	s.screen.Printf("\n")
}
