package rabbitmq

import "time"

const (
	// linger is how long a settlement waits for others to go over the wire with it.
	linger = time.Millisecond

	// maxBatch bounds how many settlements wait for each other.
	maxBatch = 256
)

// batch is how many settlements do not wait any longer. What waits takes slots of the prefetch, at most this part of them.
func (s *session) batch() int { return max(1, min(s.prefetch/16, maxBatch)) }

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

// flush sends settlements until the session is over: the settled prefix as soon as there is enough of it, everything else no later than linger
// after the first.
func (s *session) flush() {
	defer close(s.flushed)
	timer := time.NewTimer(linger)
	defer timer.Stop()
	var frames []frame
	for {
		select {
		case <-s.dirty:
			timer.Reset(linger)
		case <-timer.C:
			frames = s.send(frames[:0], 0)
		case <-s.full:
			frames = s.send(frames[:0], s.batch()-1)
		case <-s.lost:
			return
		case <-s.closed:
			s.send(nil, 0)
			return
		}
	}
}

// send writes what is settled, in one system call. Only one send writes at a time, because the order of frames matters. patience is how many
// acknowledgements beyond the prefix may wait for it to grow.
func (s *session) send(frames []frame, patience int) []frame {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	frames = s.prefix.flush(frames, patience)
	s.fresh, s.armed = 0, s.prefix.pending() > 0
	s.pace.note(len(frames), time.Now())
	s.mu.Unlock()
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
	}
	return nil
}
