package fleet

import (
	"time"

	"github.com/gentask/gentask/queue"
)

// NodeStatus describes a node, as it was at most a second ago. In JSON it is at most 60 KiB: of
// a node with more to tell, lists are cut, and counted.
type NodeStatus struct {
	// Format is the version of this structure. Fields that a node does not know are zero.
	Format int `json:"v"`

	// Node is [Config.Node], and Instance differs for each process that has had it. Twin reports
	// whether another node has answered with the same Node.
	Node     string `json:"node"`
	Instance string `json:"instance"`
	Twin     bool   `json:"twin,omitempty"`

	// Version is [Config.Version].
	Version string `json:"version"`
	Host    string `json:"host"`
	PID     int    `json:"pid"`

	// Started is when the node began to join, and Joined whether it has. At is when this was told,
	// by the clock of the node.
	Started time.Time `json:"started"`
	Joined  bool      `json:"joined"`
	At      time.Time `json:"at"`

	// Revision is that of the newest record in the store, as of when the consumers last followed
	// all records.
	Revision queue.Revision `json:"revision"`

	// Silent is how long ago the node had the last sign of the store. Above five seconds, commands
	// don't reach it.
	Silent time.Duration `json:"silent_ns"`

	// Refused are records that the node does not follow, by key: at most 20, and RefusedCount in
	// all.
	Refused      map[string]string `json:"refused,omitempty"`
	RefusedCount int               `json:"refused_count,omitempty"`

	Consumers []ConsumerStatus `json:"consumers"`

	// Cut reports whether something was left out, because the status was too large.
	Cut bool `json:"cut,omitempty"`
}

// ConsumerStatus is the part of a [NodeStatus] about one consumer.
type ConsumerStatus struct {
	Name  string `json:"name"`
	Queue string `json:"queue"`

	// These are of [gentask.Health]. Error is its text.
	State       string    `json:"state"`
	Since       time.Time `json:"since"`
	Healthy     bool      `json:"healthy"`
	Alive       bool      `json:"alive"`
	Error       string    `json:"error,omitempty"`
	Standby     string    `json:"standby,omitempty"`
	Starved     bool      `json:"starved,omitempty"`
	Running     int       `json:"running"`
	Held        int       `json:"held"`
	Abandoned   int       `json:"abandoned"`
	PutOff      int       `json:"put_off,omitempty"`
	Concurrency int       `json:"concurrency"`
	Prefetch    int       `json:"prefetch"`
	Rate        *Rate     `json:"rate,omitempty"` // nil for no limit

	// Total counts the deliveries that ended since the consumer was made, and Recent those of the
	// last ten seconds.
	Total  Counts `json:"total"`
	Recent Counts `json:"recent"`

	// Latency are the times of the jobs that were done in the last minute. It is nil while no one
	// watches the node's events: see [Node.Events].
	Latency *Latency `json:"latency,omitempty"`

	// Breakers are those that are not closed, at most 20 of them.
	Breakers      []BreakerStatus `json:"breakers,omitempty"`
	BreakersCount int             `json:"breakers_count,omitempty"`

	// Overrides are in force, and CancelledCount is how many jobs are cancelled. Overrides has at
	// most 20 of these, the first ones by ID.
	Overrides      []OverrideStatus `json:"overrides,omitempty"`
	CancelledCount int              `json:"cancelled_count,omitempty"`

	// Jobs are running, the longest ones first: at most 100, and fewer if the status is too large.
	// JobsCount is how many there are.
	Jobs      []JobStatus `json:"jobs,omitempty"`
	JobsCount int         `json:"jobs_count,omitempty"`
}

// BreakerStatus is a breaker that is not closed.
type BreakerStatus struct {
	Key     string    `json:"key,omitempty"`
	Probing bool      `json:"probing,omitempty"`
	Forced  bool      `json:"forced,omitempty"`
	Since   time.Time `json:"since"`
	Cause   string    `json:"cause,omitempty"`
}

// OverrideStatus is an override that is in force. Its kind is the text of a [gentask.OverrideKind].
type OverrideStatus struct {
	Kind   string `json:"kind"`
	Value  string `json:"value"` // the ID of a job that is cancelled
	By     string `json:"by"`
	Reason string `json:"reason,omitempty"`
}

// JobStatus is a job that runs.
type JobStatus struct {
	ID      string        `json:"id"`
	Attempt int           `json:"attempt"`
	Age     time.Duration `json:"age_ns"`    // since its receipt
	Active  time.Duration `json:"active_ns"` // since it got its slot
}

// Ack is what a node has made of a command.
type Ack struct {
	Node     string `json:"node"`
	Instance string `json:"instance"`

	// Pending reports whether the node has not carried out the command yet, by the time it
	// answered.
	Pending bool `json:"pending,omitempty"`

	// Consumers are those that the command is for.
	Consumers []ConsumerAck `json:"consumers"`
}

// ConsumerAck is what a consumer has made of a command.
type ConsumerAck struct {
	Name  string `json:"name"`
	Queue string `json:"queue"`

	// Error is why it does not follow the command; empty if it does.
	Error string `json:"error,omitempty"`

	// Jobs is how many jobs it held, and has cancelled.
	Jobs int `json:"jobs,omitempty"`
}

// question is what is asked on the bus. The fields below From are of its topic.
type question struct {
	Format int    `json:"v"`
	From   sender `json:"from"`

	Only string `json:"only,omitempty"` // nodes, tasks, events, trees: of that node

	Queue string `json:"queue,omitempty"` // tasks: of that queue

	Events *eventsQuestion `json:"events,omitempty"` // events

	Command  *record        `json:"command,omitempty"` // acks
	Revision queue.Revision `json:"revision,omitempty"`
}

type sender struct {
	Node     string `json:"node"`
	Instance string `json:"instance"`
}

// The topics on the bus.
const (
	topicNodes  = "nodes"
	topicAcks   = "acks"
	topicTasks  = "tasks"
	topicEvents = "events"
	topicTrees  = "trees"
)
