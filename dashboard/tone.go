package dashboard

import (
	"context"

	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// tone is the meaning of a colour, and a class of the style sheet. The set is closed.
type tone string

const (
	toneOK   tone = "ok"
	toneWarn tone = "warn"
	toneBad  tone = "bad"
	toneIdle tone = "idle"
)

// rank orders tones: the worst is the highest.
func (t tone) rank() int {
	switch t {
	case toneIdle:
		return 0
	case toneOK:
		return 1
	case toneWarn:
		return 2
	case toneBad:
		return 3
	}
	return 0
}

// state is a state in words, with its tone.
type state struct {
	Text string
	Tone tone
}

// stateOf returns the state of a consumer.
func stateOf(c *fleet.ConsumerStatus) state {
	switch {
	case !c.Alive:
		return state{c.State + ", stuck", toneBad}
	case c.State == "consuming" && !c.Healthy:
		return state{"failing", toneBad}
	case c.State == "consuming" && c.Starved:
		return state{"starved", toneWarn}
	case c.State == "consuming" && c.Standby != "":
		return state{"standby", toneIdle}
	case c.State == "consuming":
		return state{c.State, toneOK}
	case c.State == "saturated", c.State == "breaker open", c.Error != "":
		return state{c.State, toneBad}
	case c.State == "stopped":
		return state{c.State, toneIdle}
	}
	return state{c.State, toneWarn} // paused, probing, draining, connecting
}

// hints returns what to do about an error of a broker.
func hints(err error) []string {
	switch {
	case err == nil:
		return nil
	case guard.Is(err, queue.ErrUncertain):
		return []string{"It may have been done. The page shows how things are; to repeat it does no harm."}
	case guard.Is(err, queue.ErrUnavailable):
		return []string{
			"The broker does not answer. Look whether it runs and can be reached.",
			"Consumers connect again by themselves.",
		}
	case guard.Is(err, queue.ErrClosed):
		return []string{"The program has closed its connection. It may be ending; load the page again later."}
	case guard.Is(err, queue.ErrUnsupported):
		return []string{"The broker can't do that."}
	case guard.Is(err, context.DeadlineExceeded), guard.Is(err, guard.ErrLate), guard.Is(err, guard.ErrHung):
		return []string{"The broker takes too long. It may be overloaded or cut off; the page asks again by itself."}
	}
	return nil
}
