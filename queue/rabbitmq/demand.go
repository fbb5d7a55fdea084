package rabbitmq

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// argTimeout is the argument of a consumer with its own timeout.
const argTimeout = "x-consumer-timeout"

// consumerArgs returns the arguments of a consumer; nil for none.
func (c Config) consumerArgs(priority int) amqp.Table {
	args := amqp.Table{}
	if c.ConsumerTimeout > 0 {
		args[argTimeout] = c.ConsumerTimeout.Milliseconds()
	}
	if priority != 0 {
		args["x-priority"] = int32(priority) //nolint:gosec // checked by New
	}
	if len(args) == 0 {
		return nil
	}
	return args
}

// priorities returns an error if the queue would have none.
func (c Config) priorities(server serverVersion) error {
	if c.MaxPriority == 0 || c.Type == Classic || c.Passive || server.hasQuorumPriorities() {
		return nil
	}
	return tooOld(fmt.Sprintf("MaxPriority is %d for %s queues", c.MaxPriority, c.Type), server,
		"Config.Type Classic, or 0")
}

// timeouts returns an error if the server would ignore the consumer's timeout, as older ones do.
func (c Config) timeouts(server serverVersion) error {
	if c.ConsumerTimeout == 0 || server.hasConsumerTimeouts() {
		return nil
	}
	return tooOld(fmt.Sprintf("ConsumerTimeout is %v", c.ConsumerTimeout), server,
		"0, and consumer_timeout in the server's configuration")
}

// tooOld returns the error about a field that needs RabbitMQ 4.3.
func tooOld(field string, server serverVersion, right string) error {
	return fmt.Errorf("rabbitmq: %w: %w: Config.%s and the server is RabbitMQ %v: "+
		"right would be RabbitMQ from 4.3 on, or %s", queue.ErrConfig, queue.ErrUnsupported, field, server, right)
}

// noTimeout explains the refusal of a consumer's timeout by a queue of another type, which others
// have declared. It returns other errors unchanged.
func noTimeout(err error) error {
	var reply *amqp.Error
	if !errors.As(err, &reply) || reply.Code != amqp.PreconditionFailed || !strings.Contains(reply.Reason, argTimeout) {
		return err
	}
	bad := badConfig("Config.ConsumerTimeout", "set, and the queue is no quorum queue", "0")
	return fmt.Errorf("%w: %w", bad, err)
}
