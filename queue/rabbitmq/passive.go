package rabbitmq

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// stream is the type of a queue that the driver can't consume from: it removes nothing.
const stream QueueType = "stream"

// Arguments that others give to a queue.
const (
	argType    = "x-queue-type"
	argSingle  = "x-single-active-consumer"
	argDead    = "x-dead-letter-exchange"
	argTTL     = "x-message-ttl"
	argExpires = "x-expires"
	argLength  = "x-max-length"
	argBytes   = "x-max-length-bytes"
	argLimit   = "x-delivery-limit"
	argOffset  = "x-stream-offset"
	argAge     = "x-max-age"
	argDurable = "durable"
	argAuto    = "auto_delete"
)

// found is what the broker has told about a queue of others.
type found struct {
	kind QueueType  // empty if unknown
	args amqp.Table // those that are known
}

// single reports whether the queue has a single active consumer.
func (f found) single() bool { return f.args[argSingle] == true }

// look finds out how others have declared the work queue. AMQP has no request for that, so the
// driver makes requests that the broker must refuse, and reads the refusals. The type takes the
// right to read. The arguments take the right to configure; without it they stay unknown. The error
// is that of the connection.
func (q *Queue) look(l *link) (f found, err error) {
	if f.kind, err = q.lookAtType(l); err != nil || f.kind == "" || f.kind == stream {
		return f, err
	}
	f.args, err = q.lookAtArguments(l, f.kind)
	return f, err
}

// ofType matches RabbitMQ's refusal of a consumer's argument, and ofStream its refusal of a
// consumer of a stream without a prefetch.
var (
	ofType   = regexp.MustCompile(`of queue type rabbit_(classic|quorum)_queue`)
	ofStream = regexp.MustCompile(`prefetch count is not set`)
)

// lookAtType consumes with an argument that only streams have, and without the prefetch that they
// ask for.
func (q *Queue) lookAtType(l *link) (QueueType, error) {
	reason, err := l.refusal(func(ch *amqp.Channel) error {
		_, err := ch.Consume(q.name, "gentask-look", false, false, false, false, amqp.Table{argOffset: "last"})
		return err
	})
	if m := ofType.FindStringSubmatch(reason); m != nil {
		return QueueType(m[1]), err
	}
	if ofStream.MatchString(reason) {
		return stream, err
	}
	return "", err
}

// differs matches RabbitMQ's refusal of a declaration: its name, its text, and its type if that was
// not asked for.
var differs = regexp.MustCompile(
	`inequivalent arg '([^']*)'.* but current is (?:the value )?(?:'([^']*)'(?: of type '([^']*)')?|none)$`)

// mostLooks is more than a queue has arguments.
const mostLooks = 20

// lookAtArguments declares the queue again and again, each time with the argument whose value the
// broker has named in its refusal, until it finds no difference. The request also has an argument
// that only streams may have. The broker does not compare that one, and refuses it when the queue
// does not exist any more, so that none is created.
func (q *Queue) lookAtArguments(l *link, kind QueueType) (amqp.Table, error) {
	args := amqp.Table{argType: string(kind)}
	for range mostLooks {
		asked := maps.Clone(args)
		asked[argAge] = "1h"
		reason, err := l.refusal(func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(q.name, true, false, false, false, asked)
			return err
		})
		m := differs.FindStringSubmatch(reason)
		if err != nil || m == nil {
			return args, err
		}
		if _, again := args[m[1]]; again || m[2] == "" && m[3] == "" {
			return args, nil
		}
		args[m[1]] = argument(m[2], m[3])
	}
	return args, nil
}

// argument returns a value from its text.
func argument(text, kind string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && kind != "longstr" {
		return n
	}
	if (kind == "bool" || kind == "") && (text == "true" || text == "false") {
		return text == "true"
	}
	return text
}

// refusal returns the text with which the broker closes the channel, and an empty one if it
// doesn't.
func (l *link) refusal(f func(ch *amqp.Channel) error) (string, error) {
	err := l.briefly(f)
	var reply *amqp.Error
	if errors.As(err, &reply) && !l.IsClosed() {
		return reply.Reason, nil
	}
	return "", err
}

// checkFound refuses a queue of others that would drop messages silently, or is no queue.
func (q *Queue) checkFound(f found) error {
	if f.kind == stream {
		return q.wrong(argType, stream,
			"classic or quorum: a stream removes no message, so that no job would ever be done")
	}
	has := func(arg string) bool { return f.args[arg] != nil }
	keeps := has(argDead)
	switch overflow := f.args[argOverflow]; {
	case f.args[argDurable] == false:
		return q.wrong(argDurable, false, "true: the queue is gone when the broker restarts")
	case f.args[argAuto] == true:
		return q.wrong(argAuto, true, "false: the queue is deleted with its messages when its last consumer leaves")
	case has(argExpires):
		return q.wrong(argExpires, f.args[argExpires],
			"none: the queue is deleted with its messages when nobody uses it")
	case has(argTTL) && !keeps:
		return q.wrong(argTTL, f.args[argTTL], "none, or "+argDead+": messages that wait for longer are dropped")
	case has(argLimit) && !keeps:
		return q.wrong(argLimit, f.args[argLimit], argDead+" beside it: messages beyond it are dropped")
	case (has(argLength) || has(argBytes)) && !keeps && (overflow == nil || overflow == "drop-head"):
		return q.wrong(argOverflow, or(overflow, "drop-head"),
			rejectPublish+", or "+argDead+": the oldest messages are dropped when the queue is full")
	}
	return nil
}

// or returns the first value that is not nil.
func or(value, instead any) any {
	if value == nil {
		return instead
	}
	return value
}

func (q *Queue) wrong(arg string, was any, want string) error {
	return fmt.Errorf("%w: queue %q has %s %v: want %s", queue.ErrConfig, q.name, arg, was, want)
}
