package queuetest

import (
	"context"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
)

// Fixture is one fresh, empty queue of the driver under test.
type Fixture struct {
	// Source opens sessions on the queue. Required.
	Source queue.Source

	// Publisher puts messages into the queue. Required.
	Publisher queue.Publisher

	// DeadLetters returns what lies in the queue's dead-letter queue now, without taking it out, read as the driver reads messages.
	// Required.
	DeadLetters func(ctx context.Context) ([]queue.Message, error)

	// Letters are the queue's dead letters as an operator sees them. Required, unless Lacks names the capability Letters.
	Letters *queue.Letters

	// Bury puts messages into the dead-letter queue as a stranger would: the id, if there is one, the body and the headers, and nothing that the
	// driver writes. It is called after a session was opened. Required together with Letters.
	Bury func(ctx context.Context, msgs ...queue.Message) error

	// Break cuts the connection of every open session of Source, as a network fault would: nothing is flushed and nobody says goodbye.
	// It returns when the connections are cut; the sessions need not have noticed. Required.
	Break func()

	// Held returns how many deliveries the broker calls unacknowledged; nil when the driver has no cheap way to tell. With it, the suite
	// also checks that a settlement that was reported is one that the broker knows of.
	Held func(ctx context.Context) (int, error)

	// Lacks says what the broker can't do through this driver, each with the reason; nil for a driver that keeps the whole contract. A case that
	// needs what is missing is not skipped: in its place the suite checks what is documented to hold instead (see Capability).
	Lacks map[Capability]string
}

// Run runs the suite, each case as a sub-test and one after the other. It calls newQueue once for each case, with the sub-test as t;
// newQueue registers its clean-up with t.Cleanup, and ends the test with t.Fatal when the queue cannot be made. A delivery that a broken
// session held has to come back within 10 s: a driver whose broker waits for a time-out first makes that time-out short, 2 s or less.
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

// testCase is one promise of the contract.
type testCase struct {
	name  string
	check func(b *bench)
}

// cases returns the whole suite, by theme.
func cases() []testCase {
	var all []testCase
	for _, theme := range [][]testCase{
		deliveryCases(),
		settleCases(),
		requeueCases(),
		returnCases(),
		deadLetterCases(),
		sessionCases(),
		cancelCases(),
		lossCases(),
		publishCases(),
		orderCases(),
		backlogCases(),
		inspectCases(),
		letterCases(),
	} {
		all = append(all, theme...)
	}
	return all
}
