package command

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue"
)

func (a *app) run() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run a program for each message of a queue", ArgsUsage: "QUEUE -- PROGRAM [ARGS...]",
		Description: `The body of a message is the standard input of PROGRAM. Its environment has
the message's ID as GENTASK_ID, the attempt as GENTASK_ATTEMPT, and each header as GENTASK_HEADER_
and its name in capitals. The exit code decides: 0 done, 65 dead letter, 75 tried again at once,
others tried again after a back-off. The end of its output goes to the log, and into the dead
letter.

A program that takes longer than --timeout is ended with its process group: by SIGTERM, and a little
later by SIGKILL. The first signal to gentask lets running programs finish for --drain; their
messages are then given back, without the cost of an attempt. A second one ends them at once.
However gentask itself ends, also by kill -9, no program outlives it, and no message is lost.

run writes a line for each message that is done: ID, what became of it, attempt and seconds. The log
goes to the standard error.`,
		Flags: append(makingFlags(),
			&cli.IntFlag{Name: "concurrency", Value: 1, Usage: "how many programs run at a time"},
			&cli.DurationFlag{Name: "timeout", Value: 30 * time.Second, Usage: "how long one may run, 0 for no limit"},
			&cli.IntFlag{Name: "attempts", Value: 25, Usage: "how often a message is tried"},
			&cli.DurationFlag{
				Name: "backoff", Value: time.Second,
				Usage: "the first wait; it doubles with each attempt",
			},
			&cli.DurationFlag{
				Name: "grace", Value: 5 * time.Second,
				Usage: "from SIGTERM on until all of it must be gone",
			},
			&cli.DurationFlag{
				Name: "drain", Value: 30 * time.Second,
				Usage: "how long programs may go on after a signal",
			},
			&cli.BoolFlag{
				Name: "join", HideDefault: true,
				Usage: "join the fleet, so that nodes shows it, and pause, limit, cancel and drain work on it",
			},
		),
		Action: a.do(spec{least: 2, most: -1, open: running}, run),
	}
}

// running declares the queue as the driver does, because a consumer counts attempts by that.
func running(s *session, cfg *broker.Config) {
	making(s, cfg)
	cfg.Declare = true
}

// runLine is what run writes as JSON for each message.
type runLine struct {
	ID       string  `json:"id"`
	Became   string  `json:"became"`
	Attempt  int     `json:"attempt"`
	Seconds  float64 `json:"seconds"`
	Reason   string  `json:"reason,omitempty"`
	Finished string  `json:"finished"`
}

func run(ctx context.Context, s *session) (err error) {
	cfg, err := s.consumerConfig()
	if err != nil {
		return err
	}
	q, err := s.find(ctx)
	if err != nil {
		return err
	}
	args := s.Args().Slice()[1:]
	consumer, err := gentask.New(q, isolate.Command{Path: args[0], Args: args[1:]}.Once(isolate.Config{}), cfg)
	if err != nil {
		return err
	}
	if s.Bool("join") {
		bounded, cancel := s.bounded(ctx)
		defer cancel()
		node, err := fleet.Join(bounded, s.broker, fleet.Config{
			Name: s.String("fleet"), Version: "gentask " + version(), Logger: cfg.Logger,
		}, consumer)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, node.Close()) }()
	}
	return s.consume(ctx, consumer, cfg.DrainTimeout)
}

// consumerConfig returns that of the flags.
func (s *session) consumerConfig() (gentask.Config, error) {
	if _, err := exec.LookPath(s.Args().Get(1)); err != nil {
		return gentask.Config{}, usagef("PROGRAM: %w", err)
	}
	for _, name := range []string{"timeout", "backoff", "grace", "drain"} {
		if s.Duration(name) < 0 {
			return gentask.Config{}, usagef("--%s is %v; want 0 or more", name, s.Duration(name))
		}
	}
	for _, name := range []string{"concurrency", "attempts"} {
		if s.Int(name) < 1 {
			return gentask.Config{}, usagef("--%s is %d; want 1 or more", name, s.Int(name))
		}
	}
	backoff := s.Duration("backoff")
	return gentask.Config{
		Concurrency: s.Int("concurrency"), Timeout: orNever(s.Duration("timeout")), Grace: orNever(s.Duration("grace")),
		DrainTimeout: orNever(s.Duration("drain")), FailFast: true,
		Retry: gentask.Retry{
			MaxAttempts: s.Int("attempts"),
			Backoff:     gentask.Backoff{Base: backoff, Max: max(6*time.Hour, backoff)},
		},
		Policy:        gentask.Policy{Middleware: []gentask.Middleware{hurried(s.app.Hurry), telling}},
		LogsInLetters: true,
		Logger:        slog.New(logHandler(s.app.Err, s.screen.IsJSON(), slog.LevelInfo)),
		OnEvent: func(e gentask.Event) {
			if e.Kind == gentask.EventDone {
				s.showDone(e)
			}
		},
	}, nil
}

// orNever returns the duration of a config for one of a flag, where zero is at once, or no limit.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// consume runs the consumer until ctx ends, and then drains it.
func (s *session) consume(ctx context.Context, c *gentask.Consumer, drain time.Duration) error {
	if err := c.Start(); err != nil {
		return err
	}
	s.screen.Notef("consuming %s; the first signal lets programs finish for %v, a second one ends them",
		terminal.Text(c.Queue()), max(drain, 0))
	select {
	case <-c.Done():
		return c.Err()
	case <-ctx.Done():
	}
	report, err := c.Stop(context.WithoutCancel(ctx))
	s.screen.Notef("%d finished, %d given back, %d lost to the next consumer", report.Finished, report.Returned,
		report.Lost)
	return errors.Join(err, c.Err())
}

// showDone writes what became of a message.
func (s *session) showDone(e gentask.Event) {
	became := "lost" // the broker delivers it again
	if e.Disposition != 0 {
		became = e.Disposition.String()
	}
	if s.screen.IsJSON() {
		line := runLine{
			ID: e.ID, Became: became, Attempt: e.Attempt, Seconds: e.RunTime.Seconds(),
			Finished: e.Time.UTC().Format(time.RFC3339Nano),
		}
		if e.Reason != nil && e.Disposition != queue.Ack {
			line.Reason = e.Reason.Error()
		}
		s.screen.Object(line)
	} else {
		s.screen.Printf("%s\t%s\t%d\t%.3f\n", terminal.Text(e.ID), became, e.Attempt, e.RunTime.Seconds())
	}
	s.screen.Flush()
}
