package link

import (
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

const (
	// CloseTimeout bounds each call of Session.Cancel, Resume and Return, those of a
	// [queue.Isolator], and, for most sessions, of Close.
	CloseTimeout = 5 * time.Second

	// DriverGrace is how long a driver may take to return after its context has ended. After that
	// the link does not expect it to return at all.
	DriverGrace = 5 * time.Second

	// SettleTimeout is how long the driver may take for a batch of settlements, with SettleEach for
	// each of them on top. Then the context of the call ends, and the rest of the batch fails.
	SettleTimeout = 10 * time.Second
	// SettleEach is added to SettleTimeout for each settlement of the batch.
	SettleEach = 5 * time.Millisecond
)

// Config holds the session that a [Link] opens, and the functions that it calls. All fields are
// required.
type Config[E any] struct {
	// Source opens the session, with Options, within OpenTimeout.
	Source      queue.Source
	Options     queue.Options
	OpenTimeout time.Duration

	// Send is called with each message of the link. It must not block, and must be safe for
	// concurrent use.
	Send func(msg any)

	// Deliver is called with each delivery, on the goroutine that receives: the next delivery is
	// received after it has returned. A panic in it breaks the session, like one of the driver. A
	// suspect comes on another goroutine, when nothing else is received: see [Link.TakeIsolated].
	Deliver func(from *Link[E], d *queue.Delivery)

	// LeftBehind is called when a driver does not return and the link is closed without it, before
	// Closed is sent.
	LeftBehind func()

	// Closing calls Session.Close, and must have no limit of its own: deliveries that a driver
	// still holds would not reach the next session. Waiting calls [queue.BacklogReporter.Backlog],
	// and Standing calls [queue.Standby.Standby]. Driving counts links that were left behind, until
	// their driver returns.
	Closing, Waiting, Standing, Driving *guard.Hook
}
