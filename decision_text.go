package gentask

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// plainDecisions are those that have no more than their name.
var plainDecisions = map[string]Decision{
	"undecided": {}, "ack": Ack(), "release": Release(), "pause consumer": PauseConsumer(),
	"dead letter": DeadLetter(nil),
}

// timedDecisions are those that have a duration after their name.
var timedDecisions = map[string]func(time.Duration) Decision{
	"requeue after ": Requeue, "snooze ": Snooze, "extend ": Extend,
}

// UnmarshalText reads what MarshalText has written. The reason of a dead letter becomes an error
// with its text. It returns an error, and leaves d as it is, for any other text.
func (d *Decision) UnmarshalText(text []byte) error {
	s := string(text)
	if plain, found := plainDecisions[s]; found {
		*d = plain
		return nil
	}
	if reason, found := strings.CutPrefix(s, "dead letter: "); found {
		*d = DeadLetter(errors.New(reason))
		return nil
	}
	for name, decide := range timedDecisions {
		rest, found := strings.CutPrefix(s, name)
		if !found {
			continue
		}
		if after, err := time.ParseDuration(rest); err == nil {
			*d = decide(after)
			return nil
		}
	}
	return fmt.Errorf(`gentask: %.100q is no decision; want "ack", "requeue after 5s", "release", "snooze 5s", `+
		`"pause consumer", "dead letter", "dead letter: reason" or "extend 5s"`, s)
}
