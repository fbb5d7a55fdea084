package fleetrig

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// Given is a command that was confirmed.
type Given struct {
	Thing string // that it is for
	Value string // that a consumer must show
	*fleet.Command
}

// Operator gives commands, one after the other, until the broker has confirmed each.
type Operator struct {
	Node  *fleet.Node
	Rand  *rand.Rand
	Given []Given
}

func (o *Operator) command(ctx context.Context) Given {
	by := gentask.Author{By: o.Node.ID(), Reason: fmt.Sprint(o.Rand.Int())}
	q := fmt.Sprint("q", o.Rand.IntN(2))
	on := o.Rand.IntN(2) == 0
	var call func() (*fleet.Command, error)
	g := Given{}
	switch o.Rand.IntN(5) {
	case 0:
		g.Thing, g.Value = q+" paused", fmt.Sprint(on)
		call = func() (*fleet.Command, error) {
			if on {
				return o.Node.Pause(ctx, q, by)
			}
			return o.Node.Resume(ctx, q, by)
		}
	case 1:
		n := o.Rand.IntN(10)
		g.Thing, g.Value = q+" concurrency", fmt.Sprint(n)
		call = func() (*fleet.Command, error) { return o.Node.SetConcurrency(ctx, q, n, by) }
	case 2:
		r := gentask.Rate{PerSecond: float64(o.Rand.IntN(100))}
		g.Thing, g.Value = q+" rate", fmt.Sprint(r)
		call = func() (*fleet.Command, error) { return o.Node.SetRate(ctx, q, &r, by) }
	case 3:
		g.Thing, g.Value = q+" breaker", fmt.Sprint(on)
		call = func() (*fleet.Command, error) {
			if on {
				return o.Node.OpenBreaker(ctx, q, by)
			}
			return o.Node.ReleaseBreaker(ctx, q, by)
		}
	case 4:
		id := fmt.Sprint(o.Rand.IntN(30))
		g.Thing, g.Value = q+" job "+id, fmt.Sprint(on)
		call = func() (*fleet.Command, error) {
			if on {
				return o.Node.Cancel(ctx, q, id, by)
			}
			return o.Node.Uncancel(ctx, q, id, by)
		}
	}
	for {
		command, err := call()
		if err == nil {
			g.Command = command
			return g
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// shows returns what a consumer shows of a thing.
func shows(o *gentask.Overrides, q, thing string) string {
	switch thing {
	case q + " paused":
		return fmt.Sprint(o.Paused.Value)
	case q + " concurrency":
		return fmt.Sprint(o.Concurrency.Value)
	case q + " rate":
		if o.Rate.Value == nil {
			return "none"
		}
		return fmt.Sprint(*o.Rate.Value)
	case q + " breaker":
		return fmt.Sprint(o.BreakerOpen.Value)
	}
	var id string
	_, _ = fmt.Sscanf(thing, q+" job %s", &id)
	_, cancelled := o.Cancelled[id]
	return fmt.Sprint(cancelled)
}

// Newest returns, for each thing, the confirmed command that counts. Each command has a generation
// of its own.
func Newest(t testing.TB, all []Given) map[string]Given {
	t.Helper()
	seen, last := map[string]bool{}, map[string]Given{}
	for _, g := range all {
		name := fmt.Sprint(g.Thing, " generation ", g.Generation)
		require.False(t, seen[name], name)
		seen[name] = true
		if g.Generation > last[g.Thing].generation() {
			last[g.Thing] = g
		}
	}
	return last
}

func (g Given) generation() uint64 {
	if g.Command == nil {
		return 0
	}
	return g.Generation
}

// Lost returns which of the commands that count a consumer of a queue does not follow.
func Lost(last map[string]Given, c *gentask.Consumer) (lost []string) {
	o, q := c.Health().Overrides, c.Queue()
	for thing, g := range last {
		if thing[:2] != q {
			continue
		}
		if got := shows(&o, q, thing); got != g.Value {
			lost = append(lost, fmt.Sprintf("%s is %s, want %s of generation %d", thing, got, g.Value, g.Generation))
		}
	}
	return lost
}

// Run gives n commands.
func (o *Operator) Run(n int, pause time.Duration) {
	for range n {
		o.Given = append(o.Given, o.command(context.Background()))
		time.Sleep(pause)
	}
}

// QueueOf returns the queue of the node with that number: operators command q0 and q1.
func QueueOf(i int) string { return fmt.Sprint("q", i%2) }

// Named is a source with another name.
type Named struct {
	queue.Source
	Called string
}

// Name implements queue.Named.
func (n Named) Name() string { return n.Called }
