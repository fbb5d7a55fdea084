package fleet

import (
	"math/bits"
	"sync"
	"time"
)

// Latency are the times of the jobs that a consumer has done in about the last minute.
type Latency struct {
	// Span is how long they were gathered: up to a minute, and less if the events of the node have
	// not been asked for that long.
	Span time.Duration `json:"span_ns"`

	// QueueTime has the time until a message was given to a worker, and RunTime how long its task
	// ran: see [gentask.Event]. Jobs without such a time are not counted.
	QueueTime Histogram `json:"queue_time"`
	RunTime   Histogram `json:"run_time"`
}

// Histogram counts durations in buckets whose bounds are fixed: powers of two, in milliseconds.
// Bucket 0 has those below 1 ms, and bucket i those from 1<<(i-1) ms on that are below 1<<i ms.
// There are at most 32 buckets, and the last one also has all that is longer: 12 days. Empty
// buckets at the end are left out. So histograms of several consumers can be added up.
type Histogram []uint64

// mostBuckets is how many buckets a Histogram has at most.
const mostBuckets = 32

// bucketOf returns the bucket of a duration.
func bucketOf(d time.Duration) int {
	return min(bits.Len64(uint64(max(d, 0)/time.Millisecond)), mostBuckets-1) //nolint:gosec // not negative
}

// bound returns the upper bound of a bucket.
func bound(bucket int) time.Duration { return time.Millisecond << bucket }

// Count returns how many durations were counted.
func (h Histogram) Count() (n uint64) {
	for _, c := range h {
		n += c
	}
	return n
}

// Add returns the sum of both.
func (h Histogram) Add(other Histogram) Histogram {
	sum := make(Histogram, max(len(h), len(other)))
	copy(sum, h)
	for i, c := range other {
		sum[i] += c
	}
	return sum
}

// Quantile returns the duration that the share p of all is not longer than: 0.5 is the median. It
// assumes that durations are spread evenly within a bucket, so it is at most wrong by a factor of
// two, above 1 ms. It is zero for an empty Histogram. A p below 0 is 0, and above 1 it is 1.
func (h Histogram) Quantile(p float64) time.Duration {
	rank := min(max(p, 0), 1) * float64(h.Count())
	for i, c := range h {
		if c == 0 {
			continue
		}
		if rank <= float64(c) {
			return within(i, rank/float64(c))
		}
		rank -= float64(c)
	}
	return 0
}

// within returns the duration at a share of a bucket.
func within(bucket int, share float64) time.Duration {
	low := time.Duration(0)
	if bucket > 0 {
		low = bound(bucket - 1)
	}
	return low + time.Duration(share*float64(bound(bucket)-low))
}

const (
	// slotTime is the time that a slot gathers, and mostSlots are those of a minute.
	slotTime  = 5 * time.Second
	mostSlots = 12
)

// latencies gathers the times of a consumer's jobs, while it is on. Its zero value is off. It is
// safe for concurrent use.
type latencies struct {
	mu    sync.Mutex
	since time.Time // when it was turned on; zero while it is off
	slots []slot    // mostSlots of them, round and round
}

// slot is what a few seconds have gathered.
type slot struct {
	number     int // of the slot since the beginning
	queue, run [mostBuckets]uint64
}

// turn turns it on or off.
func (l *latencies) turn(on bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since, l.slots = time.Time{}, nil
	if on {
		l.since, l.slots = now, make([]slot, mostSlots)
	}
}

// add counts the times of a job, if it is on. Zero is no time.
func (l *latencies) add(queue, run time.Duration, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.slots == nil {
		return
	}
	number := int(now.Sub(l.since) / slotTime)
	s := &l.slots[number%mostSlots]
	if s.number != number {
		*s = slot{number: number}
	}
	if queue > 0 {
		s.queue[bucketOf(queue)]++
	}
	if run > 0 {
		s.run[bucketOf(run)]++
	}
}

// show returns what was gathered; nil while it is off.
func (l *latencies) show(now time.Time) *Latency {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.slots == nil {
		return nil
	}
	age := now.Sub(l.since)
	number := int(age / slotTime)
	var queue, run [mostBuckets]uint64
	for i := range l.slots {
		s := &l.slots[i]
		if s.number <= number-mostSlots {
			continue
		}
		for b := range mostBuckets {
			queue[b] += s.queue[b]
			run[b] += s.run[b]
		}
	}
	return &Latency{Span: min(age, (mostSlots-1)*slotTime+age%slotTime), QueueTime: trim(queue), RunTime: trim(run)}
}

// trim leaves out the empty buckets at the end.
func trim(all [mostBuckets]uint64) Histogram {
	n := mostBuckets
	for n > 0 && all[n-1] == 0 {
		n--
	}
	return all[:n:n]
}
