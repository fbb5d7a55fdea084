package link_test

import (
	"context"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/guard/guardtest"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
)

// TestOpen sends Opened before the first delivery, and opens with the options of the caller.
func TestOpen(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.publish("a", "b")
		r.start()
		r.sends("opened", "a", "b")
		require.Equal(r, r.cfg.Options, r.options)
		require.Equal(r, prefetch, r.link.Prefetch())
		require.False(r, r.hurryFor(time.Hour), "nothing is owed")
		r.link.Close(link.CloseTimeout)
		r.sends("closed")
		require.EqualValues(r, 1, r.closes.Load())
	})
}

// TestOpen_Fails with Broken, however the driver fails.
func TestOpen_Fails(t *testing.T) {
	type open = func(context.Context) (queue.Session, error)
	for name, c := range map[string]struct {
		open open
		want error
	}{
		"refused": {func(context.Context) (queue.Session, error) { return nil, errBroker }, errBroker},
		"nothing": {func(context.Context) (queue.Session, error) { return nil, nil }, link.ErrNoSession},
		"panic":   {func(context.Context) (queue.Session, error) { panic(errBroker) }, errBroker},
		"Goexit": {
			func(context.Context) (queue.Session, error) { runtime.Goexit(); return nil, nil }, actor.ErrGoexit,
		},
		"hangs": {
			func(ctx context.Context) (queue.Session, error) { <-ctx.Done(); return nil, ctx.Err() },
			context.DeadlineExceeded,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.open = c.open
				begin := time.Now()
				r.start()
				if name == "hangs" {
					time.Sleep(openTimeout)
				}
				require.ErrorIs(r, next[*broken](r).Err, c.want)
				require.LessOrEqual(r, time.Since(begin), openTimeout)
				r.link.Close(link.CloseTimeout)
				r.sends("closed")
				require.Zero(r, r.closes.Load())
			})
		})
	}
}

// ends are the ways to end a link that has no session.
var ends = map[string]func(*rig){
	"Close":         func(r *rig) { r.link.Close(link.CloseTimeout) },
	"CloseUnopened": func(r *rig) { r.link.CloseUnopened() },
	"Abort":         func(r *rig) { go r.link.Abort() },
}

// TestOpen_AfterClose: a session that is opened after its link was closed is closed, and never
// sent.
func TestOpen_AfterClose(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.publish("a")
				r.open = func(ctx context.Context) (queue.Session, error) {
					time.Sleep(time.Second) // a driver that has succeeded before it looks at its context
					return r.session(context.WithoutCancel(ctx))
				}
				r.start()
				synctest.Wait()
				end(r)
				r.sends()
				time.Sleep(time.Second)
				if name == "Abort" {
					r.sends()
				} else {
					r.sends("closed")
				}
				require.EqualValues(r, 1, r.closes.Load())
				require.Zero(r, r.Stats().Sessions)
			})
		})
	}
}

// TestOpen_ThatIsCut by CloseUnopened sends why there was no session.
func TestOpen_ThatIsCut(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.open = func(ctx context.Context) (queue.Session, error) { <-ctx.Done(); return nil, ctx.Err() }
		r.start()
		synctest.Wait()
		r.link.CloseUnopened()
		r.sends("broken: context canceled", "closed")
	})
}

// TestOpen_ThatNeverReturns is reported, left behind, counted, and taken back when it returns. Its
// session is closed.
func TestOpen_ThatNeverReturns(t *testing.T) {
	inBubble(t, func(r *rig) {
		release := make(chan struct{})
		r.open = func(ctx context.Context) (queue.Session, error) {
			<-release
			return r.session(context.WithoutCancel(ctx))
		}
		r.start()
		require.False(r, r.hurryFor(openTimeout+link.DriverGrace))
		require.True(r, r.hurryFor(time.Second))
		r.link.Close(link.CloseTimeout)
		require.False(r, r.link.Hurry(time.Now()), "closed")
		time.Sleep(link.CloseTimeout + link.DriverGrace - 1)
		r.sends()
		time.Sleep(time.Nanosecond)
		r.sends("left behind", "closed")
		require.Equal(r, 1, r.cfg.Driving.Hung())
		close(release)
		r.sends()
		require.Zero(r, r.cfg.Driving.Hung())
		require.EqualValues(r, 1, r.closes.Load())
	})
}

// TestCloseUnopened leaves a link alone that has a session, even if Opened was not read yet.
func TestCloseUnopened(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.start()
		synctest.Wait()
		r.link.CloseUnopened()
		r.sends("opened")
		r.settleAs(queue.Ack, r.deliver("a")...)
		require.NoError(r, next[*settled](r).Err)
		r.link.Close(link.CloseTimeout)
		r.sends("closed")
	})
}

// TestReceive_Fails with Broken, however the driver fails.
func TestReceive_Fails(t *testing.T) {
	for name, c := range map[string]struct {
		receive func() (*queue.Delivery, error)
		want    error
	}{
		"lost":    {func() (*queue.Delivery, error) { return nil, queue.ErrSessionLost }, queue.ErrSessionLost},
		"nothing": {func() (*queue.Delivery, error) { return nil, nil }, link.ErrNoDelivery},
		"panic":   {func() (*queue.Delivery, error) { panic(errBroker) }, errBroker},
		"Goexit":  {func() (*queue.Delivery, error) { runtime.Goexit(); return nil, nil }, actor.ErrGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.receive = func(context.Context) (*queue.Delivery, error) { return c.receive() }
				r.start()
				sent := r.take()
				require.Len(r, sent, 2)
				require.ErrorIs(r, sent[1].(*broken).Err, c.want)
				r.link.Close(link.CloseTimeout)
				r.sends("closed")
				require.EqualValues(r, 1, r.closes.Load())
			})
		})
	}
}

// TestReceive_HostileErrors are sealed before they are sent.
func TestReceive_HostileErrors(t *testing.T) {
	for _, c := range guardtest.Errors() {
		t.Run(c.Name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.receive = func(context.Context) (*queue.Delivery, error) { return nil, c.Err }
				r.settle = func(context.Context, []queue.Settlement) error { return c.Err }
				r.start()
				require.Len(r, r.take(), 2) // take checks that they are sealed
				r.settleAs(queue.Ack, &queue.Delivery{Tag: 1})
				require.True(r, next[*settled](r).Over)
				r.link.Close(link.CloseTimeout)
				r.sends("closed")
			})
		})
	}
}

// TestReceive_DeliverPanics breaks the session, and not the process.
func TestReceive_DeliverPanics(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.cfg.Deliver = func(*testLink, *queue.Delivery) { panic(io.EOF) }
		r.publish("a")
		r.start()
		sent := r.take()
		require.Len(r, sent, 2)
		require.ErrorIs(r, sent[1].(*broken).Err, io.EOF)
		r.link.Close(link.CloseTimeout)
		r.sends("closed")
	})
}

// TestReceive_DrainedAndClosed: Receive is not called again after Close.
func TestReceive_DrainedAndClosed(t *testing.T) {
	inBubble(t, func(r *rig) {
		calls := 0
		r.receive = func(context.Context) (*queue.Delivery, error) { calls++; return nil, queue.ErrCancelled }
		r.start()
		r.sends("opened", "drained")
		r.link.Close(link.CloseTimeout)
		r.sends("closed")
		require.Equal(r, 1, calls)
	})
}

// TestReceive_AfterClose: nothing is delivered after Close, even if the driver still returns
// deliveries, and Receive is not called again.
func TestReceive_AfterClose(t *testing.T) {
	for name, late := range map[string]func() (*queue.Delivery, error){
		"delivery":  func() (*queue.Delivery, error) { return &queue.Delivery{}, nil },
		"nothing":   func() (*queue.Delivery, error) { return nil, nil },
		"cancelled": func() (*queue.Delivery, error) { return nil, queue.ErrCancelled },
		"lost":      func() (*queue.Delivery, error) { return nil, queue.ErrSessionLost },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				calls := 0
				r.receive = func(ctx context.Context) (*queue.Delivery, error) {
					calls++
					<-ctx.Done()
					return late()
				}
				r.start()
				r.sends("opened")
				r.link.Close(link.CloseTimeout)
				r.sends("closed")
				require.Equal(r, 1, calls)
			})
		})
	}
}

// unreadableError is an error that can't be unwrapped.
type unreadableError struct{}

func (unreadableError) Error() string { return "hostile" }
func (unreadableError) Unwrap() error { panic("unwrapped") }

// TestLink_ReceiveErrorIsSealed: the error of a driver is contained before it is compared.
func TestLink_ReceiveErrorIsSealed(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.receive = func(context.Context) (*queue.Delivery, error) { return nil, unreadableError{} }
		r.start()
		sent := r.take()
		require.Equal(r, []string{"opened", "broken: hostile"}, kinds(sent))
		_, panicked := guard.As[*actor.PanicError](sent[1].(*broken).Err)
		require.False(r, panicked, "%v", sent[1].(*broken).Err)
	})
}
