package schedule

import (
	"fmt"
	"log/slog"

	"github.com/gentask/gentask/queue"
)

// Config is what Run may be told.
type Config struct {
	// Plans are what is to be published, and when. At least one. All nodes should have the same ones; a plan that only some have is theirs.
	Plans []Plan

	// Logger gets what an operator should know: firings that were delayed, given up or left out. Nil
	// means slog.Default(). To discard it, use slog.DiscardHandler.
	Logger *slog.Logger
}

// Plan is one message that is published again and again.
type Plan struct {
	// Name names the plan in the fleet, and is part of the key that makes a firing unique: two plans of one queue that have the same name
	// take each other's firings. Required. It may be renamed at the cost of a firing that comes twice, if that is under way.
	Name string

	// Cron is when: minute, hour, day of month, month, day of week, as in crontab(5), with seconds before
	// them if there are six fields; or @hourly, @daily (@midnight), @weekly, @monthly, @yearly
	// (@annually). A field is a list of *, values and ranges, each with a step if need be: "1,15",
	// "MON-FRI", "*/10". A range may go round: "22-2", "FRI-MON". Months and days of the week have
	// names of three letters, in any case; Sunday is 0 and 7. Where neither day is *, either
	// will do. @every is refused: it has no time of its own that nodes could agree on; so are the
	// letters L, W, H and # of other programs. Required.
	Cron string

	// Zone is the time zone in which Cron is meant, by its name in the IANA data base, such as "Europe/Berlin". Empty means UTC. A
	// machine without that data base needs the package time/tzdata in the program.
	Zone string

	// Message is what is published. Its ID, UniqueKey and NotBefore are filled in by each firing, and must be empty here. HeaderPlanned is
	// added to its headers.
	Message queue.Message

	// Missed says what becomes of planned times that passed while no node ran, or none could publish. The zero value is Skip.
	Missed Missed
}

// Missed is what becomes of firings that could not be published in time. The set is closed.
type Missed uint8

const (
	// Skip leaves them out: the next planned time is the next firing.
	Skip Missed = iota

	// Latest fires the last of them, once, when a node starts or wakes up, if that is still within the broker's window.
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

// HeaderPlanned holds the planned time of a firing, in RFC 3339, in the plan's zone: what a job should take for now, for it may run later.
const HeaderPlanned = "gentask-planned"

// badConfig says which value is not right, what it was, and what would be right.
func badConfig(field string, was any, right string) error {
	return fmt.Errorf("schedule: %w: %s is %v: right would be %s", queue.ErrConfig, field, was, right)
}

// timetables checks all plans, and returns them as timetables.
func (c Config) timetables() ([]timetable, error) {
	if len(c.Plans) == 0 {
		return nil, badConfig("Config.Plans", "empty", "at least one plan")
	}
	names := map[string]bool{}
	all := make([]timetable, len(c.Plans))
	for i, p := range c.Plans {
		if names[p.Name] {
			return nil, badConfig(fmt.Sprintf("Config.Plans[%d].Name", i), fmt.Sprintf("%q, which another plan has", p.Name), "a name of its own")
		}
		names[p.Name] = true
		var err error
		if all[i], err = newTimetable(p, fmt.Sprintf("Config.Plans[%d]", i)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// check says what is wrong with a plan's fields, but for its expression and its zone.
func (p Plan) check(field string) error {
	switch {
	case p.Name == "":
		return badConfig(field+".Name", `""`, "a name that the fleet knows it by")
	case p.Message.ID != "" || p.Message.UniqueKey != "" || !p.Message.NotBefore.IsZero():
		return badConfig(field+".Message", "one with an ID, a UniqueKey or a NotBefore", "none of them: each firing has its own")
	case p.Missed > Latest:
		return badConfig(field+".Missed", p.Missed, "Skip or Latest")
	}
	if err := p.Message.Check(); err != nil {
		return fmt.Errorf("schedule: %s: %w", field, err)
	}
	return nil
}
