package broker

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// rabbit is a RabbitMQ. It looks through a passive broker, which declares nothing.
type rabbit struct {
	*rabbitmq.Broker
	looker *rabbitmq.Broker
	config Config
}

func openRabbitMQ(cfg Config) (Broker, error) {
	passive := rabbitmq.Config{Name: cfg.Name, Type: rabbitmq.QueueType(cfg.QueueType), Passive: true}
	if cfg.Priorities {
		passive.MaxPriority = queue.MaxPriority
	}
	looker, err := rabbitmq.New(cfg.URL, passive)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	r := &rabbit{Broker: looker, looker: looker, config: cfg}
	if !cfg.Create && !cfg.Declare && !cfg.Temporary {
		return r, nil
	}
	declaring := passive
	declaring.Passive = false
	if r.Broker, err = rabbitmq.New(cfg.URL, declaring); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrURL, err), looker.Close())
	}
	return r, nil
}

// System implements Broker.
func (*rabbit) System() string { return "RabbitMQ" }

// Queue implements Broker.
func (r *rabbit) Queue(name string) Queue { return r.Broker.Queue(name) }

// Make implements Broker. The broker must have been opened with Temporary.
func (r *rabbit) Make(ctx context.Context, name string) (OwnQueue, error) {
	for _, one := range []string{name, name + ".dead"} {
		if _, err := r.looker.Queue(one).Backlog(ctx); err == nil {
			return nil, fmt.Errorf("%w: %q", ErrQueueExists, one)
		} else if !isMissing(err) {
			return nil, err
		}
	}
	return r.Broker.Queue(name), nil
}

// Names returns ErrNoList: only the management plug-in lists queues.
func (*rabbit) Names(context.Context) ([]string, error) { return nil, ErrNoList }

// codeNotFound is AMQP's for a queue that does not exist.
const codeNotFound = 404

// isMissing reports whether the error is that there is no such queue.
func isMissing(err error) bool {
	var reply *amqp.Error
	return errors.As(err, &reply) && reply.Code == codeNotFound
}

// Find implements Broker.
func (r *rabbit) Find(ctx context.Context, name string) error {
	_, err := r.looker.Queue(name).Inspect(ctx)
	if isMissing(err) {
		return fmt.Errorf("%w: %q, or its queue of dead letters %q", ErrNoQueue, name, name+".dead")
	}
	return err
}

// Peek returns ErrNoPeek.
func (*rabbit) Peek(context.Context, string, int) ([]queue.Message, error) {
	return nil, fmt.Errorf("%w: on RabbitMQ a look takes messages and gives them back, "+
		"which changes their order and costs each an attempt", ErrNoPeek)
}

// Close implements Broker.
func (r *rabbit) Close() error {
	if r.Broker == r.looker {
		return r.looker.Close()
	}
	return errors.Join(r.Broker.Close(), r.looker.Close())
}
