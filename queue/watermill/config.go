package watermill

import (
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gentask/gentask/queue"
)

// Config says what a Queue needs beside its subscriber.
type Config struct {
	// Publisher publishes to the topic, and the copies that requeue and dead-letter. Required. It should return when the broker has
	// confirmed; for some that is an option of their own.
	Publisher message.Publisher

	// DeadTopic is where dead letters go. Empty means the topic with ".dead" behind it.
	DeadTopic string

	// Subscriptions is how often a session subscribes to the topic, and with most subscribers the most deliveries that it can hold. Zero means
	// once; -1 as often as the prefetch asks for. More than one is wrong where each subscription gets every message.
	Subscriptions int

	// Delayed publishes to the topic what is to arrive later: a publisher that honours the metadata of watermill's package components/delay.
	Delayed message.Publisher

	// Hold makes the session keep a delayed message until it is due, and publish the copy then. The message takes a slot, and the
	// subscription that it came from as a rule hands out nothing else meanwhile. When the session ends before, the message goes back at once
	// and its attempt has cost nothing. It is ignored with Delayed.
	Hold bool

	// Redelivered says whether the broker has marked a message as delivered before; nil if it does not tell.
	Redelivered func(msg *message.Message) bool
}

// perPrefetch is what Config.Subscriptions says for as many as the prefetch.
const perPrefetch = -1

// check names every field that is not right.
func (c Config) check() error {
	var errs []error
	if c.Publisher == nil {
		errs = append(errs, fmt.Errorf("watermill: %w: Config.Publisher is nil: right would be a publisher of the topic", queue.ErrConfig))
	}
	if c.Subscriptions < perPrefetch {
		errs = append(errs, fmt.Errorf("watermill: %w: Config.Subscriptions is %d: right would be 0 for one, -1 for as many as the prefetch, or more",
			queue.ErrConfig, c.Subscriptions))
	}
	return errors.Join(errs...)
}

// subscriptions is how often a session with that prefetch subscribes.
func (c Config) subscriptions(prefetch int) int {
	if c.Subscriptions == perPrefetch {
		return prefetch
	}
	return min(max(c.Subscriptions, 1), prefetch)
}
