package link_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
)

// TestCancelIntake: what was on its way is delivered before Drained, and nothing after it until
// Flowing.
func TestCancelIntake(t *testing.T) {
	inBubble(t, func(r *rig) {
		inside := make(chan struct{})
		r.cfg.Deliver = func(from *testLink, d *queue.Delivery) {
			<-inside
			r.send(&delivered{from, d})
		}
		r.publish("a")
		r.start()
		r.sends("opened")
		r.link.CancelIntake()
		r.sends()
		close(inside)
		r.sends("a", "drained")
		r.publish("b", "c")
		require.False(r, r.hurryFor(time.Hour))
		r.sends()
		r.resume = func(context.Context) error { time.Sleep(time.Second); return nil }
		r.link.ResumeIntake()
		r.sends()
		time.Sleep(time.Second)
		r.sends("flowing", "b", "c")
		require.False(r, r.hurryFor(time.Hour))
		r.link.CancelIntake()
		r.sends("drained")
		r.link.Close(link.CloseTimeout)
		r.sends("closed")
	})
}

// TestCancelIntake_Fails with Broken, and so does ResumeIntake.
func TestCancelIntake_Fails(t *testing.T) {
	for name, c := range map[string]struct {
		call func(context.Context) error
		want error
	}{
		"error":  {func(context.Context) error { return errBroker }, errBroker},
		"panic":  {func(context.Context) error { crashes["panic"].crash(); return nil }, errBroker},
		"Goexit": {func(context.Context) error { crashes["Goexit"].crash(); return nil }, crashes["Goexit"].want},
		"hangs":  {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, context.DeadlineExceeded},
	} {
		t.Run("Cancel "+name, func(t *testing.T) {
			withSession(t, func(r *rig) {
				r.cancel = c.call
				r.link.CancelIntake()
				if name == "hangs" {
					time.Sleep(link.CloseTimeout)
				}
				require.ErrorIs(r, next[*broken](r).Err, c.want)
			})
		})
		t.Run("Resume "+name, func(t *testing.T) {
			withSession(t, func(r *rig) {
				r.resume = c.call
				r.link.CancelIntake()
				r.sends("drained")
				r.link.ResumeIntake()
				if name == "hangs" {
					time.Sleep(link.CloseTimeout)
				}
				require.ErrorIs(r, next[*broken](r).Err, c.want)
			})
		})
	}
}

// TestCancelIntake_Overdue: a cancel or a resume whose end does not come is reported.
func TestCancelIntake_Overdue(t *testing.T) {
	release := func(r *rig, hung chan struct{}) {
		r.sends()
		require.False(r, r.hurryFor(link.CloseTimeout+link.DriverGrace))
		require.True(r, r.hurryFor(time.Second))
		close(hung)
		synctest.Wait()
	}
	t.Run("Cancel", func(t *testing.T) {
		withSession(t, func(r *rig) {
			hung := make(chan struct{})
			r.cancel = hang(hung)
			r.link.CancelIntake()
			release(r, hung)
			require.True(r, r.link.Hurry(time.Now()), "Drained is owed until Receive has returned")
		})
	})
	t.Run("Receive", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			hung := make(chan struct{})
			r.receive = func(context.Context) (*queue.Delivery, error) { <-hung; return nil, queue.ErrCancelled }
			r.start()
			r.sends("opened")
			r.link.CancelIntake()
			release(r, hung)
			r.sends("drained")
			require.False(r, r.link.Hurry(time.Now()))
			r.link.Close(link.CloseTimeout)
			r.sends("closed")
		})
	})
	t.Run("Resume", func(t *testing.T) {
		withSession(t, func(r *rig) {
			hung := make(chan struct{})
			r.resume = hang(hung)
			r.link.CancelIntake()
			r.sends("drained")
			r.link.ResumeIntake()
			release(r, hung)
			r.sends("flowing")
			require.False(r, r.link.Hurry(time.Now()))
		})
	})
}

// TestCancelIntake_AfterClose: no call and no message follows Close.
func TestCancelIntake_AfterClose(t *testing.T) {
	inBubble(t, func(r *rig) {
		calls := 0
		count := func(context.Context) error { calls++; return nil }
		r.cancel, r.resume = count, count
		r.ret = func(context.Context, []queue.Settlement) error { calls++; return nil }
		r.settle = r.ret
		r.start()
		r.sends("opened")
		r.link.Close(link.CloseTimeout)
		r.sends("closed")
		r.link.CancelIntake()
		r.link.ResumeIntake()
		r.link.Return(nil, nil)
		r.link.AskBacklog(r)
		r.settleAs(queue.Ack, &queue.Delivery{Tag: 1})
		require.False(r, r.hurryFor(time.Hour), "a closed link is owed nothing")
		r.sends()
		require.Zero(r, calls)
	})
}

// TestLink_ErrorsAfterClose are not sent: calls that are cut by Close end silently.
func TestLink_ErrorsAfterClose(t *testing.T) {
	untilDone := func(ctx context.Context) error { <-ctx.Done(); return errBroker }
	batchUntilDone := func(ctx context.Context, _ []queue.Settlement) error { return untilDone(ctx) }
	for name, c := range map[string]func(*rig){
		"Cancel": func(r *rig) { r.cancel = untilDone; r.link.CancelIntake() },
		"Settle": func(r *rig) { r.settle = batchUntilDone; r.settleAs(queue.Ack, &queue.Delivery{Tag: 1}) },
		"Return": func(r *rig) { r.ret = batchUntilDone; r.link.Return(nil, nil) },
		"Waiting": func(r *rig) {
			r.link.AskBacklog(gauge(func(ctx context.Context) (int, error) { return 0, untilDone(ctx) }))
		},
		"resumed twice": func(r *rig) {
			for range 3 { // more than the buffer of the receiver holds
				r.link.ResumeIntake()
			}
			require.Len(r, r.take(), 3)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.ret = batchUntilDone
				r.start()
				r.sends("opened")
				c(r)
				r.sends()
				r.link.Close(link.CloseTimeout)
				r.sends("closed")
			})
		})
	}
}

// standby is a session that is a queue.Standby, as a function.
type standby struct {
	queue.Session
	why func(context.Context) (string, error)
}

func (s standby) Standby(ctx context.Context) (string, error) { return s.why(ctx) }

// TestAskBacklog_Standby sends why the session is on standby. An error or a late answer is no
// reason, and only a crash breaks the session.
func TestAskBacklog_Standby(t *testing.T) {
	for name, c := range map[string]struct {
		why    func(context.Context) (string, error)
		reason string
		breaks bool
	}{
		"reason": {func(context.Context) (string, error) { return "paused", nil }, "paused", false},
		"none":   {func(context.Context) (string, error) { return "", nil }, "", false},
		"error":  {func(context.Context) (string, error) { return "ignored", errBroker }, "", false},
		"late":   {func(context.Context) (string, error) { time.Sleep(time.Minute); return "ignored", nil }, "", false},
		"panic":  {func(context.Context) (string, error) { panic("bug of the driver") }, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.open = func(ctx context.Context) (queue.Session, error) {
					s, err := r.session(ctx)
					return standby{s, c.why}, err
				}
				r.start()
				r.sends("opened")
				r.link.AskBacklog(gauge(func(context.Context) (int, error) { return 3, nil }))
				time.Sleep(time.Second)
				if c.breaks {
					require.ErrorContains(r, next[*broken](r).Err, "bug of the driver")
				} else {
					got := next[*backlog](r)
					require.NoError(r, got.Err)
					require.Equal(r, 3, got.Waiting)
					require.Equal(r, c.reason, got.Standby)
				}
				time.Sleep(time.Minute) // for the late one
				r.link.Close(link.CloseTimeout)
				r.sends("closed")
			})
		})
	}
}

// gauge is a queue.BacklogReporter as a function.
type gauge func(context.Context) (int, error)

func (g gauge) Backlog(ctx context.Context) (int, error) { return g(ctx) }

// TestAskBacklog sends how many messages wait, or why not. Only a crash breaks the session.
func TestAskBacklog(t *testing.T) {
	withSession(t, func(r *rig) {
		asked := time.Now()
		r.link.AskBacklog(gauge(func(context.Context) (int, error) { time.Sleep(time.Millisecond); return 3, nil }))
		time.Sleep(time.Millisecond)
		require.Equal(r, &backlog{From: r.link, Asked: asked, Waiting: 3}, next[*backlog](r))

		r.link.AskBacklog(gauge(func(context.Context) (int, error) { return 0, errBroker }))
		require.ErrorIs(r, next[*backlog](r).Err, errBroker)

		hung := make(chan struct{})
		r.link.AskBacklog(gauge(func(ctx context.Context) (int, error) { return 0, hang(hung)(ctx) }))
		time.Sleep(time.Second)
		require.ErrorIs(r, next[*backlog](r).Err, guard.ErrLate)
		require.Equal(r, 1, r.cfg.Waiting.Hung())
		close(hung)

		stuck := make(chan struct{})
		for range guard.MaxHung {
			r.link.AskBacklog(gauge(func(ctx context.Context) (int, error) { return 0, hang(stuck)(ctx) }))
		}
		time.Sleep(time.Second)
		require.Len(r, r.take(), guard.MaxHung)
		r.link.AskBacklog(r)
		require.ErrorIs(r, next[*backlog](r).Err, guard.ErrHung)
		close(stuck)
		synctest.Wait()

		for _, c := range crashes {
			r.link.AskBacklog(gauge(func(context.Context) (int, error) { c.crash(); return 0, nil }))
			require.ErrorIs(r, next[*broken](r).Err, c.want)
		}
	})
}
