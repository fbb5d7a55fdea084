package bench

import (
	"slices"
	"sync/atomic"
	"time"
)

// meter measures how long each message waits. It is safe for concurrent use.
type meter struct {
	begun  time.Time
	sent   []atomic.Int64 // nanoseconds from begun to its publishing
	waited []atomic.Int64 // nanoseconds from then to its first run; 0 before that
	ran    atomic.Int64   // how many have run
}

func newMeter(messages int) *meter {
	return &meter{begun: time.Now(), sent: make([]atomic.Int64, messages), waited: make([]atomic.Int64, messages)}
}

// sending notes that a message is being published.
func (m *meter) sending(i int) { m.sent[i].Store(int64(time.Since(m.begun))) }

// started notes that the run of a message starts. Later runs of the same one don't count.
func (m *meter) started(i int) {
	if i < 0 || i >= len(m.sent) {
		return // another program's
	}
	waited := max(1, int64(time.Since(m.begun))-m.sent[i].Load())
	if m.waited[i].CompareAndSwap(0, waited) {
		m.ran.Add(1)
	}
}

// count returns how many messages have run.
func (m *meter) count() int { return int(m.ran.Load()) }

// quantiles returns the median, the 99th percentile and the maximum of the messages that have run;
// zeros if none has.
func (m *meter) quantiles() (p50, p99, most time.Duration) {
	all := make([]int64, 0, m.count())
	for i := range m.waited {
		if waited := m.waited[i].Load(); waited > 0 {
			all = append(all, waited)
		}
	}
	if len(all) == 0 {
		return 0, 0, 0
	}
	slices.Sort(all)
	const percent = 100
	at := func(p int) time.Duration { return time.Duration(all[(len(all)*p+percent-1)/percent-1]) }
	return at(50), at(99), at(percent)
}
