package gentask

import (
	"time"
)

// alarm is the ledger's one timer. It rings when a gate must be asked again.
type alarm struct {
	at    time.Time // zero while none is set
	timer *time.Timer
}

// set starts the timer of the alarm for the given time, unless it rings earlier anyway. The zero
// time means never.
func (a *alarm) set(at time.Time, start func(wait time.Duration) *time.Timer) {
	if at.IsZero() || (!a.at.IsZero() && !at.Before(a.at)) {
		return
	}
	a.stop()
	*a = alarm{at: at, timer: start(time.Until(at))}
}

// rang is called when the alarm has rung, with the time that it was set for. It is ignored if the
// alarm was set again since.
func (a *alarm) rang(at time.Time) {
	if at.Equal(a.at) {
		*a = alarm{}
	}
}

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}
