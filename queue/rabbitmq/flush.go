package rabbitmq

import "time"

const (
	// linger is the time between two flushes: settlements that come in between are sent together. A
	// settlement that comes later after the last flush is flushed at once.
	linger = time.Millisecond

	// overtaking is the time for which an acknowledgement that has overtaken others waits for them;
	// it waits at most twice as long. Alone it would be a frame of its own, which costs the broker
	// much more than the wait. With a thousand short jobs at a time half of them overtake others.
	overtaking = 5 * time.Millisecond

	// smallPrefetch is the prefetch below which both times are reduced in proportion, because slots
	// are needed sooner if there are few.
	smallPrefetch = 1000

	// maxBatch is the most settlements that wait for each other.
	maxBatch = 256
)

// batch is the number of settlements that are sent without a wait. Settlements that wait occupy
// slots, at most this part of the prefetch.
func (s *session) batch() int { return max(1, min(s.prefetch/16, maxBatch)) }

// part returns the part of a wait for the session's prefetch.
func (s *session) part(of time.Duration) time.Duration {
	return of * time.Duration(min(s.prefetch, smallPrefetch)) / smallPrefetch
}

// wake counts n more settlements for the flusher. mu must be held.
func (s *session) wake(n int) {
	if n == 0 {
		return
	}
	s.fresh += n
	if s.fresh >= s.batch() {
		s.fresh = 0
		signal(s.full)
	}
	if !s.armed {
		s.armed = true
		signal(s.dirty)
	}
}

// signal wakes the goroutine that waits for c, now or later. Two signals may become one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// flush sends settlements until the session is over. It does so as soon as there are enough of
// them, and otherwise when the last flush was long enough ago.
func (s *session) flush() {
	defer close(s.flushed)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last, lastLate time.Time
	var frames []frame
	for {
		far := thePrefix
		select {
		case <-s.dirty:
			timer.Reset(s.part(linger) - time.Since(last))
			continue
		case <-timer.C:
			if time.Since(lastLate) >= s.part(overtaking) {
				far, lastLate = theLate, time.Now()
			}
		case <-s.full:
		case <-s.lost:
			return
		case <-s.closed:
			s.send(nil, everything)
			return
		}
		frames = s.send(frames[:0], far)
		last = time.Now()
	}
}

// send writes the settlements in one system call. Only one send writes at a time, because the order
// of frames matters.
func (s *session) send(frames []frame, far reach) []frame {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	frames = s.prefix.flush(frames, far, s.prefetch*3/4)
	s.fresh, s.armed = 0, false
	if s.prefix.pending() > 0 {
		s.armed = true
		signal(s.dirty)
	}
	s.pace.note(len(frames), time.Now())
	s.mu.Unlock()
	if len(frames) == 0 {
		return frames
	}
	s.link.socket.push()
	defer s.link.socket.pull()
	for _, f := range frames {
		if err := s.write(f); err != nil {
			break // The channel is gone, and the watcher will get the reason.
		}
	}
	return frames
}

// write writes one frame.
func (s *session) write(f frame) error {
	switch f.kind {
	case ackOne:
		return s.channel.Ack(f.tag, false)
	case ackUpTo:
		return s.channel.Ack(f.tag, true)
	case giveBack:
		return s.channel.Nack(f.tag, false, true)
	case park:
		return s.channel.Nack(f.tag, false, false)
	}
	return nil
}
