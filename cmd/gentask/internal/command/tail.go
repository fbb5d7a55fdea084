package command

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

func (a *app) tail() *cli.Command {
	return &cli.Command{
		Name: "tail", Usage: "show the events of all consumers as they come",
		Description: `tail goes on until it is interrupted, also while the broker is away. The
events of a node come in their order. While it looks, nodes record their events for it. If they come
too fast, some are missing, and a line has their number. In JSON each line is a fleet.EventRecord.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "queue", Usage: "only events of the queue `NAME`"},
			&cli.StringFlag{Name: "node", Usage: "only events on the node `ID`"},
			&cli.StringFlag{Name: "id", Usage: "only events of the message `ID`"},
			&cli.StringSliceFlag{Name: "kind", Usage: "only events of the `KIND`, such as done; may be given again"},
		},
		Action: a.do(spec{}, tail),
	}
}

// lastKind is beyond the kinds of events.
const lastKind = 255

// kinds returns the kinds of events by their texts.
func kinds(texts []string) ([]gentask.EventKind, error) {
	var all []gentask.EventKind
	var names []string
	for k := gentask.EventReceived; k < lastKind && !strings.Contains(k.String(), "("); k++ {
		names = append(names, k.String())
		if slices.Contains(texts, k.String()) {
			all = append(all, k)
		}
	}
	for _, text := range texts {
		if !slices.Contains(names, text) {
			return nil, usagef("--kind is %q; want one of %s", text, strings.Join(names, ", "))
		}
	}
	return all, nil
}

func tail(ctx context.Context, s *session) error {
	filter := fleet.EventFilter{Node: s.String("node"), Queue: s.String("queue"), ID: s.String("id")}
	var err error
	if filter.Kinds, err = kinds(s.StringSlice("kind")); err != nil {
		return err
	}
	return s.withNode(ctx, func(ctx context.Context, n *fleet.Node) error {
		for event, err := range n.Events(ctx, filter) {
			switch {
			case errors.Is(err, queue.ErrUnavailable):
				s.screen.Notef("%s; it goes on when the broker is back", terminal.Text(err.Error()))
			case err != nil:
				return err
			default:
				s.showEvent(&event)
			}
			if s.screen.Flush(); s.screen.Err() != nil {
				return nil // the caller has the error
			}
		}
		return context.Cause(ctx)
	})
}

// showEvent shows an event as one line.
func (s *session) showEvent(e *fleet.EventRecord) {
	if s.screen.IsJSON() {
		s.screen.Object(e)
		return
	}
	parts := []string{s.screen.Paint(terminal.Faint, e.Time.Local().Format("15:04:05.000"))}
	add := func(colour terminal.Colour, text string) {
		if text != "" {
			parts = append(parts, s.screen.Paint(colour, terminal.Text(text)))
		}
	}
	add(terminal.Faint, e.Node)
	add(terminal.None, e.Queue)
	add(terminal.Title, e.Kind)
	add(terminal.None, e.ID)
	if e.Attempt > 0 {
		add(terminal.Faint, "attempt "+strconv.Itoa(e.Attempt))
	}
	add(colourOf(e), e.Disposition)
	if e.RunTime > 0 {
		add(terminal.Faint, e.RunTime.Round(time.Microsecond).String())
	}
	if e.Missed > 0 {
		add(terminal.Bad, number(e.Missed)+" events are missing")
	}
	add(terminal.None, e.Reason)
	s.screen.Printf("%s\n", strings.Join(parts, " "))
}

// colourOf returns the colour of a disposition.
func colourOf(e *fleet.EventRecord) terminal.Colour {
	switch e.Disposition {
	case queue.Ack.String():
		return terminal.Good
	case queue.DeadLetter.String():
		return terminal.Bad
	}
	return terminal.Fair
}
