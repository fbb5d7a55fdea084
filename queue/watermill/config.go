package watermill

import (
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gentask/gentask/queue"
)

// Config configures a [Queue]. Publisher is required.
type Config struct {
	// Publisher publishes to the topic, including the copies of requeues and dead letters.
	// Required. It should return when the broker has confirmed; some publishers need an option for
	// that.
	Publisher message.Publisher

	// DeadTopic is the topic of dead letters. Empty means the topic with the suffix ".dead".
	DeadTopic string

	// Subscriptions is the number of subscriptions of a session, and with most subscribers the most
	// deliveries that it can hold. Zero means one; -1 means the prefetch. More than one is wrong if
	// each subscription gets every message.
	Subscriptions int

	// Delayed publishes delayed messages to the topic: a publisher that honours the metadata of
	// watermill's package components/delay.
	Delayed message.Publisher

	// Hold makes the session keep a delayed message until it is due, and then publish the copy. The
	// message occupies a slot, and its subscription usually hands out nothing else meanwhile. If
	// the session ends before, the message goes back at once without costing an attempt. Hold is
	// ignored with Delayed.
	Hold bool

	// Redelivered, if not nil, reports whether the broker has marked a message as delivered before.
	Redelivered func(msg *message.Message) bool
}

// perPrefetch is the value of [Config.Subscriptions] for as many as the prefetch.
const perPrefetch = -1

// check names every field that is not right.
func (c Config) check() error {
	var errs []error
	if c.Publisher == nil {
		errs = append(errs, fmt.Errorf(
			"watermill: %w: Config.Publisher is nil: right would be a publisher of the topic", queue.ErrConfig))
	}
	if c.Subscriptions < perPrefetch {
		errs = append(errs, fmt.Errorf(
			"watermill: %w: Config.Subscriptions is %d: "+
				"right would be 0 for one, -1 for as many as the prefetch, or more",
			queue.ErrConfig, c.Subscriptions))
	}
	return errors.Join(errs...)
}

// subscriptions returns the number of subscriptions of a session with that prefetch.
func (c Config) subscriptions(prefetch int) int {
	if c.Subscriptions == perPrefetch {
		return prefetch
	}
	return min(max(c.Subscriptions, 1), prefetch)
}
