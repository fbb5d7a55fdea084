package gentask

import (
	"time"

	"github.com/gentask/gentask/actor"
)

// alarm is the ledger's one timer, for when a gate must be asked again.
type alarm struct {
	at    time.Time // zero while none is set
	timer *time.Timer
}

// set makes the actor of ctx get an alarmed at the given time, unless it gets an earlier one. The zero time
// is never.
func (a *alarm) set(ctx actor.Context, at time.Time) {
	if at.IsZero() || (!a.at.IsZero() && !at.Before(a.at)) {
		return
	}
	a.stop()
	*a = alarm{at: at, timer: actor.SendAfter(ctx, time.Until(at), &alarmed{at})}
}

// rang is called for each alarmed. It is ignored if the alarm was set again since.
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
