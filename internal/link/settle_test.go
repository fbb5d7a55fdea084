package link_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
)

// TestSettle: each settlement, of any disposition, reaches the broker and is answered.
func TestSettle(t *testing.T) {
	withSession(t, func(r *rig) {
		all := r.deliver("a", "b", "c", "d")
		for i, disposition := range []queue.Disposition{queue.Ack, queue.Release, queue.Requeue, queue.DeadLetter} {
			r.link.Settle(all[i], queue.Settlement{Delivery: all[i], Disposition: disposition, After: time.Hour})
			r.link.Flush()
			m := next[*settled](r)
			require.Equal(r, link.Answer{}, m.Answer)
			require.False(r, m.Late)
			require.Equal(r, all[i:i+1], m.Entries)
			require.Equal(r, disposition, m.Settlements[0].Disposition)
			require.Same(r, all[i], m.Settlements[0].Delivery)
			entries, settlements := m.Entries, m.Settlements
			m.Recycle()
			require.Nil(r, entries[0], "memory that waits for the next batch keeps no entry alive")
			require.Zero(r, settlements[0])
		}
		require.Zero(r, r.Stats().Held)
		r.settleAs(0, all[0])
		m := next[*settled](r)
		require.Error(r, m.Err, "a settlement without a disposition is the driver's to refuse")
		m.Recycle()
		require.Zero(r, m.Answer, "nor an error")
	})
}

// failed returns the error of a driver that did not apply some settlements.
func failed(reason error, tags ...uint64) error {
	err := &queue.SettleError{}
	for _, tag := range tags {
		err.Failed = append(err.Failed, queue.SettleFailure{Tag: tag, Err: reason})
	}
	return err
}

// lostAmong returns the error of a driver that did not apply n settlements, and lost the session at
// the last but one.
func lostAmong(n uint64) error {
	err := &queue.SettleError{}
	for tag := range n {
		reason := errBroker
		if tag == n-2 {
			reason = queue.ErrSessionLost
		}
		err.Failed = append(err.Failed, queue.SettleFailure{Tag: tag, Err: reason})
	}
	return err
}

// TestSettle_Answers: how the error of a driver is read, for settlements and for returns.
func TestSettle_Answers(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		failed []uint64
		over   bool
	}{
		"all applied":    {nil, nil, false},
		"one failed":     {failed(errBroker, 2), []uint64{2}, false},
		"all failed":     {failed(errBroker, 1, 2), []uint64{1, 2}, false},
		"wrapped":        {fmt.Errorf("driver: %w", failed(errBroker, 1)), []uint64{1}, false},
		"lost":           {queue.ErrSessionLost, nil, true},
		"one was lost":   {failed(queue.ErrSessionLost, 1), nil, true},
		"lost beside":    {fmt.Errorf("%w: %w", queue.ErrSessionLost, failed(errBroker, 1)), nil, true},
		"names none":     {&queue.SettleError{}, nil, true},
		"another error":  {errBroker, nil, true},
		"a context's":    {context.Canceled, nil, true},
		"without reason": {failed(nil, 1), []uint64{1}, false},
		// More than are read of one error: each reason is read for itself, too.
		"lost among many": {lostAmong(2000), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.settle = func(context.Context, []queue.Settlement) error { return c.err }
				r.ret = r.settle
				r.start()
				next[*opened](r)
				all := r.deliver("a", "b")
				check := func(a link.Answer) {
					require.Equal(r, c.over, a.Over)
					require.Equal(r, c.err == nil, a.Err == nil)
					if c.err != nil {
						require.EqualError(r, a.Err, c.err.Error())
					}
					if !c.over {
						tags := []uint64{}
						for _, d := range all {
							if _, bad := a.Failed[d.Tag]; bad {
								tags = append(tags, d.Tag)
							}
						}
						require.ElementsMatch(r, c.failed, tags)
					}
				}
				r.settleAs(queue.Ack, all...)
				for _, msg := range r.take() {
					check(msg.(*settled).Answer)
				}
				r.link.Return(all, settlementsOf(all))
				m := next[*returned](r)
				check(m.Answer)
				require.Equal(r, all, m.Entries)
				require.Equal(r, settlementsOf(all), m.Settlements)
				require.False(r, m.Unsupported)
				r.link.Close(link.CloseTimeout)
				r.sends("closed")
			})
		})
	}
}

// TestSettle_LargeBatch: a loss is found among any number of failures.
func TestSettle_LargeBatch(t *testing.T) {
	const n = 1000
	for _, over := range []bool{false, true} {
		inBubble(t, func(r *rig) {
			err := &queue.SettleError{}
			for tag := range uint64(n) {
				err.Failed = append(err.Failed, queue.SettleFailure{Tag: tag, Err: errBroker})
			}
			if over {
				err.Failed[n-1].Err = queue.ErrSessionLost
			}
			r.settle = func(context.Context, []queue.Settlement) error { return err }
			r.start()
			next[*opened](r)
			r.settleAs(queue.Ack, &queue.Delivery{})
			m := next[*settled](r)
			require.Equal(r, over, m.Over)
			require.Len(r, m.Failed, n)
		})
	}
}

// TestSettle_Batches: what is settled while a batch is on its way makes the next one, in order.
func TestSettle_Batches(t *testing.T) {
	withSession(t, func(r *rig) {
		more := make(chan struct{})
		r.settle = func(context.Context, []queue.Settlement) error { <-more; return nil }
		all := r.deliver("a", "b", "c", "d")
		r.settleAs(queue.Ack, all[0])
		synctest.Wait()
		r.settleAs(queue.Ack, all[1:]...)
		r.sends()
		more <- struct{}{}
		require.Equal(r, all[:1], next[*settled](r).Entries)
		more <- struct{}{}
		require.Equal(r, all[1:], next[*settled](r).Entries)
	})
}

// TestSettle_Flush: nothing is settled before a flush, and what was settled before it is one batch
// of each lane, in order.
func TestSettle_Flush(t *testing.T) {
	withSession(t, func(r *rig) {
		all := r.deliver("a", "b", "c", "d")
		for i, disposition := range []queue.Disposition{queue.Ack, queue.DeadLetter, queue.DeadLetter, queue.Ack} {
			r.link.Settle(all[i], queue.Settlement{Delivery: all[i], Disposition: disposition})
			synctest.Wait()
		}
		r.sends()
		r.link.Flush()
		batches := map[string]*settled{}
		for _, msg := range r.take() {
			batches[msg.(*settled).Entries[0].ID] = msg.(*settled)
		}
		require.Len(r, batches, 2)
		require.Equal(r, []*queue.Delivery{all[0], all[3]}, batches["a"].Entries)
		require.Equal(r, all[1:3], batches["b"].Entries)
		r.link.Flush()
		r.sends()
	})
}

// TestSettle_FlushWhileBusy: a lane that becomes free in the middle of a step waits for its flush,
// also with the settlements of the steps before.
func TestSettle_FlushWhileBusy(t *testing.T) {
	withSession(t, func(r *rig) {
		more := make(chan struct{})
		r.settle = func(context.Context, []queue.Settlement) error { <-more; return nil }
		all := r.deliver("a", "b", "c", "d")
		r.settleAs(queue.Ack, all[0])
		synctest.Wait()
		r.settleAs(queue.Ack, all[1])
		r.link.Settle(all[2], queue.Settlement{Delivery: all[2], Disposition: queue.Ack})
		more <- struct{}{}
		require.Equal(r, all[:1], next[*settled](r).Entries)
		r.settleAs(queue.Ack, all[3])
		more <- struct{}{}
		require.Equal(r, all[1:], next[*settled](r).Entries)
	})
}

// TestSettle_LanesAreIndependent: a broker that blocks publishers does not hold up
// acknowledgements, nor the other way round.
func TestSettle_LanesAreIndependent(t *testing.T) {
	for _, blocked := range []queue.Disposition{queue.DeadLetter, queue.Requeue, queue.Release, queue.Ack} {
		t.Run(blocked.String(), func(t *testing.T) {
			withSession(t, func(r *rig) {
				r.settle = func(ctx context.Context, batch []queue.Settlement) error {
					if (batch[0].Disposition == queue.Ack) == (blocked == queue.Ack) {
						<-ctx.Done()
					}
					return nil
				}
				free := queue.Ack
				if blocked == queue.Ack {
					free = queue.DeadLetter
				}
				all := r.deliver("a", "b", "c")
				r.settleAs(blocked, all[0])
				r.settleAs(free, all[1])
				require.Equal(r, all[1:2], next[*settled](r).Entries)
				r.settleAs(free, all[2])
				require.Equal(r, all[2:], next[*settled](r).Entries)
			})
		})
	}
}

// TestSettle_IsCut when the driver takes too long. The rest depends on the answer of the driver
// then.
func TestSettle_IsCut(t *testing.T) {
	lost := fmt.Errorf("%w: %w", queue.ErrSessionLost, context.Canceled)
	for name, c := range map[string]struct {
		answer func(context.Context) error
		failed []uint64
		over   bool
	}{
		"its context's error": {func(ctx context.Context) error { return ctx.Err() }, []uint64{1, 2}, false},
		"its context's cause": {context.Cause, []uint64{1, 2}, false},
		"one failed":          {func(ctx context.Context) error { return failed(ctx.Err(), 2) }, []uint64{2}, false},
		"applied after all":   {func(context.Context) error { return nil }, nil, false},
		"lost":                {func(context.Context) error { return lost }, nil, true},
		"another error":       {func(context.Context) error { return errBroker }, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			withSession(t, func(r *rig) {
				all := r.deliver("a", "b")
				slow, calls := true, 0
				r.settle = func(ctx context.Context, _ []queue.Settlement) error {
					calls++
					if !slow {
						return ctx.Err()
					}
					if calls == 1 {
						return nil // the context is used before
					}
					<-ctx.Done()
					require.ErrorIs(r, context.Cause(ctx), link.ErrSettleTimeout)
					return c.answer(ctx)
				}
				r.settleAs(queue.DeadLetter, &queue.Delivery{Tag: 7})
				require.False(r, next[*settled](r).Late)
				time.Sleep(time.Hour) // no call is under way
				require.False(r, r.link.Hurry(time.Now()))

				r.settleAs(queue.DeadLetter, all...)
				limit := link.SettleTimeout + 2*link.SettleEach
				require.False(r, r.hurryFor(limit-1))
				r.sends()
				require.False(r, r.hurryFor(1))
				m := next[*settled](r)
				require.True(r, m.Late)
				require.Equal(r, c.over, m.Over)
				require.Len(r, m.Failed, len(c.failed))
				for _, tag := range c.failed {
					require.Contains(r, m.Failed, tag)
				}

				slow = false
				r.settleAs(queue.DeadLetter, all[0])
				m = next[*settled](r)
				require.NoError(r, m.Err, "the next call has a context that lives")
				require.False(r, m.Late)
			})
		})
	}
}

// TestSettle_Overdue: a driver that does not return although its call was cut owes an answer, on
// either lane.
func TestSettle_Overdue(t *testing.T) {
	for _, disposition := range []queue.Disposition{queue.Ack, queue.DeadLetter} {
		t.Run(disposition.String(), func(t *testing.T) {
			withSession(t, func(r *rig) {
				release := make(chan struct{})
				r.settle = func(ctx context.Context, _ []queue.Settlement) error { return hang(release)(ctx) }
				r.settleAs(disposition, r.deliver("a")...)
				require.False(r, r.hurryFor(link.SettleTimeout+link.SettleEach+link.DriverGrace))
				require.True(r, r.hurryFor(time.Second))
				r.sends()
				close(release)
				require.True(r, next[*settled](r).Late)
				require.False(r, r.link.Hurry(time.Now()))
			})
		})
	}
}

// TestSettle_Crashes break the session. The other lane goes on until it is closed.
func TestSettle_Crashes(t *testing.T) {
	for name, c := range crashes {
		t.Run(name, func(t *testing.T) {
			withSession(t, func(r *rig) {
				all := r.deliver("a", "b")
				r.settle = func(_ context.Context, batch []queue.Settlement) error {
					if batch[0].Disposition == queue.Ack {
						c.crash()
					}
					return nil
				}
				r.settleAs(queue.Ack, all[0])
				require.ErrorIs(r, next[*broken](r).Err, c.want)
				r.settleAs(queue.Requeue, all[1])
				require.NoError(r, next[*settled](r).Err)
			})
		})
	}
}

// TestSettle_AfterClose: an answer that comes after Close is dropped, and the next batch is not
// tried.
func TestSettle_AfterClose(t *testing.T) {
	inBubble(t, func(r *rig) {
		var calls atomic.Int32
		r.settle = func(ctx context.Context, _ []queue.Settlement) error {
			calls.Add(1)
			<-ctx.Done()
			return nil
		}
		r.start()
		r.sends("opened")
		all := r.deliver("a", "b")
		r.settleAs(queue.Ack, all[0])
		synctest.Wait()
		r.settleAs(queue.Ack, all[1])
		r.link.Close(link.CloseTimeout)
		r.sends("closed")
		require.EqualValues(r, 1, calls.Load())
	})
}

// TestReturn_Unsupported: without the capability nothing is returned.
func TestReturn_Unsupported(t *testing.T) {
	withSession(t, func(r *rig) {
		all := r.deliver("a")
		r.link.Return(all, settlementsOf(all))
		m := next[*returned](r)
		require.True(r, m.Unsupported)
		require.Equal(r, all, m.Entries)
		require.False(r, r.hurryFor(time.Hour))
		require.Equal(r, 1, r.Stats().Held)
	})
}

// TestReturn_Crashes break the session.
func TestReturn_Crashes(t *testing.T) {
	for name, c := range crashes {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.ret = func(context.Context, []queue.Settlement) error { c.crash(); return nil }
				r.start()
				r.sends("opened")
				r.link.Return(nil, nil)
				require.ErrorIs(r, next[*broken](r).Err, c.want)
				r.link.Close(link.CloseTimeout)
				r.sends("closed")
			})
		})
	}
}

// TestReturn_OverdueBesideCancel: the end of a cancel does not count as the answer to a return.
func TestReturn_OverdueBesideCancel(t *testing.T) {
	inBubble(t, func(r *rig) {
		release := make(chan struct{})
		r.ret = func(_ context.Context, batch []queue.Settlement) error {
			if batch[0].Delivery.ID == "hangs" {
				<-release
			}
			return nil
		}
		r.start()
		r.sends("opened")
		for _, d := range r.deliver("quick", "hangs") {
			r.link.Return([]*queue.Delivery{d}, settlementsOf([]*queue.Delivery{d}))
			synctest.Wait()
		}
		r.link.CancelIntake()
		r.sends("returned", "drained")
		require.True(r, r.hurryFor(link.CloseTimeout+link.DriverGrace+time.Second))
		close(release)
		r.sends("returned")
	})
}

// TestReturn_Overdue: a return has CloseTimeout, and one that has not returned then is reported,
// even if a later one was answered.
func TestReturn_Overdue(t *testing.T) {
	inBubble(t, func(r *rig) {
		release := make(chan struct{})
		r.ret = func(ctx context.Context, batch []queue.Settlement) error {
			switch batch[0].Delivery.ID {
			case "hangs":
				<-release
			case "obeys":
				<-ctx.Done()
			}
			return ctx.Err()
		}
		r.start()
		r.sends("opened")
		for _, d := range r.deliver("hangs", "obeys", "quick") {
			r.link.Return([]*queue.Delivery{d}, settlementsOf([]*queue.Delivery{d}))
		}
		require.NoError(r, next[*returned](r).Err)
		time.Sleep(link.CloseTimeout)
		m := next[*returned](r)
		require.ErrorIs(r, m.Err, context.DeadlineExceeded)
		require.True(r, m.Over)
		require.False(r, r.hurryFor(link.DriverGrace))
		require.True(r, r.hurryFor(time.Second))
		close(release)
		require.Equal(r, "hangs", next[*returned](r).Entries[0].ID)
		require.False(r, r.link.Hurry(time.Now()))
		r.link.Close(link.CloseTimeout)
		r.sends("closed")
	})
}

// TestSettle_AllocatesNothing in the steady state, from Settle to Recycle.
func TestSettle_AllocatesNothing(t *testing.T) {
	s := benchSession{}
	answered := make(chan struct{}, 1)
	l := s.open(func() { answered <- struct{}{} })
	d := &queue.Delivery{Tag: 1}
	for _, disposition := range []queue.Disposition{queue.Ack, queue.DeadLetter} {
		allocs := testing.AllocsPerRun(1000, func() {
			l.Settle(d, queue.Settlement{Delivery: d, Disposition: disposition})
			l.Flush()
			<-answered
		})
		require.Zero(t, allocs, disposition)
	}
	l.Abort()
}
