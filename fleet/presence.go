package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gentask/gentask"
)

// presence answers who is there.
type presence struct {
	node *Node
	host string

	mu     sync.Mutex
	joined bool
	at     time.Time // when body was made
	body   []byte
	twin   string // the last other instance with this node's id, which the log has
}

const (
	// answerEvery is how often an answer is made at most.
	answerEvery = time.Second

	// jobsTime bounds how long the answer waits for the jobs of all consumers.
	jobsTime = 300 * time.Millisecond

	mostAnswer   = 60 << 10 // bytes: less than fits every bus
	mostJobs     = 100
	mostListed   = 20
	mostText     = 500 // bytes of a reason
	mostIDText   = 200
	mostConsumer = 200
)

func newPresence(n *Node) *presence { return &presence{node: n, host: clip(hostName(), mostIDText)} }

// join records that the node has joined.
func (p *presence) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.joined, p.body = true, nil
}

// answer answers a question about nodes; nil if it is for another one.
func (p *presence) answer(asked []byte) []byte {
	var q question
	if json.Unmarshal(asked, &q) != nil || q.Only != "" && q.Only != p.node.cfg.Node {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.meet(q.From)
	if now := time.Now(); p.body == nil || now.Sub(p.at) >= answerEvery {
		p.at, p.body = now, fit(p.node.status(p.joined, p.host))
	}
	return p.body
}

// meet logs that another process has this node's id.
func (p *presence) meet(other sender) {
	if other.Node != p.node.cfg.Node || other.Instance == p.node.instance || other.Instance == p.twin || !p.joined {
		return
	}
	p.twin = other.Instance
	p.node.log.Warn("fleet: another process has this node's id; commands for the node may reach the wrong one",
		"instance", clip(other.Instance, mostIDText))
}

// status describes the node.
func (n *Node) status(joined bool, host string) *NodeStatus {
	f := n.follower.show()
	s := &NodeStatus{
		Format: format, Node: n.cfg.Node, Instance: n.instance, Version: n.cfg.Version, Host: host, PID: os.Getpid(),
		Started: n.started.UTC(), Joined: joined, At: time.Now().UTC(), Silent: f.silent, Revision: f.revision,
		RefusedCount: len(f.refused),
	}
	for _, key := range first(slices.Sorted(maps.Keys(f.refused)), mostListed) {
		if s.Refused == nil {
			s.Refused = map[string]string{}
		}
		s.Refused[key] = clip(f.refused[key].Error(), mostText)
	}
	ctx, cancel := context.WithTimeout(context.Background(), jobsTime)
	defer cancel()
	for _, c := range n.follower.consumers {
		s.Consumers = append(s.Consumers, c.status(ctx))
	}
	return s
}

func (c *consumer) status(ctx context.Context) ConsumerStatus {
	h := c.Health()
	s := ConsumerStatus{
		Name: clip(c.Name(), mostIDText), Queue: clip(c.place.queue, mostIDText), State: h.State.String(),
		Since: h.Since.UTC(), Healthy: h.Healthy(), Alive: h.Alive(),
		Standby: clip(h.Standby, mostText), Starved: h.Starved,
		Running: h.Running, Held: h.Held, Abandoned: h.Abandoned, PutOff: h.PutOff,
		Concurrency: h.Concurrency, Prefetch: h.Prefetch,
		BreakersCount: h.KeyBreakers, CancelledCount: len(h.Overrides.Cancelled),
	}
	if h.Error != nil {
		s.Error = clip(h.Error.Error(), mostText)
	}
	if h.Rate.PerSecond > 0 {
		s.Rate = &Rate{PerSecond: h.Rate.PerSecond, Burst: h.Rate.Burst}
	}
	s.Total = countsOf(&h)
	s.Recent = s.Total.since(c.samples.oldest())
	s.Latency = c.latency.show(time.Now())
	s.Breakers = breakers(h.Breakers)
	s.BreakersCount = max(s.BreakersCount, len(h.Breakers))
	s.Overrides = overrides(&h.Overrides)
	jobs, _ := c.Jobs(ctx) // a consumer that doesn't answer, or is stopped, shows none
	s.Jobs, s.JobsCount = running(jobs)
	return s
}

func breakers(all []gentask.BreakerHealth) []BreakerStatus {
	var list []BreakerStatus
	for _, b := range first(all, mostListed) {
		s := BreakerStatus{Key: clip(b.Key, mostIDText), Probing: b.Probing, Forced: b.Forced, Since: b.Since.UTC()}
		if b.Cause != nil {
			s.Cause = clip(b.Cause.Error(), mostText)
		}
		list = append(list, s)
	}
	return list
}

// overrides lists the overrides in force, with the first jobs that are cancelled.
func overrides(o *gentask.Overrides) []OverrideStatus {
	var list []OverrideStatus
	add := func(what gentask.OverrideKind, value string, a gentask.Author) {
		list = append(list, OverrideStatus{
			Kind: what.String(), Value: value, By: clip(a.By, mostText), Reason: clip(a.Reason, mostText),
		})
	}
	if o.Paused.Value {
		add(gentask.OverridePaused, "on", o.Paused.Author)
	}
	if n := o.Concurrency.Value; n > 0 {
		add(gentask.OverrideConcurrency, strconv.Itoa(n), o.Concurrency.Author)
	}
	if r := o.Rate.Value; r != nil {
		add(gentask.OverrideRate, strconv.FormatFloat(r.PerSecond, 'g', -1, 64)+"/s", o.Rate.Author)
	}
	if o.BreakerOpen.Value {
		add(gentask.OverrideBreakerOpen, "on", o.BreakerOpen.Author)
	}
	if o.Drained.Value {
		add(gentask.OverrideDrained, "on", o.Drained.Author)
	}
	for _, id := range first(slices.Sorted(maps.Keys(o.Cancelled)), mostListed) {
		add(gentask.OverrideCancelled, clip(id, mostIDText), o.Cancelled[id])
	}
	return list
}

// running returns the jobs that have run longest, and how many run.
func running(jobs []gentask.JobStatus) ([]JobStatus, int) {
	jobs = slices.DeleteFunc(jobs, func(j gentask.JobStatus) bool { return !j.Running })
	slices.SortStableFunc(jobs, func(a, b gentask.JobStatus) int { return cmp.Compare(b.Active, a.Active) })
	var list []JobStatus
	for _, j := range first(jobs, mostJobs) {
		list = append(list, JobStatus{ID: clip(j.ID, mostIDText), Attempt: j.Attempt, Age: j.Age, Active: j.Active})
	}
	return list, len(jobs)
}

// fit returns s in JSON, cut until it fits.
func fit(s *NodeStatus) []byte {
	s.Consumers, s.Cut = first(s.Consumers, mostConsumer), s.Cut || len(s.Consumers) > mostConsumer
	for {
		body, err := json.Marshal(s)
		if err != nil {
			return nil // it has no such values
		}
		if len(body) <= mostAnswer {
			return body
		}
		s.cut()
	}
}

// cut leaves out the half of the longest lists; in the end, of the consumers.
func (s *NodeStatus) cut() {
	s.Cut = true
	longest := 0
	for i := range s.Consumers {
		c := &s.Consumers[i]
		longest = max(longest, len(c.Jobs), len(c.Breakers), len(c.Overrides))
	}
	if longest == 0 {
		s.Refused = nil
		s.Consumers = first(s.Consumers, len(s.Consumers)/2)
		return
	}
	for i := range s.Consumers {
		c := &s.Consumers[i]
		c.Jobs, c.Breakers = first(c.Jobs, longest/2), first(c.Breakers, longest/2)
		c.Overrides = first(c.Overrides, longest/2)
	}
}

// first returns the first n of list, or all if there are fewer.
func first[T any](list []T, n int) []T { return list[:min(len(list), n)] }
