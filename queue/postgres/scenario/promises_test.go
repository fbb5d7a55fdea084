package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/queue"
)

// onPostgres is the shared server. Consumers reach it by way of a proxy, so that they can be cut
// off; all else goes straight to it. When a test is over, the queue must be empty.
func onPostgres() rig.Broker {
	return rig.Broker{Name: string(kind), Queue: func(t testing.TB) rig.Fixture {
		t.Helper()
		at, name := server(t).URL(), uniqueName(t)
		p := brokertest.NewProxy(t, at)
		direct, through := open(t, at, name), open(t, p.URL(), name)
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if stats, err := direct.Inspect(ctx); !t.Failed() {
				require.NoError(t, err)
				require.Zero(t, stats.Left(), "messages left in the queue")
			}
			require.NoError(t, direct.Delete(ctx))
		})
		f := rig.Fixture{Left: func(ctx context.Context) (int, error) {
			stats, err := direct.Inspect(ctx)
			return stats.Left(), err
		}}
		f.Source, f.Publisher, f.Break = through, direct, p.Cut
		f.DeadLetters = func(ctx context.Context) ([]queue.Message, error) { return direct.DeadLetters(ctx, 1000) }
		f.Held = func(ctx context.Context) (int, error) {
			stats, err := direct.Inspect(ctx)
			return stats.Held, err
		}
		return f
	}}
}

// open returns a queue that is closed after the test.
func open(t testing.TB, at, name string) *guest {
	t.Helper()
	g, err := openQueue(at, name)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	return g
}

// TestScenario01_OnPostgres: at most 1.25 times the floor. Other work of machine and server can
// only make a run slower, so the best of some counts; as a rule the first is good enough.
func TestScenario01_OnPostgres(t *testing.T) {
	const tries, bound = 5, promises.UpstreamsFloor * 5 / 4
	for i := range tries {
		var took time.Duration
		late := promises.Lateness(func() { onPostgres().Run(t, func(r *rig.Rig) { took = promises.UpstreamsOwnTest(r) }) })
		t.Logf("%v, with timers %v late", took.Round(time.Millisecond), late)
		require.GreaterOrEqual(t, took, promises.UpstreamsFloor)
		if took <= bound {
			return
		}
		require.True(t, i < tries-1 || late > 300*time.Microsecond, "%v on a machine that has the time", took)
	}
}

func TestScenario03_OnPostgres(t *testing.T) { onPostgres().Run(t, promises.EveryWayToDie) }

// TestScenario10_OnPostgres: the rig checks that the delivery is settled once.
func TestScenario10_OnPostgres(t *testing.T) {
	for name, kill := range promises.Killings {
		t.Run(name, func(t *testing.T) {
			onPostgres().Run(t, func(r *rig.Rig) { promises.WorkerKilled(r, kill) })
		})
	}
}

func TestScenario12_OnPostgres(t *testing.T) { onPostgres().Run(t, promises.Outage) }

func TestScenario13_OnPostgres(t *testing.T) { onPostgres().Run(t, promises.SupervisorKilled) }

func TestScenario16_OnPostgres(t *testing.T) { onPostgres().Run(t, promises.DrainBesideAnother) }

func TestScenario16_PastTheDeadlineOnPostgres(t *testing.T) {
	onPostgres().Run(t, promises.DrainPastTheDeadline)
}

func TestScenario18_OnPostgres(t *testing.T) { onPostgres().Run(t, promises.CutOff) }

func TestScenario18_FinishLostOnPostgres(t *testing.T) { onPostgres().Run(t, promises.FinishLost) }

func TestScenario18_CutAgainAndAgainOnPostgres(t *testing.T) {
	onPostgres().Run(t, promises.CutAgainAndAgain)
}

func TestScenario24_OnPostgres(t *testing.T) { onPostgres().Run(t, promises.SettledOverAndOver) }

func TestScenario26_OnPostgres(t *testing.T) { onPostgres().Run(t, promises.PoisonAmongGoodOnes) }

func TestScenario28_OnPostgres(t *testing.T) { onPostgres().Run(t, promises.BreakerOpens) }

func TestScenario31_OnPostgres(t *testing.T) { onPostgres().Run(t, promises.DoneOnce) }

func TestScenario33_PauseOnPostgres(t *testing.T) { onPostgres().Run(t, promises.Pause) }

func TestScenario33_RateOnPostgres(t *testing.T) { onPostgres().Run(t, promises.Rate) }

// TestScenario33_DelaySurvivesAKilledServer: messages that were published for later, and one that
// was put off, are there after the server was killed -9 and started again: no earlier than asked,
// and each once.
func TestScenario33_DelaySurvivesAKilledServer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p := server(t)
	q := open(t, p.URL(), uniqueName(t))
	due := map[string]time.Time{"put off": putOff(ctx, t, q, 3*time.Second)}
	for _, delay := range []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 3500 * time.Millisecond} {
		m := queue.Message{ID: delay.String(), NotBefore: time.Now().Add(delay)}
		require.NoError(t, q.Publish(ctx, m))
		due[m.ID] = m.NotBefore
	}
	require.NoError(t, p.Kill())
	err := q.Publish(ctx, queue.Message{ID: "to a server that is down"})
	var failed *queue.PublishError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "to a server that is down", failed.Failed[0].ID)
	require.NoError(t, p.Start())
	s, err := q.Open(ctx, queue.Options{Prefetch: 10})
	require.NoError(t, err)
	for range len(due) {
		d, err := s.Receive(ctx)
		require.NoError(t, err, "lost: %v", due)
		require.Contains(t, due, d.ID)
		require.False(t, brokertest.Early(due[d.ID].Truncate(time.Microsecond)), "%s came early", d.ID)
		require.Equal(t, 1, d.Attempt, d.ID)
		require.NoError(t, s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
		delete(due, d.ID)
	}
	require.NoError(t, s.Close(ctx))
}

// putOff publishes a message, releases it with a delay, and returns when it is due.
func putOff(ctx context.Context, t *testing.T, q *guest, delay time.Duration) time.Time {
	t.Helper()
	require.NoError(t, q.Publish(ctx, queue.Message{ID: "put off"}))
	s, err := q.Open(ctx, queue.Options{Prefetch: 1})
	require.NoError(t, err)
	d, err := s.Receive(ctx)
	require.NoError(t, err)
	due := time.Now().Add(delay)
	require.NoError(t, s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Release, After: delay}}))
	require.NoError(t, s.Close(ctx))
	return due
}
