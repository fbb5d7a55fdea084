package dashboard

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/schedule"
)

const (
	// sampleEvery is the least time between two samples, and so between two questions to a broker.
	sampleEvery = time.Second

	// restAfter is for how long the sampler goes on when no one looks any longer.
	restAfter = 10 * time.Second

	// quick is how long the first sample after a rest waits for answers, because a page waits for
	// it. patient is that of the others. askTime is how long a broker may take; its answer is in a
	// later sample then.
	quick   = 60 * time.Millisecond
	patient = 900 * time.Millisecond
	askTime = 4 * time.Second

	// pageWait is how long a page waits for a sample, and freshFor how old it may be.
	pageWait = 80 * time.Millisecond
	freshFor = 3 * time.Second
)

// part is something that is asked for only while someone looks at it.
type part uint8

const (
	partPlans part = iota
	partCommands
	partEvents  // all of them
	partLatency // that of queues
	parts       // their number
)

// members is what the dashboard asks a [fleet.Node].
type members interface {
	Nodes(ctx context.Context) ([]fleet.NodeStatus, error)
	Commands(ctx context.Context) ([]*fleet.Command, error)
	Events(ctx context.Context, f fleet.EventFilter) iter.Seq2[fleet.EventRecord, error]
	Tasks(ctx context.Context, node, queueName string) ([]fleet.TaskStatus, error)
	Tree(ctx context.Context, node string) ([]fleet.TreeStatus, error)
}

// sampler asks the brokers and the nodes for all who look: once a second while someone does, and
// never while no one does. It waits for no viewer.
type sampler struct {
	life     context.Context //nolint:containedctx // that of the dashboard
	counts   []*queueGauge
	nodes    *gauge[[]member] // nil without a node, as commands
	commands *gauge[[]*fleet.Command]
	plans    []*planGauge
	feed     *eventFeed // likewise
	history  history

	mu       sync.Mutex
	running  bool
	stopped  bool
	looked   time.Time        // when someone last looked
	wanted   [parts]time.Time // when someone last looked at a part
	latest   *sample          // nil before the first one
	next     chan struct{}    // closed when there is another one
	watchers map[chan struct{}]bool
	wg       sync.WaitGroup
}

// queueGauge counts the messages of a queue.
type queueGauge struct {
	gauge[queue.Stats]
	name string
}

// planGauge lists the plans of a set.
type planGauge struct {
	gauge[[]schedule.StoredPlan]
	name string
}

// sample is what was found at one moment. It must not be changed.
type sample struct {
	at       time.Time
	quick    bool // it has not waited for slow answers
	queues   []queueCount
	nodes    answer[[]member]
	commands answer[[]*fleet.Command]
	plans    []planSet
}

// queueCount is the counts of a queue, or why there are none.
type queueCount struct {
	answer[queue.Stats]
	name string
}

func newSampler(life context.Context, cfg *Config, m members, h *hooks) *sampler {
	s := &sampler{life: life, next: make(chan struct{}), watchers: map[chan struct{}]bool{}}
	for _, q := range cfg.Queues {
		s.counts = append(s.counts, &queueGauge{
			name: q.Name(), gauge: gauge[queue.Stats]{hook: h.inspect, ask: q.Inspect},
		})
	}
	for _, p := range cfg.Plans {
		s.plans = append(s.plans, &planGauge{
			name: p.Name, gauge: gauge[[]schedule.StoredPlan]{hook: h.plans, ask: p.Plans.List},
		})
	}
	if m != nil {
		r := roll{from: m, known: map[nodeKey]member{}}
		s.nodes = &gauge[[]member]{hook: h.nodes, ask: r.call}
		s.feed = &eventFeed{from: m, hook: h.events}
		s.commands = &gauge[[]*fleet.Command]{hook: h.nodes, ask: m.Commands}
	}
	return s
}

// look returns the present sample, and keeps the sampler awake. If there is none it waits for a
// moment, and then returns an empty one.
func (s *sampler) look(ctx context.Context, wanted ...part) *sample {
	latest, next := s.touch(wanted)
	if latest.fits(wanted) {
		return latest
	}
	timer := time.NewTimer(pageWait)
	defer timer.Stop()
	select {
	case <-next:
	case <-timer.C:
	case <-ctx.Done():
	}
	if latest, _ = s.touch(wanted); latest != nil && time.Since(latest.at) < freshFor {
		return latest
	}
	return s.empty()
}

// fits reports whether a page can be made of the sample.
func (s *sample) fits(wanted []part) bool {
	if s == nil || time.Since(s.at) >= freshFor {
		return false
	}
	for _, p := range wanted {
		if p == partPlans && slices.ContainsFunc(s.plans, func(p planSet) bool { return p.at.IsZero() }) ||
			p == partCommands && s.commands.at.IsZero() {
			return false
		}
	}
	return true
}

// empty returns a sample without any answer.
func (s *sampler) empty() *sample {
	e := &sample{at: time.Now(), quick: true}
	for _, g := range s.counts {
		e.queues = append(e.queues, queueCount{name: g.name})
	}
	for _, g := range s.plans {
		e.plans = append(e.plans, planSet{name: g.name})
	}
	return e
}

// touch notes that someone looks, and starts the sampler if it rests.
func (s *sampler) touch(wanted []part) (latest *sample, next <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = time.Now()
	for _, p := range wanted {
		s.wanted[p] = s.looked
	}
	if !s.running && !s.stopped {
		s.running = true
		s.wg.Go(s.run)
	}
	return s.latest, s.next
}

// watch returns a channel that gets a value when there is a new sample. A viewer that is slow finds
// one value, however many samples there were.
func (s *sampler) watch(wanted []part) (news <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	s.touch(wanted)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[ch] = true
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, ch)
	}
}

// stop ends the sampler for good, after the end of its life.
func (s *sampler) stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.wg.Wait()
}

// run takes samples until no one has looked for a while.
func (s *sampler) run() {
	defer s.follow() // which ends the feed: no one wants anything any longer
	patience := quick
	for s.awake() {
		began := time.Now()
		s.follow()
		s.publish(s.take(patience))
		patience = patient
		pause(s.life, sampleEvery-time.Since(began))
	}
}

// awake reports whether someone looks. If not, the sampler rests.
func (s *sampler) awake() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = s.life.Err() == nil && (len(s.watchers) > 0 || time.Since(s.looked) < restAfter)
	return s.running
}

// follow makes the feed follow the events that someone looks at.
func (s *sampler) follow() {
	if s.feed == nil {
		return
	}
	d := noEvents
	switch {
	case s.life.Err() != nil:
	case s.wants(partEvents):
		d = allEvents
	case s.wants(partLatency):
		d = rareEvents
	}
	s.feed.follow(s.life, &s.wg, d)
}

// wants reports whether someone has looked at p.
func (s *sampler) wants(p part) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.wanted[p]) < restAfter
}

// take asks everyone at the same time.
func (s *sampler) take(patience time.Duration) *sample {
	var asked []<-chan struct{}
	for _, g := range s.counts {
		asked = append(asked, g.start(s.life, &s.wg, askTime))
	}
	if s.wants(partPlans) {
		for _, g := range s.plans {
			asked = append(asked, g.start(s.life, &s.wg, askTime))
		}
	}
	if s.nodes != nil {
		asked = append(asked, s.nodes.start(s.life, &s.wg, patience))
		if s.wants(partCommands) {
			asked = append(asked, s.commands.start(s.life, &s.wg, askTime))
		}
	}
	awaitAll(s.life, asked, patience+pageWait/4)
	return s.read(patience == quick)
}

// read makes a sample of the last answers.
func (s *sampler) read(quick bool) *sample {
	out := &sample{at: time.Now(), quick: quick}
	for _, g := range s.plans {
		out.plans = append(out.plans, planSet{name: g.name, answer: g.gauge.read()})
	}
	for _, g := range s.counts {
		out.queues = append(out.queues, queueCount{name: g.name, answer: g.gauge.read()})
	}
	if s.nodes != nil {
		out.nodes, out.commands = s.nodes.read(), s.commands.read()
	}
	return out
}

func (s *sampler) publish(latest *sample) {
	s.history.add(latest)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = latest
	close(s.next)
	s.next = make(chan struct{})
	for ch := range s.watchers {
		select {
		case ch <- struct{}{}:
		default: // it has not seen the last one yet
		}
	}
}

// awaitAll waits until all channels are closed, for limit at most.
func awaitAll(ctx context.Context, all []<-chan struct{}, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, ch := range all {
		select {
		case <-ch:
		case <-ctx.Done():
			return
		}
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
