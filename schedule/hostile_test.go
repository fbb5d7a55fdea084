package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// Errors whose methods do what they should not.
type (
	nilError           struct{ text string }
	panickingIsError   struct{ error }
	circular           struct{ next error }
	bareMapError       struct{ m map[string]int }
	panickingTextError struct{}
)

func (e *nilError) Error() string        { return e.text }
func (panickingIsError) Is(error) bool   { panic("Is") }
func (*circular) Error() string          { return "circular" }
func (c *circular) Unwrap() error        { return c.next }
func (b bareMapError) Error() string     { return fmt.Sprint("a map of ", len(b.m)) }
func (panickingTextError) Error() string { panic("Error") }
func (panickingTextError) Unwrap() error { panic("Unwrap") }

// hostile is a queue whose methods do what they should not, for as long as bad is set.
type hostile struct {
	*memory.Queue
	bad    func(ctx context.Context) error // of Publish
	window func(ctx context.Context) (time.Duration, error)
	good   atomic.Bool
	calls  atomic.Int64
}

func (h *hostile) Publish(ctx context.Context, msgs ...queue.Message) error {
	h.calls.Add(1)
	if h.bad != nil && !h.good.Load() {
		return h.bad(ctx)
	}
	return h.Queue.Publish(ctx, msgs...)
}

func (h *hostile) UniqueWindow(ctx context.Context) (time.Duration, error) {
	if h.window != nil && !h.good.Load() {
		return h.window(ctx)
	}
	return h.Queue.UniqueWindow(ctx)
}

// misdeeds are ways in which a publisher can be wrong. Those that hang end with the test.
func misdeeds(release <-chan struct{}) map[string]func(context.Context) error {
	circle := &circular{}
	circle.next = circle
	wide := make([]error, 2000)
	for i := range wide {
		wide[i] = errDown
	}
	returns := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	var typed *nilError
	return map[string]func(context.Context) error{
		"typed nil":       returns(typed),
		"Error panics":    returns(panickingTextError{}),
		"wrapped":         returns(fmt.Errorf("wrapped: %w", errors.Join(errDown, panickingIsError{errDown}))),
		"circular":        returns(circle),
		"very wide":       returns(errors.Join(wide...)),
		"not comparable":  returns(bareMapError{m: map[string]int{}}),
		"long":            returns(errors.New(strings.Repeat("x", 1<<20))),
		"panics":          func(context.Context) error { panic(typed) },
		"panics with nil": func(context.Context) error { panic(nil) },
		"Goexit":          func(context.Context) error { runtime.Goexit(); return nil },
		"deaf":            func(context.Context) error { <-release; return nil },
		"waits":           func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	}
}

// TestScenario39_APublisherThatMisbehaves: the plan goes on when the publisher is well again, the
// log has the events, the number of goroutines is bounded, and Run returns when it should.
func TestScenario39_APublisherThatMisbehaves(t *testing.T) {
	for name := range misdeeds(nil) {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, q *memory.Queue) {
				release := make(chan struct{})
				h := &hostile{Queue: q, bad: misdeeds(release)[name]}
				n := start(t, h, Plan{Name: "report", Cron: "* * * * *"})
				time.Sleep(20 * time.Minute)
				require.Empty(t, planned(t, q))
				require.Less(t, runtime.NumGoroutine(), 40)
				if name == "deaf" {
					require.LessOrEqual(t, h.calls.Load(), int64(mostCalls))
				}
				h.good.Store(true)
				close(release)
				time.Sleep(2 * time.Minute)
				require.NotEmpty(t, planned(t, q))
				log := end(t, n)
				require.Contains(t, log, "given up")
				require.Less(t, len(log), 2<<20)
			})
		})
	}
}

// TestScenario39_RunReturns within the grace, for every misbehaviour of the publisher.
func TestScenario39_RunReturns(t *testing.T) {
	for name := range misdeeds(nil) {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, q *memory.Queue) {
				release := make(chan struct{})
				defer synctest.Wait()
				defer close(release)
				bad := misdeeds(release)[name]
				for _, h := range []*hostile{
					{Queue: q, bad: bad},
					{Queue: q, window: func(ctx context.Context) (time.Duration, error) {
						err := bad(ctx)
						return 0, errors.Join(err, errDown)
					}},
				} {
					n := start(t, h, Plan{Name: "report", Cron: "* * * * *"})
					time.Sleep(61 * time.Second)
					n.stop()
					stopped := time.Now()
					require.NoError(t, <-n.done)
					require.LessOrEqual(t, time.Since(stopped), mostGrace)
				}
			})
		})
	}
}

// TestTheWindowIsAskedAgain when the publisher misbehaves; an answer that can't be is refused.
func TestTheWindowIsAskedAgain(t *testing.T) {
	in(t, func(t *testing.T, q *memory.Queue) {
		h := &hostile{Queue: q, window: func(context.Context) (time.Duration, error) { panic("window") }}
		n := start(t, h, Plan{Name: "report", Cron: "* * * * *"})
		time.Sleep(5 * time.Minute)
		h.good.Store(true)
		time.Sleep(2 * time.Minute)
		require.NotEmpty(t, planned(t, q))
		require.Contains(t, end(t, n), "panicked: window")
	})
	for _, window := range []time.Duration{-1 << 63, -1, 0} {
		h := &hostile{window: func(context.Context) (time.Duration, error) { return window, nil }}
		err := Run(t.Context(), h, Config{Plans: []Plan{{Name: "a", Cron: "@daily"}}})
		require.ErrorIs(t, err, queue.ErrUnsupported)
		require.ErrorContains(t, err, "right would be")
	}
}

// TestAnEndlessWindow: a publisher that never forgets a key is the best of all.
func TestAnEndlessWindow(t *testing.T) {
	for _, missed := range []Missed{Skip, Latest} {
		in(t, func(t *testing.T, q *memory.Queue) {
			h := &hostile{Queue: q, window: func(context.Context) (time.Duration, error) { return 1<<63 - 1, nil }}
			n := start(t, h, Plan{Name: "report", Cron: "* * * * * *", Missed: missed})
			time.Sleep(10*time.Second + time.Millisecond)
			require.GreaterOrEqual(t, len(planned(t, q)), 10)
			require.Empty(t, end(t, n))
		})
	}
}

// TestARefusalIsSealed: Run's error has the publisher's text, and calls none of its methods.
func TestARefusalIsSealed(t *testing.T) {
	in(t, func(t *testing.T, q *memory.Queue) {
		own := fmt.Errorf("full stop: %w", queue.ErrConfig)
		h := &hostile{Queue: q, bad: func(context.Context) error { return own }}
		err := <-start(t, h, Plan{Name: "report", Cron: "* * * * *"}).done
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorIs(t, err, own)
		require.ErrorContains(t, err, `"report"`)
		require.ErrorContains(t, err, "full stop")
	})
}

// badHandler is a slog.Handler that does what it should not.
type badHandler struct{ do func() }

func (b badHandler) Enabled(context.Context, slog.Level) bool  { b.do(); return true }
func (b badHandler) Handle(context.Context, slog.Record) error { b.do(); return nil }
func (b badHandler) WithAttrs([]slog.Attr) slog.Handler        { b.do(); return b }
func (b badHandler) WithGroup(string) slog.Handler             { b.do(); return b }

// TestScenario39_ALoggerThatMisbehaves costs lines, and neither a firing nor the end.
func TestScenario39_ALoggerThatMisbehaves(t *testing.T) {
	for name, do := range map[string]func(release <-chan struct{}){
		"panics": func(<-chan struct{}) { panic("log") },
		"Goexit": func(<-chan struct{}) { runtime.Goexit() },
		"hangs":  func(release <-chan struct{}) { <-release },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, q *memory.Queue) {
				release := make(chan struct{})
				defer synctest.Wait()
				defer close(release)
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 1)
				p := &flaky{Queue: q}
				go func() {
					done <- Run(ctx, p, Config{
						Plans:  []Plan{{Name: "report", Cron: "* * * * *"}},
						Logger: slog.New(badHandler{do: func() { do(release) }}),
					})
				}()
				time.Sleep(time.Second)
				p.fail(errDown)
				time.Sleep(time.Hour)
				p.fail(nil)
				time.Sleep(10 * time.Minute)
				require.GreaterOrEqual(t, len(planned(t, q)), 9)
				require.Less(t, runtime.NumGoroutine(), 40)
				stop()
				stopped := time.Now()
				require.NoError(t, <-done)
				require.LessOrEqual(t, time.Since(stopped), lastLines)
			})
		})
	}
}

// TestLostLinesAreCounted in the next line that is written.
func TestLostLinesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := &strings.Builder{}
		release := make(chan struct{})
		book, log := newLogbook(slog.New(slow{slog.NewTextHandler(text, nil), release}))
		for range mostLines + 11 {
			log.WithGroup("g").With("k", "v").Error("line")
			synctest.Wait()
		}
		close(release)
		synctest.Wait()
		log.Error("last")
		book.close()
		require.Contains(t, text.String(), `msg=last "lines lost"=10`)
		require.Contains(t, text.String(), "g.k=v")
	})
}

// slow is a handler that waits.
type slow struct {
	slog.Handler
	release chan struct{}
}

func (s slow) Handle(ctx context.Context, r slog.Record) error {
	<-s.release
	return s.Handler.Handle(ctx, r)
}

func (s slow) WithAttrs(attrs []slog.Attr) slog.Handler {
	return slow{s.Handler.WithAttrs(attrs), s.release}
}

func (s slow) WithGroup(name string) slog.Handler { return slow{s.Handler.WithGroup(name), s.release} }

// TestAPlanIsItsOwn: what the caller changes after Run has begun changes no firing.
func TestAPlanIsItsOwn(t *testing.T) {
	headers, body := map[string]string{"k": "v"}, []byte("go")
	tt, err := newTimetable(Plan{Name: "p", Cron: "@daily", Message: queue.Message{Headers: headers, Body: body}},
		"Plan")
	require.NoError(t, err)
	headers["k"], body[0] = "x", 'x'
	m := (&runner{timetable: tt}).message(time.Now())
	require.Equal(t, "v", m.Headers["k"])
	require.Equal(t, "go", string(m.Body))
}
