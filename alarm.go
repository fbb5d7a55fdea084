package gentask

import (
	"time"

	"github.com/gentask/gentask/actor"
)

// alarm is the ledger's one timer for when a gate wants to be asked again.
type alarm struct {
	at    time.Time // zero when none is set
	timer *time.Timer
}

// alarmed says that the time is come. One of an alarm that was set anew meanwhile tells nothing.
type alarmed struct{ at time.Time }

// setAlarm has the ledger look again at the given time, or earlier if it means to anyway; a zero time is none.
func (l *ledger) setAlarm(ctx actor.Context, at time.Time) {
	if at.IsZero() || (!l.alarm.at.IsZero() && !at.Before(l.alarm.at)) {
		return
	}
	l.alarm.stop()
	l.alarm = alarm{at: at, timer: actor.SendAfter(ctx, time.Until(at), &alarmed{at})}
}

// alarmed lets fill look again, as after every message.
func (l *ledger) alarmed(msg *alarmed) {
	if msg.at.Equal(l.alarm.at) {
		l.alarm = alarm{}
	}
}

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}
