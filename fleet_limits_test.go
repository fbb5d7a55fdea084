package gentask_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue/memory"
)

// TestFleetLimits_Check: what makes no sense is refused, with what would.
func TestFleetLimits_Check(t *testing.T) {
	key := gentask.KeyHeader("customer")
	q := memory.New(memory.Config{})
	defer q.Close()
	try := func(f gentask.FleetLimits) (*gentask.Consumer, error) {
		return gentask.New(q, gentask.Handle(func(context.Context, []byte) error { return nil }),
			gentask.Config{Policy: gentask.Policy{Fleet: f}})
	}
	for want, limits := range map[string]gentask.FleetLimits{
		"Policy.Fleet.Concurrency is -1; want 0 for no limit":             {Concurrency: -1},
		"Policy.Fleet.Rate.PerSecond is -1; want 0 for no limit":          {Rate: gentask.Rate{PerSecond: -1}},
		"Policy.Fleet.Rate.PerSecond is 0; want the runs":                 {Rate: gentask.Rate{Burst: 1}},
		"Policy.Fleet.PerKey.Concurrency is 0; want 1 or more":            {PerKey: gentask.FleetPerKey{Key: key}},
		"Policy.Fleet.PerKey.Key is nil with a Concurrency; want":         {PerKey: gentask.FleetPerKey{Concurrency: 1}},
		`Policy.Fleet.PerKey.Key is KeyHeader(""); want the name of a he`: {PerKey: gentask.FleetPerKey{Key: gentask.KeyHeader(""), Concurrency: 1}},
	} {
		_, err := try(limits)
		require.ErrorIs(t, err, gentask.ErrConfig)
		require.ErrorContains(t, err, want)
	}
	for burst, r := range map[int]gentask.Rate{10: {PerSecond: 100}, 1: {PerSecond: 0.1}, 7: {PerSecond: 100, Burst: 7}} {
		c, err := try(gentask.FleetLimits{Rate: r})
		require.NoError(t, err)
		require.Equal(t, burst, c.FleetLimits().Rate.Burst)
	}
	c, err := try(gentask.FleetLimits{Concurrency: 3})
	require.NoError(t, err)
	require.Zero(t, c.FleetLimits().Rate)
}
