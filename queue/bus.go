package queue

import (
	"context"
	"iter"
)

// Bus reaches the programs that are connected now. It is volatile: a question or an answer may be
// lost, and nothing is kept for a program that connects later. A [Store] is the place for data that
// must not be lost. A driver implements Bus with the means of its broker; package fleet uses it to
// find the nodes. Its methods are safe for concurrent use.
//
// A topic is 1 to 100 letters of a to z, digits, dots, hyphens and underscores, with dots only
// between others; anything else is [ErrConfig]. Two buses see each other if they were opened on the
// same broker with the same name. Questions and answers of up to 64 KiB fit every broker.
type Bus interface {
	// Ask sends question to everyone who answers topic, the caller's own functions included, and
	// yields each answer as it comes, in no particular order, until ctx ends or the loop does. It
	// can't know how many there are: bound ctx to how long you are willing to wait. It yields an
	// error, as the last thing, when the broker is away ([ErrUnavailable]), refuses (ErrConfig),
	// the question is too large ([ErrTooLarge]), or the bus is closed ([ErrClosed]). The end of ctx
	// is not an error.
	Ask(ctx context.Context, topic string, question []byte) iter.Seq2[[]byte, error]

	// Answer calls f for each question about topic, one at a time for each call of Answer, and
	// sends what it returns. Nil means no answer; an answer that is too large for the broker is
	// lost. A function that panics gives no answer. f must not change or keep the question.
	//
	// If the broker is there, questions that are asked after Answer has returned reach f. If it is
	// away, or the connection is lost later, they do as soon as it is back, by itself. A right that
	// is missing is ErrConfig.
	//
	// When stop returns, f does not run and is not called again. It is idempotent. f must not call
	// stop or Close, which would wait for f.
	Answer(topic string, f func(question []byte) []byte) (stop func(), err error)

	// Close ends the bus: every Ask, and every Answer as its stop does. It is idempotent, and
	// leaves the connection of a broker that others use.
	Close() error
}
