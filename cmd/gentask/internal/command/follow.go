package command

import (
	"context"
	"strconv"
	"time"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/fleet"
)

// commandReport is what a command to the fleet writes as JSON.
type commandReport struct {
	commandLine
	Acks []fleet.Ack `json:"acks"`
}

// follow waits for the nodes that should follow a command, and shows and returns what they have
// made of it.
func (s *session) follow(ctx context.Context, c *fleet.Command) (acks []fleet.Ack, err error) {
	if wait := s.Duration("wait"); wait > 0 {
		if acks, err = report(ctx, c, wait); err != nil {
			return nil, err
		}
	}
	if s.screen.IsJSON() {
		s.screen.Object(commandReport{commandOf(c), acks})
	} else {
		s.showAcks(c, acks)
	}
	if behind := notFollowing(acks); behind > 0 {
		return acks, foundf("%d of those that answered do not follow", behind)
	}
	return acks, nil
}

// report returns the acks of all nodes that answer, when none of them is pending or the time is
// over.
func report(ctx context.Context, c *fleet.Command, wait time.Duration) (acks []fleet.Ack, err error) {
	end := time.Now().Add(wait)
	for {
		bounded, cancel := context.WithDeadline(ctx, end)
		acks, err = c.Report(bounded)
		over := bounded.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if over || err != nil || !isPending(acks) {
			return acks, err
		}
	}
}

func isPending(acks []fleet.Ack) bool {
	for _, a := range acks {
		if a.Pending {
			return true
		}
	}
	return false
}

// notFollowing returns how many nodes and consumers do not follow.
func notFollowing(acks []fleet.Ack) int {
	n := 0
	for _, a := range acks {
		if a.Pending {
			n++
			continue
		}
		for _, c := range a.Consumers {
			if c.Error != "" {
				n++
			}
		}
	}
	return n
}

// showAcks shows a row for each consumer that should follow.
func (s *session) showAcks(c *fleet.Command, acks []fleet.Ack) {
	table := s.screen.Table("NODE", "CONSUMER", "QUEUE", "FOLLOWS", "JOBS", "ERROR")
	for _, a := range acks {
		if a.Pending {
			table.Row(terminal.Cell{Text: a.Node}, terminal.Cell{}, terminal.Cell{},
				terminal.Cell{Text: "not yet", Colour: terminal.Fair}, terminal.Cell{}, terminal.Cell{})
			continue
		}
		for _, one := range a.Consumers {
			follows := terminal.Cell{Text: "yes", Colour: terminal.Good}
			if one.Error != "" {
				follows = terminal.Cell{Text: "no", Colour: terminal.Bad}
			}
			table.Row(terminal.Cell{Text: a.Node}, terminal.Cell{Text: one.Name},
				terminal.Cell{Text: one.Queue}, follows,
				terminal.Cell{Text: strconv.Itoa(one.Jobs)}, terminal.Cell{Text: one.Error})
		}
	}
	table.Close()
	switch {
	case s.Duration("wait") <= 0:
		s.screen.Notef("%s: kept for %s", c.Kind, terminal.Text(target(c)))
	case len(acks) == 0:
		s.screen.Notef("%s: kept for %s; no node that answers has it, and those that start later follow", c.Kind,
			terminal.Text(target(c)))
	}
}
