package queuetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// BusFixture is one new bus of the driver under test.
type BusFixture struct {
	// Open returns another access to the bus, as another program has it, by a connection of its
	// own. Required.
	Open func(ctx context.Context) (queue.Bus, error)

	// Aside is Open by a way that Cut leaves alone. Nil means that the driver's test can't cut
	// connections, and the cases about it are left out.
	Aside func(ctx context.Context) (queue.Bus, error)

	// Cut cuts every connection of Open, as a network fault does, and refuses new ones until
	// Restore. Both are required with Aside.
	Cut, Restore func()

	// Kill ends the broker's process without a warning, and starts it again. It returns when the
	// broker takes connections. Nil leaves its case out.
	Kill func()
}

// RunBus runs the suite of [queue.Bus], each case as a sub-test and one after the other. It calls
// newBus once for each case, with the sub-test as t.
func RunBus(t *testing.T, newBus func(t testing.TB) BusFixture) {
	t.Helper()
	for _, tc := range append(busCases(), busLossCases()...) {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
			defer cancel()
			f := newBus(t)
			if tc.needs != nil && !tc.needs(f) {
				t.Skip("the fixture lacks a hook that this case needs")
			}
			tc.check(&busBench{t: t, ctx: ctx, BusFixture: f})
		})
	}
}

// busCase is one guarantee of the contract.
type busCase struct {
	name  string
	needs func(f BusFixture) bool // nil: nothing
	check func(b *busBench)
}

// busBench is the state of one case.
type busBench struct {
	t   *testing.T
	ctx context.Context // ends with the case; here, because every move needs it
	BusFixture
}

func (b *busBench) open() queue.Bus  { return b.opened(b.Open) }
func (b *busBench) aside() queue.Bus { return b.opened(b.Aside) }

func (b *busBench) opened(open func(context.Context) (queue.Bus, error)) queue.Bus {
	b.t.Helper()
	s, err := open(b.ctx)
	require.NoError(b.t, err, "Open")
	b.t.Cleanup(func() { require.NoError(b.t, s.Close(), "Close") })
	return s
}

// answer registers a function.
func (b *busBench) answer(s queue.Bus, topic string, f func([]byte) []byte) (stop func()) {
	b.t.Helper()
	stop, err := s.Answer(topic, f)
	require.NoError(b.t, err, "Answer")
	return stop
}

// say registers a function with a fixed answer.
func (b *busBench) say(s queue.Bus, topic, text string) (stop func()) {
	b.t.Helper()
	return b.answer(s, topic, func([]byte) []byte { return []byte(text) })
}

// ask asks until there are n answers, and a little longer, so that one too many is seen.
func (b *busBench) ask(s queue.Bus, topic, question string, n int) []string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, arrival)
	defer cancel()
	var got []string
	for answer, err := range s.Ask(ctx, topic, []byte(question)) {
		require.NoError(b.t, err, "Ask")
		if got = append(got, string(answer)); len(got) == n {
			time.AfterFunc(silence, cancel)
		}
	}
	return got
}

// silent requires that there is no answer for a while.
func (b *busBench) silent(s queue.Bus, topic string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*silence)
	defer cancel()
	for answer, err := range s.Ask(ctx, topic, nil) {
		require.Fail(b.t, "nobody must answer", "%q %v", answer, err)
	}
}

// askError returns the error of an Ask; nil if there was none for a while.
func (b *busBench) askError(s queue.Bus, topic string, question []byte) error {
	ctx, cancel := context.WithTimeout(b.ctx, silence)
	defer cancel()
	for _, err := range s.Ask(ctx, topic, question) {
		if err != nil {
			return err
		}
	}
	return nil
}
