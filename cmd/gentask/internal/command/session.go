package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/fleet"
)

// defaultPatience is how long a command waits for an answer of the broker.
const defaultPatience = 10 * time.Second

// session is one run of a command: its flags, its screen and its broker.
type session struct {
	*cli.Command
	app    *app
	screen *terminal.Screen
	broker broker.Broker
}

// spec is what a command needs.
type spec struct {
	least, most int // number of arguments; most below zero is no limit
	open        func(s *session, cfg *broker.Config)
	offline     bool // it needs no broker
}

// do returns the action of a command: it checks the number of arguments, opens the broker, calls f,
// and closes everything.
func (a *app) do(what spec, f func(ctx context.Context, s *session) error) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) (err error) {
		a.address = c.String("url")
		s := &session{Command: c, app: a, screen: terminal.New(terminal.Config{
			Out: a.Out, Err: a.Err, In: a.In, JSON: c.Bool("json"), Plain: os.Getenv("NO_COLOR") != "",
		})}
		if err := s.checkCount(what); err != nil {
			return err
		}
		if !what.offline {
			if err := s.open(ctx, what); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
		}
		err = f(ctx, s)
		s.screen.Flush()
		if broken := s.screen.Err(); broken != nil && err == nil {
			err = fmt.Errorf("write the results: %w", broken)
		}
		return err
	}
}

// checkCount returns a usage error for too few or too many arguments.
func (s *session) checkCount(what spec) error {
	n := s.Args().Len()
	if n < what.least || what.most >= 0 && n > what.most {
		return usagef("%d arguments; want %s %s", n, s.FullName(), s.ArgsUsage)
	}
	for _, arg := range s.Args().Slice() {
		if arg == "" {
			return usagef("an argument is empty; want %s %s", s.FullName(), s.ArgsUsage)
		}
	}
	if s.Duration("patience") <= 0 {
		return usagef("--patience is %v; want more than 0", s.Duration("patience"))
	}
	return nil
}

func (s *session) open(ctx context.Context, what spec) (err error) {
	cfg := broker.Config{URL: s.String("url"), Schema: s.String("schema"), Name: "gentask " + s.Name}
	if what.open != nil {
		what.open(s, &cfg)
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	s.broker, err = s.app.Open(ctx, cfg)
	return err
}

// close closes the broker, of which nothing is needed any more.
func (s *session) close() error {
	if err := s.broker.Close(); err != nil {
		return fmt.Errorf("close the broker: %w", err)
	}
	return nil
}

// bounded returns a context for one request to the broker.
func (s *session) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, s.Duration("patience"),
		fmt.Errorf("no answer within %v: %w", s.Duration("patience"), context.DeadlineExceeded))
}

// queue returns the queue that an argument names. It returns broker.ErrNoQueue if there is none.
func (s *session) queue(ctx context.Context, name string) (broker.Queue, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	err := s.broker.Find(ctx, name)
	if errors.Is(err, broker.ErrNoQueue) {
		err = s.suggestQueue(ctx, name, err)
	}
	if err != nil {
		return nil, err
	}
	s.noteUnused(ctx, name)
	return s.broker.Queue(name), nil
}

// node joins the fleet as an observer. The caller closes the node.
func (s *session) node(ctx context.Context) (*fleet.Node, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return fleet.Join(ctx, s.broker, fleet.Config{
		Name: s.String("fleet"), Version: "gentask " + version(), Logger: slog.New(slog.DiscardHandler),
	})
}

// withNode calls f with an observer of the fleet.
func (s *session) withNode(ctx context.Context, f func(ctx context.Context, n *fleet.Node) error) (err error) {
	n, err := s.node(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	return f(ctx, n)
}
