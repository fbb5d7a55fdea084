package gentask

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/internal/breaker"
)

func keyBreaker() KeyBreaker {
	return KeyBreaker{Key: KeyHeader("k"), Breaker: Breaker{FailureRate: 0.5, MinRuns: 3, Window: 10 * time.Second}}
}

// TestKeyBreaker_Model: each key has a breaker of its own, and forgetting idle ones changes nothing: the state of each is that of a machine that is
// never forgotten.
func TestKeyBreaker_Model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		half := func() float64 { return 0.5 }
		f, now := newCircuits(keyBreaker(), half), time.Unix(1_000_000, 0)
		plain := map[string]*breaker.Machine{}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "s")) * time.Second) // windows slide by one
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			m := plain[key]
			if m == nil {
				m = keyBreaker().Breaker.machine(half)
				plain[key] = m
			}
			if rapid.IntRange(0, 3).Draw(t, "forget") == 0 {
				require.Empty(t, f.forget(now))
			}
			one := f.by[key]
			admits := one == nil || one.Admits(now)
			require.Equal(t, m.Admits(now), admits)
			if !admits {
				continue
			}
			ticket, other := f.begin(key), m.Begin()
			r := rapid.SampledFrom([]breaker.Result{breaker.Nothing, breaker.Good, breaker.Bad, breaker.Bad}).Draw(t, "result")
			m.End(other, now, r)
			if one, _ = f.end(key, ticket, now, r); one == nil {
				require.True(t, m.Idle(now))
				continue
			}
			require.Equal(t, m.State(), one.State())
			require.Equal(t, m.NextProbe(), one.NextProbe())
		}
	})
}

// TestKeyBreaker_Memory: what is idle is forgotten, and so is what is open when nothing comes for an hour.
func TestKeyBreaker_Memory(t *testing.T) {
	f, now := newCircuits(keyBreaker(), func() float64 { return 0.5 }), time.Unix(1_000_000, 0)
	for i := range 1000 {
		f.end(strconv.Itoa(i), keyTicket{}, now, breaker.Good)
	}
	for range 3 {
		f.end("down", f.begin("down"), now, breaker.Bad)
	}
	f.end("nothing", keyTicket{}, now, breaker.Nothing)
	require.Len(t, f.by, 1001)
	require.Empty(t, f.forget(now.Add(12*time.Second)))
	require.Len(t, f.by, 1)
	require.Equal(t, []string{"down"}, f.forget(now.Add(2*time.Hour)))
	require.Empty(t, f.by)
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
