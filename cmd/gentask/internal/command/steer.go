package command

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/fleet"
)

// order gives a command to the fleet.
type order func(ctx context.Context, n *fleet.Node, s *session, by gentask.Author) (*fleet.Command, error)

// steer returns the action of a command that gives an order. Arguments are the spec's.
func (a *app) steer(what spec, give order) cli.ActionFunc {
	return a.do(what, func(ctx context.Context, s *session) error {
		return s.withNode(ctx, func(ctx context.Context, n *fleet.Node) error {
			bounded, cancel := s.bounded(ctx)
			defer cancel()
			command, err := give(bounded, n, s, s.author())
			if err != nil {
				return err
			}
			acks, err := s.follow(ctx, command)
			if err == nil && len(acks) == 0 && command.Queue != "" {
				s.noteUnheard(ctx, n, command.Queue)
			}
			return err
		})
	})
}

func (a *app) pause() *cli.Command {
	return &cli.Command{
		Name: "pause", Usage: "let no consumer of a queue take work", ArgsUsage: "QUEUE", Flags: steering(),
		Description: `Running jobs go on. The pause holds on all nodes, also those that start later,
until resume. ` + steerText,
		Action: a.steer(spec{least: 1, most: 1},
			func(ctx context.Context, n *fleet.Node, s *session, by gentask.Author) (*fleet.Command, error) {
				return n.Pause(ctx, s.Args().First(), by)
			}),
	}
}

func (a *app) resume() *cli.Command {
	return &cli.Command{
		Name: "resume", Usage: "undo pause", ArgsUsage: "QUEUE", Flags: steering(),
		Description: `A consumer that its own program has paused stays paused. ` + steerText,
		Action: a.steer(spec{least: 1, most: 1},
			func(ctx context.Context, n *fleet.Node, s *session, by gentask.Author) (*fleet.Command, error) {
				return n.Resume(ctx, s.Args().First(), by)
			}),
	}
}

func (a *app) limit() *cli.Command {
	return &cli.Command{
		Name: "limit", Usage: "change concurrency or rate of the consumers of a queue",
		Commands: []*cli.Command{
			{
				Name: "concurrency", Usage: "change how many jobs each consumer runs at a time",
				ArgsUsage:   "QUEUE JOBS|reset",
				Description: `reset means as configured. A consumer with a smaller prefetch refuses. ` + steerText,
				Flags:       steering(),
				Action:      a.steer(spec{least: 2, most: 2}, limitConcurrency),
			},
			{
				Name: "rate", Usage: "change how many runs each consumer starts in a second",
				ArgsUsage: "QUEUE RATE|none|reset",
				Description: `none lifts the limit, and reset means as configured. The rate is that
of each consumer. ` + steerText,
				Flags: steering(&cli.IntFlag{
					Name: "burst", Usage: "how many runs may start at once, 0 for those of 100 ms", HideDefault: true,
				}),
				Action: a.steer(spec{least: 2, most: 2}, limitRate),
			},
		},
	}
}

func limitConcurrency(ctx context.Context, n *fleet.Node, s *session, by gentask.Author) (*fleet.Command, error) {
	jobs, text := 0, s.Args().Get(1)
	if text != "reset" {
		var err error
		if jobs, err = strconv.Atoi(text); err != nil || jobs < 1 {
			return nil, usagef("JOBS is %q; want a positive number, or reset", text)
		}
	}
	return n.SetConcurrency(ctx, s.Args().First(), jobs, by)
}

func limitRate(ctx context.Context, n *fleet.Node, s *session, by gentask.Author) (*fleet.Command, error) {
	rate, text := &gentask.Rate{Burst: s.Int("burst")}, s.Args().Get(1)
	switch text {
	case "reset":
		rate = nil
	case "none":
		*rate = gentask.Rate{}
	default:
		var err error
		if rate.PerSecond, err = strconv.ParseFloat(text, 64); err != nil || !(rate.PerSecond > 0) {
			return nil, usagef("RATE is %q; want a positive number, none or reset", text)
		}
	}
	return n.SetRate(ctx, s.Args().First(), rate, by)
}

func (a *app) breaker() *cli.Command {
	verb := func(name, usage string,
		f func(n *fleet.Node, ctx context.Context, queue string, by gentask.Author) (*fleet.Command, error),
	) *cli.Command {
		return &cli.Command{
			Name: name, Usage: usage, ArgsUsage: "QUEUE", Description: steerText, Flags: steering(),
			Action: a.steer(spec{least: 1, most: 1},
				func(ctx context.Context, n *fleet.Node, s *session, by gentask.Author) (*fleet.Command, error) {
					return f(n, ctx, s.Args().First(), by)
				}),
		}
	}
	return &cli.Command{
		Name: "breaker", Usage: "open, release or reset the breakers of a queue",
		Commands: []*cli.Command{
			verb("open", "keep the breakers open: no job starts, and nothing probes", (*fleet.Node).OpenBreaker),
			verb("release", "undo breaker open", (*fleet.Node).ReleaseBreaker),
			verb("reset", "close the breakers once, and forget the failures", (*fleet.Node).ResetBreaker),
		},
	}
}

func (a *app) cancel() *cli.Command {
	return &cli.Command{
		Name: "cancel", Usage: "cancel a job where it runs, or before it runs", ArgsUsage: "ID",
		Description: `A job that waits, or comes within 24 hours, is cancelled instead of run. ` + steerText,
		Flags: steering(
			&cli.StringFlag{Name: "queue", Usage: "only in the queue `NAME`", DefaultText: "all queues"},
			&cli.BoolFlag{Name: "undo", Usage: "take the cancellation back", HideDefault: true},
		),
		Action: a.steer(spec{least: 1, most: 1},
			func(ctx context.Context, n *fleet.Node, s *session, by gentask.Author) (*fleet.Command, error) {
				if s.Bool("undo") {
					return n.Uncancel(ctx, s.String("queue"), s.Args().First(), by)
				}
				return n.Cancel(ctx, s.String("queue"), s.Args().First(), by)
			}),
	}
}

func (a *app) drain() *cli.Command {
	return &cli.Command{
		Name: "drain", Usage: "end the consumers of a node, after their jobs", ArgsUsage: "NODE",
		Description: `The next process with this node ID works again. ` + steerText, Flags: steering(),
		Action: a.steer(spec{least: 1, most: 1},
			func(ctx context.Context, n *fleet.Node, s *session, by gentask.Author) (*fleet.Command, error) {
				return n.Drain(ctx, s.Args().First(), by)
			}),
	}
}

func (a *app) commands() *cli.Command {
	return &cli.Command{
		Name: "commands", Usage: "show the commands in force, with who gave them and why",
		Action: a.do(spec{}, showCommands),
	}
}

// commandLine is what commands writes as JSON, and what a command that was given begins with.
type commandLine struct {
	Kind       string    `json:"kind"`
	Queue      string    `json:"queue,omitempty"`
	Job        string    `json:"job,omitempty"`
	Node       string    `json:"node,omitempty"`
	Value      string    `json:"value,omitempty"`
	By         string    `json:"by"`
	Reason     string    `json:"reason,omitempty"`
	At         time.Time `json:"at"`
	Generation uint64    `json:"generation"`
}

func commandOf(c *fleet.Command) commandLine {
	return commandLine{c.Kind, c.Queue, c.Job, c.Node, c.Value, c.By, c.Reason, c.At, c.Generation}
}

func showCommands(ctx context.Context, s *session) error {
	return s.withNode(ctx, func(ctx context.Context, n *fleet.Node) error {
		bounded, cancel := s.bounded(ctx)
		defer cancel()
		all, err := n.Commands(bounded)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			s.screen.Notef("no command is in force")
		}
		table := s.screen.Table("KIND", "FOR", "VALUE", "AT", "BY", "REASON")
		for _, c := range all {
			if s.screen.IsJSON() {
				s.screen.Object(commandOf(c))
				continue
			}
			table.Row(terminal.Plain(c.Kind, target(c), c.Value, moment(c.At), c.By, c.Reason)...)
		}
		table.Close()
		return nil
	})
}

// target returns what a command is for.
func target(c *fleet.Command) string {
	switch {
	case c.Node != "":
		return "node " + c.Node
	case c.Job != "" && c.Queue != "":
		return fmt.Sprintf("job %s of queue %s", c.Job, c.Queue)
	case c.Job != "":
		return "job " + c.Job
	}
	return "queue " + c.Queue
}

const steerText = `The command is kept at the broker, so all nodes of the fleet follow it, those that are cut off
as soon as they are back. It waits for the nodes that answer, and shows which follow. The exit code
is 1 if one refuses, or has not followed within --wait.`
