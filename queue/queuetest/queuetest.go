package queuetest

import (
	"context"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
)

// Fixture is one new, empty queue of the driver under test.
type Fixture struct {
	// Source opens sessions on the queue. Required.
	Source queue.Source

	// Publisher publishes to the queue. Required.
	Publisher queue.Publisher

	// DeadLetters returns the present contents of the queue's dead-letter queue, read as the driver
	// reads messages, and removes none. Required.
	DeadLetters func(ctx context.Context) ([]queue.Message, error)

	// Letters is the operator's access to the queue's dead letters. Required, unless Lacks has the
	// capability [Letters].
	Letters *queue.Letters

	// Bury puts messages into the dead-letter queue as another program would: with ID, if there is
	// one, body and headers, and without anything that the driver adds. It is called after a
	// session was opened. Required together with Letters.
	Bury func(ctx context.Context, msgs ...queue.Message) error

	// Break cuts the connection of every open session of Source, as a network fault would, without
	// a flush or a protocol's close. It returns when the connections are cut; the sessions need not
	// have noticed. Required.
	Break func()

	// Held returns the number of deliveries that are unacknowledged at the broker; nil if the
	// driver can't get it cheaply. With it, the suite also checks that the broker has received each
	// settlement that was reported.
	Held func(ctx context.Context) (int, error)

	// Lacks has the capabilities that the broker does not support through this driver, each with
	// the reason. It is nil for a driver that implements the whole contract. A case that needs a
	// missing capability is not skipped: the suite checks the documented behaviour instead. See
	// [Capability].
	Lacks map[Capability]string
}

// Run runs the suite, each case as a sub-test and one after the other. It calls newQueue once for
// each case, with the sub-test as t. newQueue registers its clean-up with t.Cleanup, and ends the
// test with t.Fatal if the queue can't be created.
//
// A delivery that a broken session held must come back within 10 s. If the broker waits for a
// time-out first, the driver must set it to 2 s or less.
func Run(t *testing.T, newQueue func(t testing.TB) Fixture) {
	t.Helper()
	for _, tc := range cases() {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
			defer cancel()
			f := newQueue(t)
			check := f.instead(t, tc)
			check(&bench{t: t, ctx: ctx, Fixture: f})
		})
	}
}

// The suite's times.
const (
	caseLimit = 30 * time.Second       // one case, all included
	arrival   = 10 * time.Second       // the longest wait for something that has to come
	counting  = 5 * time.Second        // the longest wait for a count to be right
	silence   = 200 * time.Millisecond // the wait for something that must not come
)

// testCase is one guarantee of the contract.
type testCase struct {
	name  string
	check func(b *bench)
}

// cases returns the whole suite, by topic.
func cases() []testCase {
	var all []testCase
	for _, theme := range [][]testCase{
		deliveryCases(),
		settleCases(),
		requeueCases(),
		returnCases(),
		isolateCases(),
		deadLetterCases(),
		sessionCases(),
		cancelCases(),
		lossCases(),
		publishCases(),
		orderCases(),
		uniqueCases(),
		backlogCases(),
		inspectCases(),
		letterCases(),
		propertyCases(),
	} {
		all = append(all, theme...)
	}
	return all
}
