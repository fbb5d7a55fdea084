package broker

import (
	"context"
	"errors"

	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// Queue is one queue: every driver's is one.
type Queue interface {
	queue.Source
	queue.Publisher
	queue.Inspector
	queue.Named

	// Letters returns the operator's access to the dead letters.
	Letters() *queue.Letters
}

// OwnQueue is a queue that the command has made, and deletes again.
type OwnQueue interface {
	Queue

	// Delete deletes the queue with all that belongs to it.
	Delete(ctx context.Context) error
}

// Broker is a broker with its queues, and with the stores and buses of its fleets.
type Broker interface {
	fleet.Broker

	// System names the kind of the broker for people: RabbitMQ, for example.
	System() string

	// Queue returns the queue of that name, which need not exist.
	Queue(name string) Queue

	// Make returns the queue of that name for the command's own use. It returns ErrQueueExists if
	// there is one, or a part of one.
	Make(ctx context.Context, name string) (OwnQueue, error)

	// Names returns the names of the queues, in their order. It returns ErrNoList if the broker
	// does not tell.
	Names(ctx context.Context) ([]string, error)

	// Find returns ErrNoQueue if there is no queue of that name. It makes none.
	Find(ctx context.Context, name string) error

	// Peek returns up to limit messages of a queue, the next ones first, and takes none. It returns
	// ErrNoPeek if that is impossible.
	Peek(ctx context.Context, name string, limit int) ([]queue.Message, error)

	// Close closes the connections.
	Close() error
}

// Loose is a broker at which every name is a queue, so that Find finds any.
type Loose interface {
	// Uses reports whether the broker has anything by the name of a queue.
	Uses(ctx context.Context, name string) (bool, error)
}

var (
	// ErrNoList is returned by a broker that does not tell the names of its queues.
	ErrNoList = errors.New("the broker does not tell the names of its queues")

	// ErrNoPeek is wrapped by the error of a broker that shows no message without handing it out.
	ErrNoPeek = errors.New("the broker shows no message without handing it out")

	// ErrNoQueue is wrapped by the error about a queue that does not exist.
	ErrNoQueue = errors.New("no such queue")

	// ErrQueueExists is wrapped by the error about a queue that should be new.
	ErrQueueExists = errors.New("there is such a queue already")

	// ErrURL is wrapped by the error about a URL that names no broker.
	ErrURL = errors.New("bad URL of a broker")

	// ErrAway is wrapped by the error about a broker that can't be used at the moment: it does not
	// answer, refuses the login, or another process has its directory open.
	ErrAway = errors.New("the broker can't be used")
)

// QueueType is the type of the queues of RabbitMQ. The set is closed.
type QueueType string

// The types. The empty one leaves open how the queue was declared, and declares none.
const (
	AsDeclared QueueType = ""
	Quorum     QueueType = "quorum"
	Classic    QueueType = "classic"
)

// Config configures [Open].
type Config struct {
	// URL is the address: amqp://, amqps://, nats://, tls://, ws://, wss://, postgres://,
	// postgresql:// or file:DIRECTORY.
	URL string

	// Temporary is for queues that Make returns. It lets them be made, and the directory of an
	// embedded broker if there is none. Close removes a directory that was made, with all that is
	// in it.
	Temporary bool

	// Create lets a queue, and the directory of an embedded broker, be made if there is none.
	Create bool

	// Declare lets a consumer declare the queue as the driver does. A queue that others have
	// declared in another way is an error then.
	Declare bool

	// QueueType is that of RabbitMQ's queues. With Create or Declare, the empty one is Quorum.
	QueueType QueueType

	// Priorities lets messages have priorities on RabbitMQ.
	Priorities bool

	// Schema is that of PostgreSQL. Empty is the driver's default.
	Schema string

	// Name is shown at the broker as that of the connections.
	Name string
}
