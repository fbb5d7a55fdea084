package dashboard

import (
	"sync"
	"time"
)

// historyFor is how far back charts go, and mostPoints the number of samples in that time.
const (
	historyFor = 5 * time.Minute
	mostPoints = int(historyFor / sampleEvery)
)

// point is what charts need of a sample. It must not be changed.
type point struct {
	at     time.Time
	queues map[string]level
}

// level is a queue at one moment.
type level struct {
	counted                     bool // ready, delayed and dead are known
	ready, delayed, dead        int
	running                     int
	done, retried, deadLettered float64 // each second, over the last ten
}

func (l level) plus(m level) level {
	return level{
		counted: l.counted || m.counted, ready: l.ready + m.ready, delayed: l.delayed + m.delayed,
		dead: l.dead + m.dead, running: l.running + m.running, done: l.done + m.done, retried: l.retried + m.retried,
		deadLettered: l.deadLettered + m.deadLettered,
	}
}

// history is a ring of the points of the last minutes. Its methods are safe for concurrent use.
type history struct {
	mu   sync.Mutex
	ring [mostPoints]point
	next int
}

func (h *history) add(s *sample) {
	p := point{s.at, s.levels()}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring[h.next] = p
	h.next = (h.next + 1) % mostPoints
}

// since returns the points at then or later, the oldest first.
func (h *history) since(then time.Time) []point {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []point
	for i := range h.ring {
		if p := h.ring[(h.next+i)%mostPoints]; !p.at.IsZero() && !p.at.Before(then) {
			all = append(all, p)
		}
	}
	return all
}

// recentFor is the time of [fleet.ConsumerStatus.Recent].
const recentFor = 10 * time.Second

// levels returns the level of each queue, by name.
func (s *sample) levels() map[string]level {
	all := map[string]level{}
	for _, q := range s.queues {
		l := level{}
		if q.err == nil && !q.at.IsZero() {
			l = level{counted: true, ready: q.value.Ready, delayed: max(q.value.Delayed, 0), dead: q.value.DeadLettered}
		}
		all[q.name] = l
	}
	for i := range s.nodes.value {
		m := &s.nodes.value[i]
		if m.late(s.at) {
			continue
		}
		for _, c := range m.Consumers {
			all[c.Queue] = all[c.Queue].plus(level{
				running: c.Running, done: float64(c.Recent.Done) / recentFor.Seconds(),
				retried:      float64(c.Recent.Retried) / recentFor.Seconds(),
				deadLettered: float64(c.Recent.DeadLettered) / recentFor.Seconds(),
			})
		}
	}
	return all
}
