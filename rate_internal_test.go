package gentask

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

func TestRate_Burst(t *testing.T) {
	for r, want := range map[Rate]int{
		{PerSecond: 5}:           1,
		{PerSecond: 1000}:        100,
		{PerSecond: 5, Burst: 7}: 7,
	} {
		require.Equal(t, want, r.limit().Burst)
	}
}

func TestRate_Check(t *testing.T) {
	for want, r := range map[string]Rate{
		"PerSecond is -1; want 0 for no limit, or more":                          {PerSecond: -1},
		"PerSecond is NaN; want 0 for no limit, or more":                         {PerSecond: math.NaN()},
		"PerSecond is +Inf; want 0 for no limit, or more":                        {PerSecond: math.Inf(1)},
		"Burst is -1; want 0 for as many as come in 100ms, or more":              {PerSecond: 1, Burst: -1},
		"PerSecond is 0; want the runs that begin each second; there is a Burst": {Burst: 1},
	} {
		require.EqualError(t, r.check(), want)
	}
	require.NoError(t, Rate{}.check())
}

func TestKeyRate_Check(t *testing.T) {
	for want, k := range map[string]KeyRate{
		"Key is nil with a Rate; want a function, for example KeyHeader(name)":        {Rate: Rate{PerSecond: 1}},
		"Rate.PerSecond is -1; want 0 for no limit, or more":                          {Key: KeyHeader("k"), Rate: Rate{PerSecond: -1}},
		"Rate.PerSecond is 0; want the runs that begin each second; there is a Burst": {Key: KeyHeader("k"), Rate: Rate{Burst: 1}},
	} {
		require.EqualError(t, k.check(), want)
	}
	require.NoError(t, KeyRate{}.check())
	require.NoError(t, KeyRate{Key: func(*queue.Message) string { return "" }}.check(), "for SetKeyRate")
}

func TestKeyBreaker_Check(t *testing.T) {
	key := KeyHeader("k")
	for want, k := range map[string]KeyBreaker{
		"Key is nil with a Breaker; want a function, for example KeyHeader(name)":                             {Breaker: Breaker{FailureRate: 1}},
		"Breaker.FailureRate is 0; want the share of failures at which it opens, such as 0.5; there is a Key": {Key: key},
	} {
		require.EqualError(t, k.check(), want)
	}
	bad := KeyBreaker{Key: key, Breaker: Breaker{FailureRate: 1, MinRuns: -1}}
	require.EqualError(t, bad.check(), "Breaker.MinRuns is -1; want 0 for 10, or more")
	require.NoError(t, KeyBreaker{}.check())
}
