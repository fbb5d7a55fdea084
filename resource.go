package gentask

import (
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/queue"
)

// Resource is something that a behaviour needs while consumers of it run, such as a pool of
// processes. [Behavior.With] adds it. One Resource may serve several consumers at the same time, so
// its methods are safe for concurrent use. They must not panic.
type Resource interface {
	// Check returns why it can't serve such a consumer. [New] calls it, and returns the error
	// wrapped in [ErrConfig].
	Check(user ResourceUser) error

	// Open is called when a consumer starts, before its first job, and each time that it starts
	// again. It must return at once.
	Open(user ResourceUser)

	// Close is called as often as Open was, when all jobs of the consumer have ended. The consumer
	// ends when Close returns.
	Close()
}

// ResourceUser describes a consumer to a [Resource].
type ResourceUser struct {
	// Name, Concurrency and Grace are those of [Config], with their defaults. A Grace of none is
	// zero.
	Name        string
	Concurrency int
	Grace       time.Duration

	// Logger is Config.Logger. Its handler is called on a goroutine of its own.
	Logger *slog.Logger
}

// Raw is a payload that the consumer does not decode: a behaviour of it gets the body as it is, and
// [Config.Decode] is not called. A function that decodes it elsewhere may return a [DecodeError],
// which counts as one of Config.Decode.
type Raw []byte

// raw sets the payload to the body if its type is Raw.
func raw(m *queue.Message, into any) bool {
	r, is := into.(*Raw)
	if is {
		*r = m.Body
	}
	return is
}

// provision is the resources of one run of a consumer.
type provision struct {
	all  []Resource
	open atomic.Bool
}

// begin opens them. It is called once, before the first job.
func (p *provision) begin(user ResourceUser) {
	for _, r := range p.all {
		r.Open(user)
	}
	p.open.Store(len(p.all) > 0)
}

// end closes them, in reverse, and calls then. They may take their time, so if there are any, it
// does so on another goroutine.
func (p *provision) end(then func()) {
	if !p.open.CompareAndSwap(true, false) {
		then()
		return
	}
	go func() {
		for _, r := range slices.Backward(p.all) {
			r.Close()
		}
		then()
	}()
}
