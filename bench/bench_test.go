package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/internal/brokertest"
)

// peersEnv, if set, says that Redis and PostgreSQL must be there. They are needed for nothing but the peers, so that usually a side without
// its server need only say so.
const peersEnv = "GENTASK_BENCH_PEERS"

// TestMain lets the memory suite start the test's program as its child.
func TestMain(m *testing.M) {
	if what := os.Getenv(holdEnv); what != "" {
		if err := hold(context.Background(), what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestSuites runs every case of every suite with a handful of jobs: both sides do their work and lose nothing. How fast they are is no
// business of a test.
func TestSuites(t *testing.T) {
	t.Setenv("GENTASK_RABBITMQ_URL", brokertest.RabbitMQ(t))
	for _, s := range suites() {
		t.Run(s.name, func(t *testing.T) {
			r := &runner{pairs: 1, progress: io.Discard}
			lines, errs := r.suite(t.Context(), s, options{quick: true}, "")
			for _, err := range errs {
				requireServer(t, err)
			}
			for _, l := range lines {
				require.Positive(t, l.Ours, "%+v", l)
				require.Positive(t, l.Theirs, "%+v", l)
			}
		})
	}
}

// requireServer fails for an error that is neither a missed target nor a server that nobody promised.
func requireServer(t *testing.T, err error) {
	t.Helper()
	switch {
	case errors.Is(err, ErrMissed):
	case errors.Is(err, ErrNoServer) && os.Getenv(peersEnv) == "":
		t.Log(err)
	default:
		require.NoError(t, err)
	}
}

func TestBadFlagsAreErrors(t *testing.T) {
	for _, args := range [][]string{
		{"-suite", "nonsense"}, {"-pairs", "0"}, {"-jobs", "-1"}, {"kernel"}, {"-what"},
	} {
		require.Error(t, run(t.Context(), args, io.Discard, io.Discard), "%v", args)
	}
}

// sideOf is a side that takes as long as it is told.
func sideOf(wall time.Duration) side {
	return func(_ context.Context, t *trial) error {
		t.sample = sample{jobs: t.jobs, wall: wall, cpu: wall, bytes: uint64(t.jobs), allocs: uint64(t.jobs)}
		return nil
	}
}

func TestRatiosAreOursToTheirs(t *testing.T) {
	c := comparison{
		suite: "s", name: "c", peer: "p", jobs: 100, ours: sideOf(time.Second), theirs: sideOf(2 * time.Second),
		claims: []claim{{unit: result.Rate, target: 2}, {unit: result.Time, target: 0.4}, {unit: result.Wall, target: 1, given: 4}},
	}
	lines, err := (&runner{pairs: 3, progress: io.Discard}).run(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, lines, 6, "three claims, and three units for the record")
	for i, want := range []result.Line{
		{Unit: result.Rate, Ours: 100, Theirs: 50, Ratio: 2, OK: true},
		{Unit: result.Time, Ours: 10_000, Theirs: 20_000, Ratio: 0.5, OK: false},
		{Unit: result.Wall, Ours: 1, Theirs: 4, Ratio: 0.25, OK: true},
	} {
		want.Suite, want.Case, want.Peer, want.RatioMin, want.RatioMax, want.Target = "s", "c", "p", want.Ratio, want.Ratio, lines[i].Target
		require.Equal(t, want, lines[i])
	}
	var out bytes.Buffer
	require.NoError(t, jsonLines(&out, lines))
	read, err := result.Read(&out)
	require.NoError(t, err)
	require.Equal(t, lines, read)
}

func TestATallyFindsWhatIsWrong(t *testing.T) {
	y := newTally(2)
	bodies := y.bodies(small)
	y.ran(bodies[0])
	require.ErrorContains(t, y.check(), "1 were lost")
	y.ran(bodies[0])
	y.ran(nil)
	y.ran(bodies[1])
	require.ErrorContains(t, y.check(), "2 runs were too many")
}
