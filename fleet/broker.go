package fleet

import (
	"context"
	"fmt"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// Broker opens what a fleet needs. The brokers of packages nats, embedded, postgres, rabbitmq and
// memory are Brokers. RabbitMQ's stores are for small fleets: see docs/fleet.md.
type Broker interface {
	Buses
	Stores
}

// Buses opens a [queue.Bus]. All that were opened with the same name reach each other.
type Buses interface {
	// Bus opens the bus of that name. The caller closes it.
	Bus(ctx context.Context, name string) (queue.Bus, error)
}

// Stores opens a [queue.Store]. All that were opened with the same name have the same records.
type Stores interface {
	// Store opens the store of that name. The caller closes it.
	Store(ctx context.Context, name string) (queue.Store, error)
}

// Mix returns a Broker with the buses of one broker and the stores of another, such as RabbitMQ and
// PostgreSQL.
func Mix(buses Buses, stores Stores) Broker { return mixed{buses, stores} }

type mixed struct {
	Buses
	Stores
}

// leastValue is the size of a record that fits every [queue.Store].
const leastValue = 32 << 10

// open opens bus and store. Its error has what to bring if the broker has not got one of them.
func open(ctx context.Context, b Broker, name string) (means, error) {
	bus, err := b.Bus(ctx, name)
	if err != nil {
		return means{}, bring("bus", "Mix(another, this)", err)
	}
	store, facts, err := openStore(ctx, b, name)
	if err != nil {
		_ = bus.Close() // the error of the store is the one to report
		return means{}, err
	}
	return means{bus, store, facts}, nil
}

// means is what a node has of its broker.
type means struct {
	bus   queue.Bus
	store queue.Store
	facts queue.StoreFacts
}

func openStore(ctx context.Context, b Broker, name string) (queue.Store, queue.StoreFacts, error) {
	store, err := b.Store(ctx, name)
	if err != nil {
		return nil, queue.StoreFacts{}, bring("store", "Mix(this, another)", err)
	}
	facts, err := store.Facts(ctx)
	if err == nil && facts.MaxValue < leastValue {
		err = fmt.Errorf("%w: records of %d bytes; a fleet needs %d", queue.ErrUnsupported, facts.MaxValue, leastValue)
	}
	if err != nil {
		_ = store.Close() // likewise
		return nil, facts, bring("store", "Mix(this, another)", err)
	}
	return store, facts, nil
}

// bring explains the error of a broker that can't do what a fleet needs.
func bring(what, how string, err error) error {
	if guard.Is(err, queue.ErrUnsupported) {
		return fmt.Errorf("fleet: the broker has no %s that will do; take that of NATS, PostgreSQL or an embedded "+
			"broker, by %s: %w", what, how, err)
	}
	return fmt.Errorf("fleet: %s: %w", what, err)
}
