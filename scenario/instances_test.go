package scenario_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/supervision"
)

// spawn spawns props and returns the tree, and where its end is told.
func spawn(sys *actor.System, props *actor.Props) (*actor.PID, chan error) {
	ended, spawned := make(chan error, 1), make(chan *actor.PID, 1)
	actor.SpawnRoot(sys, actor.FromFunc(func(ctx actor.Context) {
		switch msg := ctx.Message().(type) {
		case *actor.Started:
			spawned <- actor.Spawn(ctx, props, actor.SpawnOptions{Name: "tree", Monitor: true})
		case *actor.Exited:
			ended <- msg.Reason
			actor.Exit(ctx, nil)
		}
	}), "above")
	return <-spawned, ended
}

func idle(r *rig.Rig) *gentask.Consumer {
	return r.New(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
}

// TestInstances_PropsOfARunningConsumer take nothing away from it: its Stop stops it, and a tree
// made of them ends with ErrRunning.
func TestInstances_PropsOfARunningConsumer(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Logged = true
		c := idle(r)
		require.NoError(r, c.Start())
		r.Rest()
		done := c.Done()
		props := c.Props()
		require.Equal(r, done, c.Done())
		_, ended := spawn(r.System, props)
		require.ErrorIs(r, <-ended, gentask.ErrRunning)
		r.Publish(1)
		r.Finish()
		require.Equal(r, 1, r.Runs.Of("1"))
		require.Equal(r, gentask.Consuming, c.Health().State)
		r.Stop(c)
		<-done
		require.Equal(r, gentask.Stopped, c.Health().State)
		require.Zero(r, r.Memory.Stats().Sessions)

		_, ended = spawn(r.System, props)
		require.ErrorIs(r, <-ended, actor.ErrShutdown, "they are older than the Stop")
	})
}

// TestInstances_TwoTrees: of two trees the second ends with ErrRunning, be it of other Props or of
// the same; when the first has ended it may live.
func TestInstances_TwoTrees(t *testing.T) {
	for _, same := range []bool{true, false} {
		t.Run(fmt.Sprintf("same=%v", same), func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Allow.Logged, r.Allow.GaveUp = true, true
				c := idle(r)
				first := c.Props()
				second := c.Props()
				done := c.Done()
				if same {
					second = first
				}
				tree, ended := spawn(r.System, first)
				r.Rest()
				_, refused := spawn(r.System, second)
				require.ErrorIs(r, <-refused, gentask.ErrRunning)
				require.ErrorIs(r, c.Start(), gentask.ErrRunning)
				require.Equal(r, 1, r.Memory.Stats().Sessions)
				r.Publish(1)
				r.Finish()

				actor.Kill(r.System, tree)
				require.ErrorIs(r, <-ended, actor.ErrKilled)
				<-done
				_, ended = spawn(r.System, second)
				r.Publish(1)
				r.Finish()
				require.NoError(r, c.Err())
				r.Stop(c)
				require.ErrorIs(r, <-ended, actor.ErrShutdown)
			})
		})
	}
}

// TestInstances_StartInsteadOfProps: Props that are never spawned don't keep a consumer from being
// started, nor does a tree that has ended.
func TestInstances_StartInsteadOfProps(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := idle(r)
		c.Props()
		waiting := c.Done()
		require.NoError(r, c.Start())
		r.Publish(1)
		r.Finish()
		r.Stop(c)
		<-waiting

		tree, _ := spawn(r.System, c.Props())
		r.Publish(1)
		r.Finish()
		_, err := actor.Shutdown(r.Context(), r.System, tree)
		require.NoError(r, err)
		require.NoError(r, c.Start())
		r.Publish(1)
		r.Finish()
	})
}

// TestInstances_StopBeforeSpawn: trees made of earlier Props end at once; later ones live.
func TestInstances_StopBeforeSpawn(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := idle(r)
		old := []*actor.Props{c.Props(), c.Props()}
		r.Stop(c)
		for _, props := range old {
			_, ended := spawn(r.System, props)
			require.ErrorIs(r, <-ended, actor.ErrShutdown)
		}
		require.Zero(r, r.Memory.Stats().Opened)
		tree, _ := spawn(r.System, c.Props())
		r.Publish(1)
		r.Finish()
		_, err := actor.Shutdown(r.Context(), r.System, tree)
		require.NoError(r, err)
	})
}

// TestInstances_StartDuringDrain is refused; afterwards it isn't.
func TestInstances_StartDuringDrain(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.New(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 10*time.Second) }), gentask.Config{})
		require.NoError(r, c.Start())
		r.Publish(1)
		r.Rest()
		stopped := make(chan error, 1)
		go func() {
			_, err := c.Stop(context.Background())
			stopped <- err
		}()
		r.Rest()
		require.Equal(r, gentask.Draining, c.Health().State)
		require.ErrorIs(r, c.Start(), gentask.ErrRunning)
		require.NoError(r, <-stopped)
		require.Equal(r, 1, r.Memory.Stats().Acked)
		require.NoError(r, c.Start())
		r.Publish(1)
		r.Finish()
	})
}

// TestInstances_Supervised: a supervisor that starts the consumer's tree again begins a new
// instance each time, whether its spec makes Props each time or has them at hand.
func TestInstances_Supervised(t *testing.T) {
	for _, fresh := range []bool{true, false} {
		t.Run(fmt.Sprintf("fresh=%v", fresh), func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Allow.GaveUp, r.Allow.Logged, r.Allow.Crashes = true, true, true
				c := idle(r)
				props := c.Props
				if !fresh {
					one := c.Props()
					props = func() *actor.Props { return one }
				}
				above, err := supervision.Static(supervision.Spec{
					Intensity: supervision.Intensity{Restarts: 100, Period: time.Hour},
					Children:  []supervision.ChildSpec{{ID: "consumer", Props: props, Shutdown: supervision.Infinity}},
				})
				require.NoError(r, err)
				tree, _ := spawn(r.System, above)
				for i := range 20 {
					r.Publish(1)
					r.Finish()
					require.Equal(r, gentask.Consuming, c.Health().State)
					require.Equal(r, i+1, r.Memory.Stats().Acked)
					r.Kill("consumer")
				}
				_, err = actor.Shutdown(r.Context(), r.System, tree)
				require.NoError(r, err)
				require.Zero(r, r.Memory.Stats().Sessions)
			})
		})
	}
}

// TestInstances_KilledBeforeItBegan: a tree that is killed before it has a ledger has ended, and
// Stop and Pause don't wait for it.
func TestInstances_KilledBeforeItBegan(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.GaveUp, r.Allow.Logged = true, true
		for range 50 {
			c := idle(r)
			require.NoError(r, c.Start())
			for _, pid := range pidsOf(r.System) {
				actor.Kill(r.System, pid)
			}
			<-c.Done()
			require.ErrorIs(r, c.Pause(r.Context()), gentask.ErrNotRunning)
			r.Stop(c)
		}
	})
}

// TestInstances_Model: for any sequence of Start, Stop, Props, spawn and kill, the consumer has one
// session or none, like the model.
func TestInstances_Model(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ops := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 30).Draw(rt, "ops")
		picks := rapid.SliceOfN(rapid.IntRange(0, 1<<20), len(ops), len(ops)).Draw(rt, "picks")
		synctest.Test(t, func(t *testing.T) { livesModel(t, ops, picks) })
	})
}

// offered are Props of the model: how many Stops there were before they were made.
type offered struct {
	props *actor.Props
	stops int
}

func livesModel(t *testing.T, ops, picks []int) {
	t.Helper()
	q := memory.New(memory.Config{})
	defer q.Close()
	sys := actor.NewSystem(actor.SystemConfig{})
	c, err := gentask.New(q, noop(), gentask.Config{System: sys})
	require.NoError(t, err)
	var (
		props []offered
		stops int
		lives bool
		tree  *actor.PID // nil if Start leads it
	)
	for i, op := range ops {
		switch op {
		case 0:
			err := c.Start()
			require.Equal(t, lives, err != nil, "Start: %v", err)
			if !lives {
				lives, tree = true, nil
			}
		case 1, 2:
			props = append(props, offered{c.Props(), stops})
		case 3:
			if len(props) == 0 {
				continue
			}
			p := props[picks[i]%len(props)]
			pid, ended := spawn(sys, p.props)
			synctest.Wait()
			switch {
			case lives:
				require.ErrorIs(t, <-ended, gentask.ErrRunning)
			case p.stops != stops:
				require.ErrorIs(t, <-ended, actor.ErrShutdown)
			default:
				lives, tree = true, pid
			}
		case 4:
			_, err := c.Stop(t.Context())
			require.NoError(t, err)
			lives = false
			stops++
		case 5:
			if lives && tree != nil {
				actor.Kill(sys, tree)
				lives = false
			}
		}
		synctest.Wait()
		want := 0
		if lives {
			want = 1
		}
		require.Equal(t, want, q.Stats().Sessions, "op %d of %v", i, ops)
		require.Equal(t, lives, c.Health().State == gentask.Consuming, "op %d of %v: %+v", i, ops, c.Health())
	}
	_, err = c.Stop(t.Context())
	require.NoError(t, err)
	require.Zero(t, q.Stats().Sessions)
}

// TestInstances_Race: for any calls at the same time, in the end Stop stops it all.
func TestInstances_Race(t *testing.T) {
	for range 20 {
		rig.Memory().Run(t, func(r *rig.Rig) {
			r.Allow.Logged, r.Allow.GaveUp = true, true
			c := idle(r)
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					for range 5 {
						switch i % 4 {
						case 0:
							_ = c.Start()
						case 1:
							if _, err := c.Stop(context.Background()); err != nil {
								r.Error(err)
							}
						case 2:
							spawn(r.System, c.Props())
						case 3:
							_ = c.Pause(context.Background())
							_ = c.Health()
						}
						time.Sleep(time.Millisecond)
						assert.LessOrEqual(r, r.Memory.Stats().Sessions, 1)
					}
				})
			}
			wg.Wait()
			r.Stop(c)
			r.Rest()
			require.Zero(r, r.Memory.Stats().Sessions)
		})
	}
}

// pidsOf lists the actors of a system.
func pidsOf(sys *actor.System) []*actor.PID {
	var all []*actor.PID
	for _, m := range sys.ProcessRegistry.LocalPIDs.LocalPIDs {
		m.IterCb(func(id string, _ any) { all = append(all, sys.NewLocalPID(id)) })
	}
	return all
}
