package link_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
)

// TestClose ends a link once, and gives the broker back what is held.
func TestClose(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.start()
		r.sends("opened")
		r.deliver("a", "b")
		r.link.Close(link.CloseTimeout)
		r.link.Close(link.CloseTimeout)
		r.link.CloseUnopened()
		r.link.Abort()
		r.sends("closed")
		r.link.Close(link.CloseTimeout)
		r.link.Abort()
		r.sends()
		require.EqualValues(r, 1, r.closes.Load())
		require.Zero(r, r.Stats().Held)
		require.Equal(r, 2, r.Stats().Ready)
		require.Zero(r, r.cfg.Driving.Stats())
	})
}

// TestClose_Within: a session that can't be closed in time is cut by its driver, and that is no
// concern of the link's.
func TestClose_Within(t *testing.T) {
	for _, within := range []time.Duration{500 * time.Millisecond, link.CloseTimeout} {
		inBubble(t, func(r *rig) {
			r.close = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
			r.start()
			r.sends("opened")
			r.link.Close(within)
			time.Sleep(within - 1)
			r.sends()
			time.Sleep(time.Nanosecond)
			r.sends("closed")
			require.Zero(r, r.cfg.Driving.Stats())
			r.LoseSessions()
		})
	}
}

// TestClose_LeavesBehind a driver that does not return from any of its calls; counts it, and
// takes it back when it returns.
func TestClose_LeavesBehind(t *testing.T) {
	for name, prepare := range map[string]func(*rig, <-chan struct{}){
		"Close": func(r *rig, release <-chan struct{}) { r.close = hang(release) },
		"Receive": func(r *rig, release <-chan struct{}) {
			r.receive = func(context.Context) (*queue.Delivery, error) {
				<-release
				return &queue.Delivery{Message: queue.Message{ID: "late"}}, nil
			}
		},
		"Settle": func(r *rig, release <-chan struct{}) {
			r.settle = func(context.Context, []queue.Settlement) error { <-release; return nil }
		},
		"Cancel": func(r *rig, release <-chan struct{}) { r.cancel = hang(release) },
		"Return": func(r *rig, release <-chan struct{}) {
			r.ret = func(context.Context, []queue.Settlement) error { <-release; return nil }
		},
	} {
		for _, abort := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, func(r *rig) {
					release := make(chan struct{})
					prepare(r, release)
					r.start()
					r.sends("opened")
					switch name {
					case "Settle":
						r.settleAs(queue.Ack, &queue.Delivery{Tag: 1})
					case "Cancel":
						r.link.CancelIntake()
					case "Return":
						r.link.Return(nil, nil)
					}
					synctest.Wait()
					begin := time.Now()
					if abort {
						r.link.Abort()
						r.sends("left behind")
					} else {
						r.link.Close(link.CloseTimeout)
						time.Sleep(link.CloseTimeout + link.DriverGrace)
						r.sends("left behind", "closed")
					}
					require.Equal(r, link.CloseTimeout+link.DriverGrace, time.Since(begin))
					require.Equal(r, 1, r.cfg.Driving.Hung())
					require.EqualValues(r, 1, r.closes.Load())
					close(release)
					r.sends()
					require.Zero(r, r.cfg.Driving.Hung())
				})
			})
		}
	}
}

// TestClose_Crashes are contained.
func TestClose_Crashes(t *testing.T) {
	for name, c := range crashes {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.close = func(context.Context) error { c.crash(); return nil }
				r.start()
				r.sends("opened")
				r.link.Close(link.CloseTimeout)
				r.sends("closed")
				require.Equal(r, 1, r.cfg.Closing.Stats().Failed)
				r.LoseSessions()
			})
		})
	}
}

// TestAbort returns when the session is closed, and sends nothing.
func TestAbort(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.close = func(context.Context) error { time.Sleep(time.Second); return nil }
		r.start()
		r.sends("opened")
		begin := time.Now()
		r.link.Abort()
		require.Equal(r, time.Second, time.Since(begin))
		require.Zero(r, r.Stats().Sessions)
		r.sends()
	})
}

// TestClose_WithoutSession calls nothing: there is no session to close.
func TestClose_WithoutSession(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.open = func(ctx context.Context) (queue.Session, error) { <-ctx.Done(); return nil, ctx.Err() }
		r.start()
		r.link.CloseUnopened()
		require.Contains(r, kinds(r.take()), "closed")
		require.Zero(r, r.cfg.Closing.Stats())
	})
}
