package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"
)

// Row is what became of the messages of a trial.
type Row struct {
	Fault        string `json:"fault"`
	Broker       Kind   `json:"broker"`
	Times        int    `json:"times"` // how often the fault struck
	Published    int    `json:"published"`
	Acknowledged int    `json:"acknowledged"`
	DeadLettered int    `json:"dead_lettered"`
	Purged       int    `json:"purged,omitempty"` // by an operator, before they were delivered
	Duplicates   int    `json:"duplicates"`       // runs and dead letters beyond the first of a message, and beyond those that were to fail
	Lost         int    `json:"lost"`
	LongestPause Span   `json:"longest_pause_ms"` // in which no job began
	Away         Span   `json:"away_ms"`          // the longest time from when the fault struck until the broker was there again; 0: not noted
	Resumed      Span   `json:"resumed_ms"`       // the longest time from then until a job began
}

// Span is a time that is shown in milliseconds.
type Span time.Duration

// MarshalJSON writes the milliseconds.
func (s Span) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Milliseconds()) }

// orNone is for a time that was not noted.
func (s Span) orNone() string {
	if s == 0 {
		return "-"
	}
	return s.String()
}

// String rounds to milliseconds.
func (s Span) String() string { return time.Duration(s).Round(time.Millisecond).String() }

// Table collects rows. It is safe for concurrent use.
type Table struct {
	// Lines gets each row as a line of JSON at once, so that a run that is broken off leaves its
	// results. Nil writes none.
	Lines io.Writer

	mu   sync.Mutex
	rows []Row
}

// Add adds a row. It returns the error of Lines.
func (t *Table) Add(r Row) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, r)
	if t.Lines == nil {
		return nil
	}
	return json.NewEncoder(t.Lines).Encode(r)
}

const heading = "FAULT\tBROKER\tTIMES\tPUBLISHED\tACKED\tDEAD\tPURGED\tDUPLICATES\tLOST\tLONGEST PAUSE\tAWAY\tRESUMED AFTER"

// Print writes the rows for a human.
func (t *Table) Print(w io.Writer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, heading) //nolint:errcheck // Flush returns it
	for _, r := range t.rows {
		fmt.Fprintf(tw, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%v\t%v\t%v\n", //nolint:errcheck // Flush returns it
			r.Fault, r.Broker, r.Times, r.Published, r.Acknowledged, r.DeadLettered, r.Purged, r.Duplicates, r.Lost, r.LongestPause, r.Away.orNone(), r.Resumed)
	}
	return tw.Flush()
}
