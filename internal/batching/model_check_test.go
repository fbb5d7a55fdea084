package batching

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// check compares.
func (m *setModel) check(t *rapid.T) {
	synctest.Wait()
	for _, j := range m.jobs {
		m.checkJob(t, j)
	}
	calls := m.calls.all()
	require.Len(t, calls, len(m.running))
	for _, b := range m.running {
		one := calls[b.leader.job]
		require.NotNil(t, one, "it runs in the task of its leader")
		require.Equal(t, jobsOf(b), one.members)
		require.Equal(t, b.stopped, context.Cause(one.ctx))
		m.checkLimits(t, one)
	}
	for _, b := range m.gathering {
		require.True(t, time.Now().Before(b.due), "nothing gathers for too long")
	}
}

func jobsOf(b *modelBatch) []*job {
	var all []*job
	for _, j := range b.members {
		all = append(all, j.job)
	}
	return all
}

func (m *setModel) checkJob(t *rapid.T, j *modelJob) {
	switch {
	case j.exits:
		require.True(t, j.over())
		require.True(t, j.exited)
		require.Empty(t, j.results)
	case j.want == nil:
		require.False(t, j.over(), "job %s", j.ID)
		left := time.Duration(0)
		if m.timeout > 0 {
			left = time.Until(j.batch.due.Add(m.timeout))
		}
		require.Equal(t, left, m.real.TimeLeft(j.job, m.timeout))
		return
	default:
		require.True(t, j.over(), "job %s", j.ID)
		require.Len(t, j.results, 1, "job %s in %+v; want %+v", j.ID, j.batch, *j.want)
		got, want := j.results[0], *j.want
		require.ErrorIs(t, got.Err, want.Err)
		got.Err, want.Err = nil, nil
		require.Equal(t, want, got)
	}
	require.Equal(t, j.at, j.ended)
	require.Zero(t, m.real.TimeLeft(j.job, m.timeout))
}

// checkLimits checks a batch against its limits, without the model.
func (m *setModel) checkLimits(t *rapid.T, one *call) {
	f, n, ids := one.leader.f, 0, map[string]bool{}
	for _, j := range one.members {
		n += j.Size
		ids[j.ID] = true
		require.Equal(t, one.leader.Key, j.Key)
		require.Same(t, f, j.f)
		require.True(t, j.Attempt == 1 || len(one.members) == 1, "it was tried before, and is alone")
	}
	require.Len(t, ids, len(one.members))
	require.LessOrEqual(t, len(one.members), m.settings.Slots)
	require.True(t, f.Size == 0 || len(one.members) <= f.Size)
	require.True(t, f.Bytes == 0 || n <= f.Bytes || len(one.members) == 1)
	require.Contains(t, one.members, one.leader)
}

// finish ends everything, and looks for what is left.
func (m *setModel) finish(t *rapid.T) {
	m.drain(t)
	m.check(t)
	for _, b := range slices.Clone(m.running) {
		m.calls.finish(b.leader.job, func() (map[string]error, error) { return done(jobsOf(b)), nil })
		m.finished(b, "return", done(jobsOf(b)), nil)
	}
	m.check(t)
	require.Empty(t, m.alive())
	require.Empty(t, m.real.members)
	require.Empty(t, m.real.open)
	require.Zero(t, m.real.forming)
}

// TestSet_Model: for all actions of members and functions, in any order, each member gets the
// result that the model expects, at that time.
func TestSet_Model(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A bubble has no deadline to be asked for, so rapid must not see that t has one.
		rapid.Check(struct{ testing.TB }{t}, func(t *rapid.T) {
			m := newSetModel(t)
			defer func() { // for a check that has failed
				m.calls.close()
				m.real.Drain()
				synctest.Wait()
			}()
			t.Repeat(map[string]func(*rapid.T){
				"": m.check, "join": m.joinSome, "stop": m.stop, "expire": m.expire, "end": m.end, "wait": m.wait,
				"drain": m.rarelyDrain,
			})
			m.finish(t)
		})
	})
}

func (m *setModel) rarelyDrain(t *rapid.T) {
	if rapid.IntRange(0, 7).Draw(t, "drain") > 0 {
		t.Skip("not now")
	}
	m.drain(t)
}
