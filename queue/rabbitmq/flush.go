package rabbitmq

import "time"

const (
	// linger is the time between two flushes: what comes in the meantime goes over the wire together. A settlement that comes later than that
	// after the last flush is flushed at once.
	linger = time.Millisecond

	// overtaking is how long an acknowledgement that has overtaken others waits for them, and at most twice that: alone it is a frame of its own, and
	// what the broker does for a frame costs much more than the wait. With a thousand short jobs at a time half of them overtake others.
	overtaking = 5 * time.Millisecond

	// smallPrefetch is the prefetch below which both are in proportion: slots are wanted back sooner where there are few.
	smallPrefetch = 1000

	// maxBatch bounds how many settlements wait for each other.
	maxBatch = 256
)

// batch is how many settlements do not wait any longer. What waits takes slots of the prefetch, at most this part of them.
func (s *session) batch() int { return max(1, min(s.prefetch/16, maxBatch)) }

// part is what a wait is for the session's prefetch.
func (s *session) part(of time.Duration) time.Duration {
	return of * time.Duration(min(s.prefetch, smallPrefetch)) / smallPrefetch
}

// wake tells the flusher of n more settlements. The caller holds mu.
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

// signal tells whoever waits for c, now or later. Told twice is told once.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// flush sends settlements until the session is over: as soon as there are enough of them, and otherwise when the last flush was long enough ago.
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

// send writes what is settled, in one system call. Only one send writes at a time, because the order of frames matters.
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
			break // The channel is gone, as the watcher is about to hear.
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
