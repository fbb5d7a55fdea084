package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

func (a *app) queues() *cli.Command {
	return &cli.Command{
		Name: "queues", Usage: "show what the queues hold", ArgsUsage: "[QUEUE...]",
		Description: `queues shows for each queue how many messages are ready, delayed and held, how
many dead letters it has, and how many sessions consume. A count that the broker does not have is a
dash, and null in JSON.

Without names, JetStream, PostgreSQL and an embedded broker list their queues. RabbitMQ does not:
the queues are those of the consumers of the fleet.`,
		Action: a.do(spec{most: -1}, showQueues),
	}
}

// queueCounts is what queues writes as JSON.
type queueCounts struct {
	Queue     string `json:"queue"`
	Ready     *int   `json:"ready"`
	Delayed   *int   `json:"delayed"`
	Held      *int   `json:"held"`
	Dead      *int   `json:"dead"`
	Consumers *int   `json:"consumers"`
}

func showQueues(ctx context.Context, s *session) error {
	names := s.Args().Slice()
	if len(names) == 0 {
		var err error
		if names, err = s.names(ctx); err != nil {
			return err
		}
		if len(names) == 0 {
			s.screen.Notef("no queues")
		}
	}
	table := s.screen.Table("QUEUE", "READY", "DELAYED", "HELD", "DEAD", "CONSUMERS")
	var failed []error
	for _, name := range names {
		counts, err := s.count(ctx, name)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if s.screen.IsJSON() {
			s.screen.Object(counts)
			continue
		}
		dead := cellOf(counts.Dead)
		if counts.Dead != nil && *counts.Dead > 0 {
			dead.Colour = terminal.Fair
		}
		table.Row(terminal.Cell{Text: name}, cellOf(counts.Ready), cellOf(counts.Delayed), cellOf(counts.Held), dead,
			cellOf(counts.Consumers))
	}
	table.Close()
	return errors.Join(failed...)
}

// names returns the queues that the broker lists, and else those of the fleet's consumers.
func (s *session) names(ctx context.Context) ([]string, error) {
	bounded, cancel := s.bounded(ctx)
	defer cancel()
	names, err := s.broker.Names(bounded)
	if !errors.Is(err, broker.ErrNoList) {
		return names, err
	}
	all := map[string]bool{}
	err = s.withNode(ctx, func(ctx context.Context, n *fleet.Node) error {
		nodes, err := n.Nodes(ctx)
		for _, node := range nodes {
			for _, consumer := range node.Consumers {
				all[consumer.Queue] = true
			}
		}
		return err
	})
	if err == nil && len(all) == 0 {
		s.screen.Notef("%s lists no queues, and no node of fleet %q answers: name the queues", s.broker.System(),
			s.String("fleet"))
	}
	return slices.Sorted(maps.Keys(all)), err
}

// count returns the counts of a queue that exists.
func (s *session) count(ctx context.Context, name string) (queueCounts, error) {
	q, err := s.queue(ctx, name)
	if err != nil {
		return queueCounts{}, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	stats, err := q.Inspect(ctx)
	if err != nil {
		return queueCounts{}, fmt.Errorf("queue %q: %w", name, err)
	}
	return queueCounts{
		Queue: name, Ready: known(stats.Ready), Delayed: known(stats.Delayed), Held: known(stats.Held),
		Dead: known(stats.DeadLettered), Consumers: known(stats.Consumers),
	}, nil
}

// known returns nil for a count that the broker does not tell.
func known(n int) *int {
	if n == queue.CountUnknown {
		return nil
	}
	return &n
}

func cellOf(count *int) terminal.Cell {
	if count == nil {
		return terminal.Cell{Text: "-", Colour: terminal.Faint}
	}
	return terminal.Cell{Text: strconv.Itoa(*count)}
}
