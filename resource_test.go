package gentask_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// diary is a resource that notes how it is used.
type diary struct {
	unfit error
	slow  time.Duration

	mu   sync.Mutex
	text []string
}

func (d *diary) Check(gentask.ResourceUser) error { return d.unfit }

func (d *diary) Open(u gentask.ResourceUser) {
	d.note(fmt.Sprintf("open for %s, %d jobs, grace %v", u.Name, u.Concurrency, u.Grace))
}

func (d *diary) Close() {
	time.Sleep(d.slow)
	d.note("close")
}

func (d *diary) note(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = append(d.text, s)
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text
}

// TestResource: a resource is open from before the first job until after the last, once for each
// run of each consumer, also of a Mux, and Run returns after its Close.
func TestResource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{slow: time.Minute}
		job := gentask.Handle(func(context.Context, gentask.Raw) error {
			d.note("job")
			return nil
		})
		q := memory.New(memory.Config{})
		b := gentask.Mux("kind", map[string]gentask.Behavior{gentask.AnyKind: job.With(d).With(nil)})
		c, err := gentask.New(q, b, gentask.Config{Name: "it", Concurrency: 3, Grace: -1, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		for range 2 {
			ctx, stop := context.WithCancel(t.Context())
			require.NoError(t, q.Publish(ctx, queue.Message{Headers: map[string]string{"kind": "x"}}))
			time.AfterFunc(time.Second, stop)
			require.NoError(t, c.Run(ctx))
		}
		once := []string{"open for it, 3 jobs, grace 0s", "job", "close"}
		require.Equal(t, append(once, once...), d.read())
	})
}

// TestResource_Unfit: a resource that can't serve a consumer is an error of New.
func TestResource_Unfit(t *testing.T) {
	d := &diary{unfit: errors.New("no processes here")}
	b := gentask.Handle(func(context.Context, string) error { return nil }).With(d)
	_, err := gentask.New(memory.New(memory.Config{}), b, gentask.Config{})
	require.ErrorIs(t, err, gentask.ErrConfig)
	require.ErrorContains(t, err, "no processes here")
	require.Empty(t, d.read())
}

// TestRaw: a Raw payload is the body, Config.Decode is not called, and a DecodeError that its
// function returns is that of Config.Decode: it can't be tried again, or waits for a newer release.
func TestRaw(t *testing.T) {
	for name, c := range map[string]struct {
		err         error
		disposition queue.Disposition
	}{
		"fine":        {nil, queue.Ack},
		"undecodable": {&gentask.DecodeError{Type: "int", Err: errors.New("no number")}, queue.DeadLetter},
		"wrapped":     {fmt.Errorf("another's: %w", &gentask.DecodeError{Type: "int", Err: errors.New("no")}), queue.Requeue},
		"unknown":     {&gentask.DecodeError{Type: "int", Err: queue.ErrUnknown}, queue.Release},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := memory.New(memory.Config{})
				done := make(chan gentask.Event, 1)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				require.NoError(t, q.Publish(ctx, queue.Message{Body: []byte("the body")}))
				_ = gentask.Run(ctx, q, gentask.Handle(func(_ context.Context, body gentask.Raw) error {
					require.Equal(t, "the body", string(body))
					return c.err
				}), gentask.Config{
					Logger: slog.New(slog.DiscardHandler),
					Decode: func(*queue.Message, any) error { panic("not for Raw") },
					OnEvent: func(e gentask.Event) {
						if e.Kind == gentask.EventDone {
							done <- e
							stop()
						}
					},
				})
				e := <-done
				require.Equal(t, c.disposition, e.Disposition, e.Reason)
			})
		})
	}
}

// TestDecisionText: a decision survives its text.
func TestDecisionText(t *testing.T) {
	for _, d := range []gentask.Decision{
		{},
		gentask.Ack(), gentask.Requeue(0), gentask.Requeue(1500 * time.Millisecond), gentask.Release(),
		gentask.Snooze(time.Hour), gentask.PauseConsumer(), gentask.DeadLetter(nil),
		gentask.DeadLetter(errors.New("it: failed")), gentask.Extend(time.Minute),
	} {
		text, err := d.MarshalText()
		require.NoError(t, err)
		var got gentask.Decision
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, d.String(), got.String())
		require.Equal(t, d.Disposition(), got.Disposition())
	}
	kept := gentask.Ack()
	for _, bad := range []string{"", "acknowledge", "requeue after", "requeue after soon", "snooze 5", "extend", "5s"} {
		require.ErrorContains(t, kept.UnmarshalText([]byte(bad)), "is no decision", bad)
	}
	require.Equal(t, gentask.Ack(), kept)
}

// TestElsewhere: code that panics with the reason of another process ends as that did.
func TestElsewhere(t *testing.T) {
	recovered := func(value any) (reason error) {
		defer func() { reason = actor.Recovered(recover(), false) }()
		panic(value)
	}
	var panicked *actor.PanicError
	reason := recovered(actor.PanickedElsewhere("boom", "the stack"))
	require.ErrorAs(t, reason, &panicked)
	require.EqualError(t, reason, "panic: boom")
	require.Equal(t, "the stack", actor.Stack(reason))
	reason = recovered(actor.ExitedElsewhere("another stack"))
	require.ErrorIs(t, reason, actor.ErrGoexit)
	require.Equal(t, "another stack", actor.Stack(reason))
	var none *actor.PanicError
	require.ErrorContains(t, recovered(none), "panic: ")
}
