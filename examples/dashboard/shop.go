package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/schedule"
)

// quiet keeps the terminal free: the pages show what goes wrong.
var quiet = slog.New(slog.DiscardHandler)

// shop is the fleet that the pages show. Its nodes would be processes of their own; here they are
// in one, each with its own connection to the broker and its own consumers.
type shop struct {
	broker                     *memory.Broker
	orders, emails, thumbnails *memory.Queue
	store                      queue.Store
	plans                      *schedule.Plans
	mail                       mailServer

	observer  *fleet.Node // that of the pages, without consumers
	nodes     []*fleet.Node
	consumers []*gentask.Consumer
}

// open opens the shop. The caller closes it.
func open(ctx context.Context) (*shop, error) {
	s := &shop{
		broker:     memory.NewBroker(),
		orders:     memory.New(memory.Config{Name: "orders"}),
		emails:     memory.New(memory.Config{Name: "emails"}),
		thumbnails: memory.New(memory.Config{Name: "thumbnails"}),
		mail:       mailServer{since: time.Now()},
	}
	err := s.plan(ctx)
	if err == nil {
		s.observer, err = fleet.Join(ctx, s.broker, fleet.Config{Node: "dashboard", Logger: quiet})
	}
	for _, name := range []string{"web-1", "worker-1", "worker-2"} {
		if err == nil {
			err = s.join(ctx, name)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// plan stores the schedule, as each node of a real fleet may do at its start.
func (s *shop) plan(ctx context.Context) (err error) {
	if s.store, err = s.broker.Store(ctx, "plans"); err != nil {
		return err
	}
	if s.plans, err = schedule.OpenPlans(s.store, "shop"); err != nil {
		return err
	}
	mail := func(to string) queue.Message {
		return queue.Message{Body: []byte(`{"to": "` + to + `", "template": "report"}`), ContentType: "application/json"}
	}
	for _, plan := range []schedule.Plan{
		{Name: "stock report", Cron: "*/15 * * * * *", Message: mail("warehouse@example.com")},
		{Name: "daily revenue", Cron: "30 6 * * MON-FRI", Missed: schedule.Latest, Message: mail("finance@example.com")},
		{Name: "newsletter", Cron: "0 9 * * MON", Message: mail("customers@example.com")},
	} {
		if err := s.plans.Put(ctx, plan); err != nil {
			return err
		}
	}
	return s.plans.Pause(ctx, "newsletter") // until someone has written it
}

// join adds a node. One that serves the web makes no thumbnails.
func (s *shop) join(ctx context.Context, name string) error {
	retry := gentask.Retry{MaxAttempts: 3, Backoff: gentask.Backoff{Base: 500 * time.Millisecond, Max: 5 * time.Second}}
	config := func(concurrency int) gentask.Config {
		return gentask.Config{
			Concurrency: concurrency, Prefetch: 2 * concurrency, Timeout: 20 * time.Second, DrainTimeout: 2 * time.Second,
			Retry: retry, LogsInLetters: true, Logger: quiet,
		}
	}
	orders, err := gentask.New(s.orders, gentask.Handle(bill), config(4))
	if err != nil {
		return err
	}
	guarded := config(6)
	guarded.Policy.Breaker = gentask.Breaker{
		FailureRate: 0.5, Window: 5 * time.Second, Wait: gentask.Backoff{Base: 4 * time.Second, Max: 8 * time.Second},
	}
	emails, err := gentask.New(s.emails, gentask.Handle(s.mail.send), guarded)
	if err != nil {
		return err
	}
	consumers := []*gentask.Consumer{orders, emails}
	if name != "web-1" {
		thumbnails, err := gentask.New(s.thumbnails, gentask.Handle(shrink), config(3))
		if err != nil {
			return err
		}
		consumers = append(consumers, thumbnails)
	}
	node, err := fleet.Join(ctx, s.broker.Connect(), fleet.Config{Node: name, Version: "1.4.2", Logger: quiet}, consumers...)
	if err != nil {
		return err
	}
	s.nodes, s.consumers = append(s.nodes, node), append(s.consumers, consumers...)
	return nil
}

// run works until ctx ends or a part gives up, and returns when the consumers are drained. A node
// that an operator drains ends without an error, and the others go on.
func (s *shop) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	parts := []func(context.Context) error{s.load, func(ctx context.Context) error {
		return schedule.Run(ctx, s.emails, schedule.Config{Stored: s.plans, Logger: quiet})
	}}
	for _, c := range s.consumers {
		parts = append(parts, c.Run)
	}
	var all sync.WaitGroup
	failed := make(chan error, len(parts))
	for _, part := range parts {
		all.Go(func() {
			if err := part(ctx); err != nil {
				failed <- err
				stop()
			}
		})
	}
	all.Wait()
	close(failed)
	var err error
	for one := range failed {
		err = errors.Join(err, one)
	}
	return err
}

// close closes what is open. The queues are closed last: they hold the delayed jobs.
func (s *shop) close() (err error) {
	for _, node := range s.nodes {
		err = errors.Join(err, node.Close())
	}
	if s.observer != nil {
		err = errors.Join(err, s.observer.Close())
	}
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	for _, q := range []*memory.Queue{s.orders, s.emails, s.thumbnails} {
		q.Close()
	}
	return err
}
