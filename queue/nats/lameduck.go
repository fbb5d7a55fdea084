package nats

import (
	"context"
	"errors"
	"time"
)

// A server in lame duck mode closes its connections, one after the other, and then shuts down. It
// announces that before.

// errLameDuck is why a session ends whose server shuts down.
var errLameDuck = errors.New("nats: the server shuts down (lame duck), and no delivery is held from it")

// leaveEvery is the interval at which a session that leaves counts what it holds. It must find
// nothing twice, so that the last settlement is applied before the session
// ends.
const leaveEvery = 250 * time.Millisecond

// limp is called when the server announces that it shuts down soon.
func (l *link) limp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.duck:
	default:
		close(l.duck)
	}
}

// hasMore reports whether there may be another server to connect to.
func (b *Broker) hasMore() bool { return b.config.URLs != nil || b.several }

// leave receives nothing more, and ends the session when nothing is held, so that the next one
// opens at another server. Jobs that run have until the server closes the connection.
func (s *session) leave(ctx context.Context) {
	tick := time.NewTicker(leaveEvery)
	defer tick.Stop()
	for idle := 0; idle < 2; {
		s.halt(ctx) // also what a Resume has begun meanwhile
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if s.holds() == 0 {
			idle++
		}
	}
	s.link.fail(errLameDuck)
}

// holds returns how many slots are in use.
func (s *session) holds() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}
