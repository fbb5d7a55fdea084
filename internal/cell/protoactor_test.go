package cell

import (
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
)

// enveloped are the ways in which protoactor-go's senders post a message.
var enveloped = map[string]func(l *lab, pid *actor.PID, msg any){
	"Send":    func(l *lab, pid *actor.PID, msg any) { l.sys.Root.Send(pid, msg) },
	"Request": func(l *lab, pid *actor.PID, msg any) { l.sys.Root.RequestWithCustomSender(pid, msg, l.parent) },
	"ctx":     func(l *lab, pid *actor.PID, msg any) { l.do(func(ctx actor.Context) { ctx.Request(pid, msg) }) },
	"batch":   func(l *lab, pid *actor.PID, msg any) { l.sys.Root.Send(pid, batch{msg}) },
	"batch in an envelope": func(l *lab, pid *actor.PID, msg any) {
		l.sys.Root.RequestWithCustomSender(pid, batch{msg}, l.parent)
	},
}

func inEachEnvelope(t *testing.T, f func(l *lab, post func(*actor.PID, any))) {
	for name, post := range enveloped {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) { f(l, func(pid *actor.PID, msg any) { post(l, pid, msg) }) })
		})
	}
}

func TestAPoisonPillEndsACellAfterTheMessagesThatWait(t *testing.T) {
	inEachEnvelope(t, func(l *lab, post func(*actor.PID, any)) {
		h, release := startCell(l), make(chan struct{})
		heard, _ := l.monitor(h.cell.PID())
		h.cell.Post(func() { <-release })
		for i := range 3 {
			h.cell.Post(i)
		}
		post(h.cell.PID(), &pa.PoisonPill{})
		h.cell.Post("too late")
		synctest.Wait()
		require.Empty(l, h.ended)
		close(release)
		require.ErrorIs(l, wait(l, h.ended), actor.ErrShutdown)
		require.ErrorIs(l, wait(l, heard).Reason, actor.ErrShutdown)
		require.Len(l, h.got, 3)
		require.False(l, actor.Alive(l.sys, h.cell.PID()))
	})
}

func TestAPoisonPillCancelsARoutine(t *testing.T) {
	inLab(t, func(l *lab) {
		for name, post := range enveloped {
			if name == "batch" || name == "batch in an envelope" {
				continue // a routine takes no messages, nor batches of them
			}
			b := &body{run: func(b *body) error { <-b.cancelled; return errBoom }}
			r := startRoutine(l, b)
			post(l, r.PID(), &pa.PoisonPill{})
			require.Same(l, errBoom, wait(l, b.ended), name)
		}
	})
}

func TestPoisonFutureOfACellAndARoutine(t *testing.T) {
	inLab(t, func(l *lab) {
		h, b := startCell(l), &body{run: func(b *body) error { <-b.cancelled; return nil }}
		for _, pid := range []*actor.PID{h.cell.PID(), startRoutine(l, b).PID()} {
			require.NoError(l, l.sys.Root.PoisonFuture(pid).Wait())
			require.False(l, actor.Alive(l.sys, pid))
		}
	})
}

// TestATouchIsAnswered by everything that lives, in the place of a message.
func TestATouchIsAnswered(t *testing.T) {
	inLab(t, func(l *lab) {
		h, release := startCell(l), make(chan struct{})
		b := &body{run: func(b *body) error { <-b.cancelled; return nil }}
		r := startRoutine(l, b)
		h.cell.Post(func() { <-release })
		asked := l.sys.Root.RequestFuture(h.cell.PID(), &pa.Touch{}, time.Minute)
		synctest.Wait()
		close(release)
		for pid, f := range map[*actor.PID]*pa.Future{
			h.cell.PID(): asked,
			r.PID():      l.sys.Root.RequestFuture(r.PID(), &pa.Touch{}, time.Minute),
			l.parent:     l.sys.Root.RequestFuture(l.parent, &pa.Touch{}, time.Minute),
		} {
			got, err := f.Result()
			require.NoError(l, err)
			require.Equal(l, pid.Id, got.(*pa.Touched).Who.Id)
		}
		h.cell.Exit(nil)
		actor.Stop(l.sys, r.PID())
	})
}

// TestARestartIsAStop for all of them: a restart is a new actor, and its supervisor's business.
func TestARestartIsAStop(t *testing.T) {
	inLab(t, func(l *lab) {
		h, b := startCell(l), &body{run: func(b *body) error { <-b.cancelled; return actor.ErrShutdown }}
		child := l.child(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*pa.Restarting); ok {
				l.Error("restarting")
			}
		})
		for _, pid := range []*actor.PID{h.cell.PID(), startRoutine(l, b).PID(), child} {
			heard, _ := l.monitor(pid)
			process.System(l.sys, pid, &pa.Restart{})
			require.ErrorIs(l, wait(l, heard).Reason, actor.ErrShutdown)
		}
	})
}

// TestMessagesOfProtoactorsOwnAreHarmless: those that mean nothing to a process leave it as it is.
func TestMessagesOfProtoactorsOwnAreHarmless(t *testing.T) {
	inLab(t, func(l *lab) {
		h, b := startCell(l), &body{run: func(b *body) error { <-b.cancelled; return nil }}
		for _, pid := range []*actor.PID{h.cell.PID(), startRoutine(l, b).PID(), l.root(func(actor.Context) {})} {
			for _, msg := range []any{
				&pa.SuspendMailbox{}, &pa.ResumeMailbox{},
				&pa.Failure{Who: l.parent, Reason: "boom", RestartStats: pa.NewRestartStatistics()},
				&pa.Terminated{}, &pa.Terminated{Who: pid}, &pa.Watch{}, &pa.Unwatch{}, &pa.Unwatch{Watcher: l.parent},
			} {
				process.System(l.sys, pid, msg)
				synctest.Wait()
				require.True(l, actor.Alive(l.sys, pid), "%T", msg)
			}
			heard, _ := l.monitor(pid)
			actor.Stop(l.sys, pid)
			require.NotNil(l, wait(l, heard))
		}
	})
}

func TestMailboxUnpacksBatchesInEnvelopes(t *testing.T) {
	inLab(t, func(l *lab) {
		var got []any
		pid := l.child(func(ctx actor.Context) {
			if m, ok := ctx.Message().(int); ok {
				got = append(got, m)
			}
		})
		l.do(func(ctx actor.Context) { ctx.Request(pid, batch{1, 2, 3}) })
		synctest.Wait()
		require.Equal(l, []any{1, 2, 3}, got)
		h := startCell(l)
		l.do(func(ctx actor.Context) { ctx.Request(h.cell.PID(), batch{1, 2, 3}) })
		for i := range 3 {
			require.Equal(l, i+1, wait(l, h.got))
		}
		h.cell.Exit(nil)
	})
}
