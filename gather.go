package gentask

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
)

// batches are the collectors of one incarnation of a consumer.
type batches struct {
	slots    int
	timeout  time.Duration // zero is never
	patience time.Duration
	draining atomic.Bool

	mu         sync.Mutex
	collectors map[*batcher]*collector
}

// newBatches has members wait for a function that ought to return until their grace is almost over, so that they are not counted as abandoned: only
// the one that runs it is.
func newBatches(cfg *settings) *batches {
	return &batches{slots: cfg.Concurrency, timeout: cfg.taskTimeout(), patience: cfg.graceTime() / 10 * 9}
}

func (b *batches) of(x *batcher) *collector {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.collectors[x]
	if c == nil {
		c = &collector{made: x, in: b, open: map[string]*group{}, members: map[*entry]*member{}}
		c.size, c.wait = or(x.cfg.Size, b.slots), or(x.cfg.Wait, time.Second)
		if b.collectors == nil {
			b.collectors = map[*batcher]*collector{}
		}
		b.collectors[x] = c
	}
	return c
}

// drain has everything handled that waits, and what still comes at once.
func (b *batches) drain() {
	b.draining.Store(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.collectors {
		c.drain()
	}
}

// collector gathers jobs.
type collector struct {
	made *batcher
	in   *batches
	size int
	wait time.Duration

	mu      sync.Mutex
	open    map[string]*group // what gathers, by key
	forming int               // members of those
	members map[*entry]*member
}

// group is one batch. It gathers, then one of its members is chosen to handle it, then it is handled, and then it is over.
type group struct {
	key         string
	due         time.Time // when it is handled at the latest; then, when it was
	timer       *time.Timer
	bytes       int
	members     []*member
	ids         map[uint64]bool // theirs: Results are by ID, so no two of them share one
	leader      *member         // nil while it gathers
	handled     bool
	cancel      context.CancelCauseFunc // of the function's context, when it is handled
	quits       int                     // members that were told to stop since then
	interrupted chan struct{}           // closed when the leader is told to stop
	over        chan struct{}

	cause   error   // why the leader was told to stop; read when it is interrupted or over
	results Results // read when it is over, like the rest
	err     error   // what the function returned
	fault   error   // how it ended otherwise
}

// member is a job in a batch.
type member struct {
	entry   *entry
	payload any
	key     string
	group   *group
	turn    chan struct{} // Buffered: who has left doesn't take it.
}

// enter adds the member to its batch.
func (c *collector) enter(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members[m.entry] = m
	if m.entry.item.Attempt > 1 {
		c.alone(m)
		return
	}
	g, n := c.open[m.key], len(m.entry.delivery.Body)
	if g != nil && (c.full(g.bytes+n-1) || g.ids[m.entry.item.Identity.ID]) {
		c.flush(g, nil)
		g = nil
	}
	if g == nil {
		g = c.begin(m.key)
	}
	m.group = g
	g.members, g.bytes, g.ids[m.entry.item.Identity.ID] = append(g.members, m), g.bytes+n, true
	c.forming++
	switch {
	case len(g.members) == c.size, c.full(g.bytes), c.in.draining.Load():
		c.flush(g, m)
	case c.forming >= c.in.slots:
		c.flush(c.oldest(), nil)
	}
}

// alone makes a batch of one of what was tried before: it may be what made the others of its batch fail, and they have lost an attempt by it already.
func (c *collector) alone(m *member) {
	g := &group{key: m.key, due: time.Now(), interrupted: make(chan struct{}), over: make(chan struct{})}
	g.members, g.bytes, m.group = []*member{m}, len(m.entry.delivery.Body), g
	g.elect(m)
}

// full says whether there is a limit, and so many bytes reach it.
func (c *collector) full(bytes int) bool { return c.made.cfg.Bytes > 0 && bytes >= c.made.cfg.Bytes }

func (c *collector) begin(key string) *group {
	g := &group{key: key, ids: map[uint64]bool{}, due: time.Now().Add(c.wait), interrupted: make(chan struct{}), over: make(chan struct{})}
	g.timer = time.AfterFunc(c.wait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.flush(g, nil)
	})
	c.open[key] = g
	return g
}

func (c *collector) oldest() *group {
	return slices.MinFunc(slices.Collect(maps.Values(c.open)), func(a, b *group) int { return a.due.Compare(b.due) })
}

// flush has the batch handled: by leader, who has come last and has the most time left, or by who came first. It is called with mu held.
func (c *collector) flush(g *group, leader *member) {
	if g.leader != nil || len(g.members) == 0 {
		return
	}
	c.close(g)
	c.forming -= len(g.members)
	g.due = time.Now()
	if leader == nil {
		leader = g.members[0]
	}
	g.elect(leader)
}

func (c *collector) close(g *group) {
	g.timer.Stop()
	if c.open[g.key] == g {
		delete(c.open, g.key)
	}
}

func (g *group) elect(m *member) {
	g.leader = m
	m.turn <- struct{}{}
}

// leave takes a member out of a batch that isn't handled yet.
func (c *collector) leave(m *member) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := m.group
	if g.handled {
		return false
	}
	g.members = slices.DeleteFunc(g.members, func(other *member) bool { return other == m })
	g.bytes -= len(m.entry.delivery.Body)
	delete(g.ids, m.entry.item.Identity.ID)
	switch {
	case g.leader == nil:
		c.forming--
		if len(g.members) == 0 {
			c.close(g)
		}
	case g.leader == m && len(g.members) > 0:
		g.elect(g.members[0])
	}
	return true
}

// forget is the member's end.
func (c *collector) forget(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, m.entry)
}

// lead handles the batch, in the task of m, and returns its result.
func (c *collector) lead(ctx context.Context, m *member) (err error) {
	if ctx.Err() != nil && c.leave(m) {
		return context.Cause(ctx)
	}
	g := m.group
	all, cancel := contextOf(ctx)
	defer cancel(nil)
	c.mu.Lock()
	g.handled, g.cancel = true, cancel
	members := g.members
	c.mu.Unlock()
	withdraw := c.heed(ctx, g, all)
	returned := false
	defer func() {
		g.fault = actor.Recovered(recover(), returned)
		if !withdraw() {
			<-g.interrupted
		}
		close(g.over)
		err = g.result(m)
	}()
	results, callErr := c.made.call(all, slices.Clone(members))
	returned = true
	g.results, g.err = maps.Clone(results), callErr
	return nil
}

// bearWith waits for a batch whose function ought to return soon.
func (c *collector) bearWith(ctx context.Context, m *member) error {
	g, timer := m.group, time.NewTimer(c.in.patience)
	defer timer.Stop()
	select {
	case <-g.over:
		return g.result(m)
	case <-timer.C:
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return g.without(m, ErrNoResult)
}

// result is that of a member, when the batch is over.
func (g *group) result(m *member) error {
	if g.fault != nil {
		m.entry.mark(factsOfFault(g.fault))
		return g.fault
	}
	if err, ok := g.results[m.entry.delivery.ID]; ok {
		return err
	}
	err := g.err
	if err == nil {
		err = g.noResult()
	}
	return g.without(m, err)
}

// noResult is ErrNoResult, with the ids that there are results for and that are none of the batch's: somebody has taken something else for the ID.
func (g *group) noResult() error {
	var strange []string
	for id := range g.results {
		if !slices.ContainsFunc(g.members, func(m *member) bool { return m.entry.delivery.ID == id }) {
			strange = append(strange, id)
		}
	}
	if strange == nil {
		return ErrNoResult
	}
	slices.Sort(strange)
	return fmt.Errorf("%w; there are results for %d IDs that are not of the batch, such as %.60q; want those of Job.ID",
		ErrNoResult, len(strange), strange[0])
}

// without is the reason of a member without a result, which otherwise would be err: it may be that another one was told to stop.
func (g *group) without(m *member, err error) error {
	switch cause := g.cause; {
	case cause == nil, m == g.leader:
		return err
	case factsOfCause(g.leader.entry.toldCause()).has(factCancelled), guard.Is(cause, ErrWorkerLost):
		m.entry.mark(factInterrupted)
		return errInterrupted
	default:
		m.entry.mark(factsOfCause(g.leader.entry.toldCause()))
		return fmt.Errorf("%w: %w", cause, err) // time, drain, or a goroutine that failed: it concerns this one, too
	}
}

// errInterrupted is the reason of a job that got no result because another job of its batch was told to stop.
var errInterrupted = errors.New("gentask: batch interrupted, for another job of it was stopped")

// timeLeft says how long the entry's batch may take still; zero if it has no limit, or is none.
func (c *collector) timeLeft(e *entry) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[e]
	if m == nil || c.in.timeout == 0 {
		return 0
	}
	return time.Until(m.group.due.Add(c.in.timeout))
}

func (c *collector) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.open {
		c.flush(g, nil)
	}
}
