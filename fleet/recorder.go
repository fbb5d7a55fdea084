package fleet

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/gentask/gentask"
)

// recorder records the events of a node's consumers, and the times of their jobs, while someone
// asks for the events. Otherwise it subscribes to nothing.
type recorder struct {
	node *Node
	over <-chan struct{} // closed at the end of the node

	mu       sync.Mutex
	reel     reel
	asked    time.Time // the last question
	watch    int       // counts the times that it began to record
	cancels  []func()  // end the subscriptions; nil while it does not record
	lost     map[*consumer]int
	stopped  time.Time // when it last stopped; zero if it never did
	finished bool      // the node ends
}

// watchTime is how long a node records after the last question.
const watchTime = 10 * time.Second

func newRecorder(n *Node, over <-chan struct{}) *recorder {
	return &recorder{node: n, over: over, lost: map[*consumer]int{}}
}

// answer answers a question about events; nil if it is for another node.
func (r *recorder) answer(asked []byte) []byte {
	var q question
	if json.Unmarshal(asked, &q) != nil || q.Events == nil || q.Only != "" && q.Only != r.node.cfg.Node {
		return nil
	}
	after, known := q.Events.Cursors[r.node.instance]
	if !known && q.Events.Rest {
		return nil
	}
	body, err := json.Marshal(r.read(after, known, q.Events))
	if err != nil {
		return nil // it has no such values
	}
	return body
}

// read begins to record, or goes on, and returns what comes after a cursor.
func (r *recorder) read(after uint64, known bool, q *eventsQuestion) eventsAnswer {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.asked = now
	if r.cancels == nil {
		r.begin(now)
	}
	r.noteLost(now)
	a := eventsAnswer{Position: true, Next: r.reel.next}
	if known && after <= r.reel.next {
		a = r.reel.read(after, q)
	}
	a.sender = sender{r.node.cfg.Node, r.node.instance}
	return a
}

// begin subscribes to the consumers. It is called with mu held.
func (r *recorder) begin(now time.Time) {
	if r.finished {
		return
	}
	if !r.stopped.IsZero() {
		r.reel.add(EventRecord{Time: now.UTC(), Kind: KindMissed, Reason: fmt.Sprintf(
			"no one had asked for %v: nothing was recorded since %s", watchTime, r.stopped.UTC().Format(time.RFC3339))})
	}
	r.watch++
	watch := r.watch
	for _, c := range r.node.follower.consumers {
		r.lost[c] = c.lostEvents()
		c.latency.turn(true, now)
		name := clip(c.place.queue, mostIDText)
		r.cancels = append(r.cancels, c.Subscribe(func(ev gentask.Event) { r.record(c, name, watch, &ev) }))
	}
	r.node.wg.Go(r.lapse)
}

// record records an event.
func (r *recorder) record(c *consumer, queueName string, watch int, ev *gentask.Event) {
	one := recordOf(ev, queueName)
	if ev.Kind == gentask.EventDone {
		c.latency.add(ev.QueueTime, ev.RunTime, time.Now())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watch == watch && r.cancels != nil {
		r.reel.add(one)
	}
}

// noteLost records that a consumer's subscribers have lost events. It is called with mu held.
func (r *recorder) noteLost(now time.Time) {
	for _, c := range r.node.follower.consumers {
		n := c.lostEvents()
		if n > r.lost[c] {
			r.reel.add(EventRecord{
				Time: now.UTC(), Consumer: clip(c.Name(), mostIDText), Queue: clip(c.place.queue, mostIDText),
				Kind: KindMissed, Missed: uint64(n - r.lost[c]), //nolint:gosec // positive
				Reason: "the process is too busy to record: subscribers have lost events",
			})
		}
		r.lost[c] = n
	}
}

// lostEvents returns how many events the consumer's subscribers have lost.
func (c *consumer) lostEvents() int { return c.Health().Hooks["Consumer.Subscribe"].Lost }

// lapse stops to record when no one has asked for watchTime, or the node ends.
func (r *recorder) lapse() {
	timer := time.NewTimer(watchTime)
	defer timer.Stop()
	for {
		select {
		case <-r.over:
			r.stop(0)
			return
		case <-timer.C:
		}
		left := r.stop(watchTime)
		if left <= 0 {
			return
		}
		timer.Reset(left)
	}
}

// stop stops to record if the last question is that old. Otherwise it returns how long it is not.
func (r *recorder) stop(age time.Duration) (left time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if left := age - now.Sub(r.asked); left > 0 {
		return left
	}
	for i, cancel := range r.cancels {
		cancel()
		r.node.follower.consumers[i].latency.turn(false, now)
	}
	r.cancels, r.stopped, r.finished = nil, now, age == 0
	r.reel.clear()
	return 0
}
