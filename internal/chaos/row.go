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
	Duplicates   int    `json:"duplicates"` // runs and dead letters beyond the first of a message
	Lost         int    `json:"lost"`
	LongestPause Span   `json:"longest_pause_ms"` // in which no job began
	Resumed      Span   `json:"resumed_ms"`       // the longest time from the end of the fault until a job began
}

// Span is a time that is shown in milliseconds.
type Span time.Duration

// MarshalJSON writes the milliseconds.
func (s Span) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Milliseconds()) }

// String rounds to milliseconds.
func (s Span) String() string { return time.Duration(s).Round(time.Millisecond).String() }

// Table collects rows. It is safe for concurrent use.
type Table struct {
	mu   sync.Mutex
	rows []Row
}

// Add adds a row.
func (t *Table) Add(r Row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, r)
}

// Print writes the rows for a human.
func (t *Table) Print(w io.Writer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "FAULT\tBROKER\tTIMES\tPUBLISHED\tACKED\tDEAD\tDUPLICATES\tLOST\tLONGEST PAUSE\tRESUMED AFTER") //nolint:errcheck // Flush says
	for _, r := range t.rows {
		fmt.Fprintf(tw, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%v\t%v\n", //nolint:errcheck // Flush says
			r.Fault, r.Broker, r.Times, r.Published, r.Acknowledged, r.DeadLettered, r.Duplicates, r.Lost, r.LongestPause, r.Resumed)
	}
	return tw.Flush()
}

// WriteJSON writes a line for each row.
func (t *Table) WriteJSON(w io.Writer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	enc := json.NewEncoder(w)
	for _, r := range t.rows {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}
