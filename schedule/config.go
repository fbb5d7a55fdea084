package schedule

import (
	"fmt"
	"log/slog"

	"github.com/gentask/gentask/queue"
)

// Config configures [Run].
type Config struct {
	// Plans are the messages to publish, and their times. At least one is required, unless Stored
	// is set. All nodes should have the same plans. A plan that only some nodes have is fired by
	// these.
	Plans []Plan

	// Stored are further plans, which can be changed while Run runs. Nil means none. A stored plan
	// with the name of one of Plans is not run by this node, with a warning in the log.
	Stored *Plans

	// Logger gets the messages for an operator: firings that were delayed, given up or left out.
	// Nil means slog.Default(). To discard them, use slog.DiscardHandler.
	Logger *slog.Logger
}

// Plan is a message that is published again and again.
type Plan struct {
	// Name names the plan in the fleet, and is required. It is part of the key that makes a firing
	// unique: two plans of one queue with the same name take each other's firings. After a new
	// name, a firing that is under way may come twice.
	Name string

	// Cron is the expression for the times, and is required. It has the fields minute, hour, day of
	// month, month and day of week, as in crontab(5). With six fields, the first is the seconds. Or
	// it is one of @hourly, @daily (@midnight), @weekly, @monthly, @yearly (@annually).
	//
	// A field is a list of *, values and ranges, each with a step if needed: "1,15", "MON-FRI",
	// "*/10". A range may go round: "22-2", "FRI-MON". Months and days of the week have names of
	// three letters, in any case; Sunday is 0 and 7. If neither day is *, one of them is enough.
	//
	// @every is refused, because nodes could not agree on its times. So are the letters L, W, H and
	// # of other programs.
	Cron string

	// Zone is the time zone of Cron, by its name in the IANA data base, such as "Europe/Berlin".
	// Empty means UTC. On a machine without that data base, the program must import time/tzdata.
	Zone string

	// Message is the message to publish. Its ID, UniqueKey and NotBefore must be empty: each firing
	// sets them. [HeaderPlanned] is added to its headers.
	Message queue.Message

	// Missed decides about planned times that passed while no node ran, or none could publish. The
	// zero value is [Skip].
	Missed Missed
}

// Missed decides about firings that could not be published in time. The set is closed.
type Missed uint8

const (
	// Skip leaves them out: the next planned time is the next firing.
	Skip Missed = iota

	// Latest fires the last of them, once, when a node starts or wakes up. For a plan of
	// Config.Plans, the broker's window must still include it. For a stored plan it may be any time
	// ago, because the last firing is stored, too.
	Latest
)

// String returns the name.
func (m Missed) String() string {
	switch m {
	case Skip:
		return "skip"
	case Latest:
		return "latest"
	}
	return fmt.Sprintf("missed(%d)", uint8(m))
}

// HeaderPlanned is the header with the planned time of a firing, in RFC 3339, in the plan's zone. A
// job should use it as the current time, because it may run later.
const HeaderPlanned = "gentask-planned"

// badConfig returns an error that names the field, its value, and the remedy.
func badConfig(field string, was any, right string) error {
	return fmt.Errorf("schedule: %w: %s is %v: right would be %s", queue.ErrConfig, field, was, right)
}

// timetables checks all plans, and returns them as timetables.
func (c Config) timetables() ([]timetable, error) {
	if len(c.Plans) == 0 && c.Stored == nil {
		return nil, badConfig("Config.Plans", "empty", "at least one plan, or Config.Stored")
	}
	names := map[string]bool{}
	all := make([]timetable, len(c.Plans))
	for i, p := range c.Plans {
		if names[p.Name] {
			return nil, badConfig(fmt.Sprintf("Config.Plans[%d].Name", i),
				fmt.Sprintf("%q, which another plan has", p.Name), "a name of its own")
		}
		names[p.Name] = true
		var err error
		if all[i], err = newTimetable(p, fmt.Sprintf("Config.Plans[%d]", i)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// check returns the mistake in a plan's fields, except its expression and its zone.
func (p Plan) check(field string) error {
	switch {
	case p.Name == "":
		return badConfig(field+".Name", `""`, "a name that the fleet knows it by")
	case p.Message.ID != "" || p.Message.UniqueKey != "" || !p.Message.NotBefore.IsZero():
		return badConfig(field+".Message", "one with an ID, a UniqueKey or a NotBefore",
			"none of them: each firing has its own")
	case p.Missed > Latest:
		return badConfig(field+".Missed", p.Missed, "Skip or Latest")
	}
	if err := p.Message.Check(); err != nil {
		return fmt.Errorf("schedule: %s: %w", field, err)
	}
	return nil
}
