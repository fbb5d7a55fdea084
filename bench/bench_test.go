package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/isolate"
)

// peersEnv, if set, requires Redis. Only a peer needs it, so usually a side without its server may
// be left out with a message.
const peersEnv = "GENTASK_BENCH_PEERS"

// TestMain lets the memory suite start the test's program as its child.
func TestMain(m *testing.M) {
	isolate.Main()
	if what := os.Getenv(holdEnv); what != "" {
		if err := hold(context.Background(), what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestSuites runs every case of every suite with a handful of jobs: both sides do their work and
// lose nothing. How fast they are is no business of a test.
func TestSuites(t *testing.T) {
	t.Setenv("GENTASK_RABBITMQ_URL", brokertest.RabbitMQ(t))
	t.Setenv("GENTASK_POSTGRES_URL", brokertest.Postgres(t))
	for _, s := range suites() {
		t.Run(s.name, func(t *testing.T) {
			r := &runner{pairs: 1, progress: io.Discard}
			lines, errs := r.suite(t.Context(), s, options{quick: true}, "")
			for _, err := range errs {
				requireServer(t, err)
			}
			for _, l := range lines {
				requireSense(t, l)
			}
		})
	}
}

// requireSense fails for a figure that can't be.
func requireSense(t *testing.T, l result.Line) {
	t.Helper()
	switch {
	case l.Unit == result.Lost || l.Unit == result.Again:
		require.Zero(t, l.Ours, "%+v", l)
	case l.Unit == result.HeldEach: // of a few consumers it is less than what comes and goes by itself
	case l.Over != nil: // of a moment in which, in so short a run, nothing may have happened
		require.NotEmpty(t, l.Over.Values, "%+v", l)
	default:
		require.Positive(t, l.Ours, "%+v", l)
		require.Positive(t, l.Theirs, "%+v", l)
	}
}

// requireServer fails for an error that is neither a missed target nor a server that was not
// promised.
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
		{"-suite", "nonsense"}, {"-pairs", "0"}, {"-jobs", "-1"}, {"-rate", "-1"}, {"-for", "1s"}, {"kernel"}, {"-what"},
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

func TestGrowthIsLateAgainstEarly(t *testing.T) {
	values := []float64{9, 9, 10, 12, 30, 2, 7, 7, 15, 13}
	l, err := later(result.Line{Unit: result.Live}, time.Second, values, fifth(10, 1), fifth(10, 4))
	require.NoError(t, err)
	require.Equal(t, []float64{14, 11}, []float64{l.Ours, l.Theirs})
	require.InDeltaSlice(t, []float64{2. / 11, 14. / 11, 30. / 11}, []float64{l.RatioMin, l.Ratio, l.RatioMax}, 1e-9)
	require.False(t, allowed(l, 0).OK)
	require.True(t, allowed(l, 3).OK, "3 MiB more are no growth where 3 are allowed")
	require.Equal(t, span{0, 1}, fifth(1, 4), "there is always one")
	_, err = later(result.Line{}, time.Second, values, span{1, 2}, span{10, 11})
	require.ErrorIs(t, err, errUnseen)
}

func TestHeapProfilesAreEarlyAndLate(t *testing.T) {
	dir := t.TempDir()
	y := newTally(5)
	h := (&runner{profiles: dir}).heaps("soak", "a b")
	look := h.from(y, func() []float64 { return nil })
	for _, body := range y.bodies(small)[:2] {
		look()
		require.NoFileExists(t, dir+"/soak-a-b.early.heap.pprof")
		y.ran(body)
	}
	look()
	require.FileExists(t, dir+"/soak-a-b.early.heap.pprof")
	require.NoError(t, h.end())
	require.FileExists(t, dir+"/soak-a-b.late.heap.pprof")
	require.NoError(t, (&runner{}).heaps("soak", "a b").end(), "nobody asked for them")
	require.ErrorIs(t, (&runner{profiles: dir}).heaps("soak", "c").end(), errEarly)
}

func TestDelaysAreKnownToASixteenth(t *testing.T) {
	var d delays
	for us := range 10_000 {
		d.add(time.Duration(us) * time.Microsecond)
	}
	d.add(-time.Second)
	d.add(1 << 62)
	middle, p99 := d.take()
	require.InEpsilon(t, 5_000, middle, 1./16)
	require.InEpsilon(t, 9_900, p99, 1./16)
	middle, p99 = d.take()
	require.Zero(t, middle+p99, "it begins anew")
}

func TestAFeedNeverHasMoreOnItsWayThanItsBacklog(t *testing.T) {
	var over atomic.Bool
	trial := newTrial(500, true)
	f := newFeed(trial, small, 7, 3, 0)
	q := newMemory(trial)
	defer q.Close()
	err := f.through(t.Context(), q, gentask.Config{Concurrency: 20}, gentask.Handle(func(_ context.Context, body []byte) error {
		if published := q.Stats().Published; published > int(trial.tally.done())+7 {
			over.Store(true)
		}
		f.ran(body)
		return nil
	}))
	require.NoError(t, err)
	require.False(t, over.Load())
	require.NoError(t, trial.tally.check())
	require.NoError(t, checkMemory(q))
}
