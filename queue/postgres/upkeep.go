package postgres

import (
	"context"
	"time"
)

// upkeep removes dead rows of the table of jobs: without it the table grows by every job, and
// autovacuum comes too late for a queue. It has a connection only while it works.
type upkeep struct {
	s   *session
	due chan struct{} // capacity 1
}

const (
	// vacuumEvery is how many settlements of a session are between two vacuums.
	vacuumEvery = 50_000

	// vacuumLimit bounds a vacuum. A transaction of somebody else can't hold it up, but a disk can.
	vacuumLimit = 5 * time.Minute
)

func newUpkeep(s *session) *upkeep { return &upkeep{s: s, due: make(chan struct{}, 1)} }

// ask makes a vacuum due.
func (u *upkeep) ask() {
	select {
	case u.due <- struct{}{}:
	default: // it is
	}
}

// run vacuums until the session is over.
func (u *upkeep) run(ctx context.Context) {
	for {
		select {
		case <-u.due:
			u.vacuum(ctx)
		case <-u.s.over:
			return
		}
	}
}

// vacuum skips the table if another session vacuums it. The server skips it, with a warning, if it
// is not the role's; autovacuum is left then. An error costs nothing but dead rows.
func (u *upkeep) vacuum(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, vacuumLimit)
	defer cancel()
	l, err := u.s.broker.connect(ctx, "gentask vacuum")
	if err != nil {
		return
	}
	defer l.close()
	_, _ = l.conn.Exec(ctx, u.s.broker.sql.vacuum)
}
