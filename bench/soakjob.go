package main

import (
	"context"
	"errors"
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask"
)

// soakTimeout is the timeout of a job, and its grace. A no-op that does not get a processor for so
// long would be called late, and run again.
const soakTimeout = time.Second

var errSoak = errors.New("a third-party service is down")

// soakWorker runs the jobs of a soak.
type soakWorker struct {
	feed   *feed
	delays delays
}

func newSoakWorker(t *trial, rate int) *soakWorker {
	return &soakWorker{feed: newFeed(t, usual, 5*rate, max(rate/200, 1), rate)}
}

// run is a job. Its first run may go wrong; the second ends it.
func (w *soakWorker) run(ctx context.Context, body []byte) error {
	if job, _ := gentask.FromContext(ctx); job.Attempt() == 1 {
		w.delays.add(w.feed.age(body))
		err := mishap(ctx, number(body))
		if _, decided := errors.AsType[gentask.Decision](err); decided { // a dead letter, the only one that mishap has
			w.feed.ran(body)
		}
		if err != nil {
			return err
		}
	}
	w.feed.ran(body)
	return nil
}

// mishap is how the first run of a job fails, if it does. Of 2,000 jobs, 60 end with an error, 40
// panic, 10 end their goroutine, 19 time out, and one can never succeed. One of those that time out
// does not return even then. Another 200 take 5 ms. The numbers are mixed, so that mishaps do not
// come in waves.
func mishap(ctx context.Context, number uint64) error {
	const of, mix = 2_000, 7_919
	switch n := number * mix % of; {
	case n < 1:
		time.Sleep(4 * soakTimeout) // long past its grace
		return errSoak
	case n < 2:
		return gentask.DeadLetter(errSoak)
	case n < 20:
		<-ctx.Done()
		return context.Cause(ctx)
	case n < 60:
		panic(errSoak)
	case n < 120:
		return errSoak
	case n < 130:
		runtime.Goexit()
	case n < 330:
		return sleep(ctx, 5*time.Millisecond)
	}
	return nil
}

// delays counts times in steps of a sixteenth, or of a microsecond, so that it takes no more memory
// for more of them. It is safe for concurrent use.
type delays struct {
	counts [steps]atomic.Int64
}

// A time of less than 32 us has a step of its own; from there on, each doubling has sixteen.
const (
	fine  = 16
	steps = 40 * fine // up to six days
)

func step(us uint64) int {
	shift := max(0, bits.Len64(us)-bits.Len64(fine))
	return min(shift*fine+int(us>>shift), steps-1)
}

// least is the shortest time of a step.
func least(step int) uint64 {
	if step < 2*fine {
		return uint64(step)
	}
	shift := step/fine - 1
	return uint64(step-shift*fine) << shift
}

func (d *delays) add(t time.Duration) { d.counts[step(uint64(max(t, 0).Microseconds()))].Add(1) }

// take returns the median and the 99th percentile in microseconds, and starts again with no
// samples.
func (d *delays) take() (middle, p99 float64) {
	var counts [steps]int64
	all := int64(0)
	for i := range counts {
		counts[i] = d.counts[i].Swap(0)
		all += counts[i]
	}
	below := func(share float64) float64 {
		sum := int64(0)
		for i, n := range counts {
			if sum += n; float64(sum) >= share*float64(all) {
				return float64(least(i))
			}
		}
		return 0
	}
	return below(0.5), below(0.99)
}
