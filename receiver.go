package gentask

import "time"

// receiver is the state of a user's worker.
type receiver struct {
	// These fields belong to the ledger.
	id       string // in its supervisor
	restarts uint16 // how often it was restarted

	// These are guarded by the entry's mu: when the last run started, the decision was taken and
	// the job was stopped, since the receipt.
	ran, decided, stopped time.Duration
}
