package rig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gentask/gentask/queue"
)

// spy stands between consumers and their source, and keeps its own records. By them it finds, on
// every broker, what must never happen.
type spy struct {
	source queue.Source

	mu       sync.Mutex
	sessions []*spySession
	records  map[*queue.Delivery]*record // except those settled for good, which must not stay in memory
	received int
	final    map[string]bool // ids of the messages that are acknowledged or dead-lettered
	wrong    []error
}

// record is one delivery.
type record struct {
	session *spySession
	settled bool
}

// counts are the spy's, at one moment.
type counts struct{ Delivered, Held, Done, Sessions int }

func newSpy(source queue.Source) *spy {
	return &spy{source: source, records: map[*queue.Delivery]*record{}, final: map[string]bool{}}
}

// Open implements queue.Source.
func (s *spy) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	session, err := s.source.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	watched := &spySession{Session: session, spy: s, number: len(s.sessions) + 1, prefetch: opts.Prefetch}
	s.sessions = append(s.sessions, watched)
	if _, can := session.(queue.Isolator); can {
		return isolatingSpy{watched}, nil
	}
	return watched, nil
}

// Backlog implements queue.BacklogReporter, as far as the source does: without one, nothing ever
// waits.
func (s *spy) Backlog(ctx context.Context) (int, error) {
	if g, can := s.source.(queue.BacklogReporter); can {
		return g.Backlog(ctx)
	}
	return 0, nil
}

func (s *spy) claim(ok bool, format string, args ...any) {
	if !ok {
		s.wrong = append(s.wrong, fmt.Errorf(format, args...)) //nolint:err113 // for a test's eyes
	}
}

func (s *spy) done() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.final)
}

func (s *spy) counts() counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := counts{Delivered: s.received, Done: len(s.final)}
	for _, session := range s.sessions {
		if !session.over {
			c.Sessions++
			c.Held += session.held
		}
	}
	return c
}

// faults returns the violations that were seen. At the end, a delivery that is unsettled in a
// session that has not ended is a violation, too.
func (s *spy) faults() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d, r := range s.records {
		s.claim(r.settled || r.session.over, "I1: message %q: delivery %d of session %d was never settled", d.ID, d.Tag, r.session.number)
	}
	for _, session := range s.sessions {
		s.claim(session.over, "I1: session %d was never closed", session.number)
	}
	return slices.Clone(s.wrong)
}

// spySession is a session under watch.
type spySession struct {
	queue.Session
	spy      *spy
	number   int
	prefetch int
	held     int
	over     bool
}

// Receive implements queue.Session.
func (s *spySession) Receive(ctx context.Context) (*queue.Delivery, error) {
	d, err := s.Session.Receive(ctx)
	if err != nil {
		return nil, s.received(err)
	}
	s.note(d)
	return d, nil
}

// received notes the end of the session, if err is that.
func (s *spySession) received(err error) error {
	s.spy.mu.Lock()
	defer s.spy.mu.Unlock()
	s.over = s.over || errors.Is(err, queue.ErrSessionLost)
	return err
}

// note notes a delivery.
func (s *spySession) note(d *queue.Delivery) {
	s.spy.mu.Lock()
	defer s.spy.mu.Unlock()
	s.held++
	s.spy.claim(s.held <= s.prefetch, "I2: session %d holds %d, prefetch is %d", s.number, s.held, s.prefetch)
	s.spy.claim(s.spy.records[d] == nil, "message %q: delivery %d of session %d was handed out twice", d.ID, d.Tag, s.number)
	s.spy.records[d] = &record{session: s}
	s.spy.received++
}

// Settle implements queue.Session. A slot counts as free from the moment of the call: the broker
// may use it before the call returns.
func (s *spySession) Settle(ctx context.Context, batch []queue.Settlement) error {
	s.before(batch)
	err := s.Session.Settle(ctx, batch)
	s.after(batch, err)
	return err
}

// Return implements queue.Returner, as far as the session does.
func (s *spySession) Return(ctx context.Context, batch []queue.Settlement) error {
	returner, can := s.Session.(queue.Returner)
	if !can {
		failed := make([]queue.SettleFailure, len(batch))
		for i := range batch {
			failed[i] = queue.SettleFailure{Tag: batch[i].Delivery.Tag, Err: queue.ErrUnsupported}
		}
		return &queue.SettleError{Failed: failed}
	}
	s.before(batch)
	err := returner.Return(ctx, batch)
	returned := slices.Clone(batch)
	for i := range returned {
		returned[i].Disposition = queue.Release // it is not settled for good
	}
	s.after(returned, err)
	return err
}

// Standby implements queue.Standby, as far as the session does.
func (s *spySession) Standby(ctx context.Context) (string, error) {
	if standby, can := s.Session.(queue.Standby); can {
		return standby.Standby(ctx)
	}
	return "", nil
}

func (s *spySession) before(batch []queue.Settlement) {
	s.spy.mu.Lock()
	defer s.spy.mu.Unlock()
	for i := range batch {
		d, r := batch[i].Delivery, s.spy.records[batch[i].Delivery]
		if r == nil {
			s.spy.claim(false, "I1: message %q: %v of delivery %d, which was settled before, or never handed out", d.ID, batch[i].Disposition, d.Tag)
			continue
		}
		s.spy.claim(r.session == s, "I5: message %q: %v of delivery %d of session %d in session %d",
			d.ID, batch[i].Disposition, d.Tag, r.session.number, s.number)
		s.spy.claim(!r.settled, "I1: message %q: %v of delivery %d of session %d, which was settled before",
			d.ID, batch[i].Disposition, d.Tag, s.number)
		r.settled = true
		s.held--
	}
}

func (s *spySession) after(batch []queue.Settlement, err error) {
	s.spy.mu.Lock()
	defer s.spy.mu.Unlock()
	failed := map[uint64]error{}
	var some *queue.SettleError
	switch {
	case err == nil:
	case errors.Is(err, queue.ErrSessionLost):
		s.over = true
		return // it is not known what was applied
	case errors.As(err, &some):
		for _, f := range some.Failed {
			failed[f.Tag] = f.Err
		}
	default:
		return
	}
	for i := range batch {
		s.took(&batch[i], failed[batch[i].Delivery.Tag])
	}
}

// took records the broker's answer to one settlement.
func (s *spySession) took(st *queue.Settlement, err error) {
	r := s.spy.records[st.Delivery]
	switch {
	case r == nil:
	case errors.Is(err, queue.ErrSettled):
		s.spy.claim(s.over, "I1: message %q: the broker refused %v of delivery %d: %w", st.Delivery.ID, st.Disposition, st.Delivery.Tag, err)
	case err != nil:
		r.settled = false
		s.held++
	default:
		delete(s.spy.records, st.Delivery)
		if st.Disposition == queue.Ack || st.Disposition == queue.DeadLetter {
			s.spy.final[st.Delivery.ID] = true
		}
	}
}

// Close implements queue.Session.
func (s *spySession) Close(ctx context.Context) error {
	err := s.Session.Close(ctx)
	s.spy.mu.Lock()
	defer s.spy.mu.Unlock()
	s.over = true
	return err
}
