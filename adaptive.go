package gentask

import (
	"errors"
	"math"
	"time"

	"github.com/gentask/gentask/internal/adapt"
	"github.com/gentask/gentask/internal/breaker"
)

// Adaptive finds out how many jobs should run at a time, from Min to Config.Concurrency: it begins with Min, and grows while runs take as long as
// ever; it shrinks when they fail, time out, or take longer. Health.Concurrency tells what it has come to. It is for jobs that are much alike;
// the time that a job takes by itself must not differ by much more than Tolerance, on the average of ten.
type Adaptive struct {
	// Min is the fewest jobs that may run at a time. Zero is off.
	Min int

	// Tolerance is how many times as long as at their best runs may take on the average before it shrinks; more than 1. Zero means 1.5.
	Tolerance float64

	// FailureRate is the share of runs, up to 1, that may fail or time out before it shrinks. Zero means 0.1.
	FailureRate float64
}

func (a Adaptive) on() bool { return a.Min > 0 }

func (a Adaptive) check() error {
	tolerant := a.Tolerance == 0 || a.Tolerance > 1 && !math.IsInf(a.Tolerance, 0) // NaN is not more than 1
	rate := a.FailureRate >= 0 && a.FailureRate <= 1                               // NaN is not in it
	return errors.Join(
		unfitIf(a.Min < 0, "Min", a.Min, "0 for off, or the fewest jobs that may run at a time"),
		unfitIf(!tolerant, "Tolerance", a.Tolerance, "0 for 1.5, or more than 1"),
		unfitIf(!rate, "FailureRate", a.FailureRate, "0 for 0.1, or a share up to 1"),
		unfitIf(a.Min == 0 && a != Adaptive{}, "Min", a.Min, "the fewest jobs that may run at a time; other fields are set"))
}

// limiter makes a limiter; nil if it is off.
func (a Adaptive) limiter(most int) *adapt.Limiter {
	if !a.on() {
		return nil
	}
	return adapt.New(adapt.Settings{
		Min: min(a.Min, most), Max: most, Tolerance: or(a.Tolerance, 1.5), FailureRate: or(a.FailureRate, 0.1),
	})
}

// adaptiveGate holds everything back while as many jobs run as the limiter allows.
type adaptiveGate struct {
	ledger  *ledger
	limiter *adapt.Limiter
}

func (g *adaptiveGate) pass(*entry, time.Time) (v verdict, until time.Time) {
	if g.ledger.busy.len() < g.limiter.Limit() {
		return admit, time.Time{}
	}
	return block, time.Time{}
}

func (*adaptiveGate) begun(*entry, time.Time) {}

func (g *adaptiveGate) ended(e *entry, now time.Time) {
	signal := e.signal()
	if signal == breaker.Nothing {
		return
	}
	_, ran := e.result()
	g.limiter.Ended(now, adapt.Run{
		Begun: e.started, Took: ran, Failed: signal == breaker.Bad, Busy: g.ledger.busy.len() + 1, // itself included
	})
}

func (*adaptiveGate) gone(*entry, time.Time) {}
