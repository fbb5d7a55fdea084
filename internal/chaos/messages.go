package chaos

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/gentask/gentask/queue"
)

const (
	// batch is how many messages are published in one go.
	batch = 100
	// poisonEvery is how many messages there are for one that can't be decoded, and so is
	// dead-lettered.
	poisonEvery = 50
	// largeBody is the size of a large message.
	largeBody = 256 << 10
)

// Publish publishes n messages in the background, each as often as it takes until the broker
// confirms it.
func (tr *Trial) Publish(n int) {
	first := tr.next + 1
	tr.next += n
	for k := first; k < first+n; k++ {
		tr.plan(strconv.Itoa(k), tr.poison(k))
	}
	ctx := tr.Context()
	tr.publishes.Go(func() {
		for i := first; i < first+n; i += batch {
			var msgs []queue.Message
			for k := i; k < min(i+batch, first+n); k++ {
				msgs = append(msgs, tr.message(k))
			}
			tr.publish(ctx, msgs)
		}
	})
}

// message is a message with that number.
func message(k int) queue.Message {
	id := strconv.Itoa(k)
	return queue.Message{ID: id, Body: []byte(id)}
}

// message is the k-th message of the trial, from 1. A large one ends in blanks.
func (tr *Trial) message(k int) queue.Message {
	m := message(k)
	if tr.poison(k) {
		m.Body = []byte(bad)
	}
	if tr.LargeEvery > 0 && k%tr.LargeEvery == 0 {
		m.Body = append(m.Body, bytes.Repeat([]byte(" "), largeBody)...)
	}
	return m
}

// bad is how a body begins that can't be decoded.
const bad = "{"

// poison reports whether the k-th message can't be decoded.
func (tr *Trial) poison(k int) bool { return !tr.Clean && k%poisonEvery == 0 }

// poisoned is how many of these were published.
func (tr *Trial) poisoned() int {
	if tr.Clean {
		return 0
	}
	return tr.next / poisonEvery
}

func (tr *Trial) publish(ctx context.Context, msgs []queue.Message) {
	for end := time.Now().Add(tr.Limit); len(msgs) > 0 && time.Now().Before(end) && ctx.Err() == nil; {
		for _, m := range msgs {
			tr.sent(m.ID, bytes.HasPrefix(m.Body, []byte(bad)))
		}
		bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := tr.direct.Publish(bounded, msgs...)
		cancel()
		msgs = unconfirmed(msgs, err)
		if err != nil {
			pause(nil, 50*time.Millisecond)
		}
	}
	if ctx.Err() != nil {
		return // the test has ended
	}
	for _, m := range msgs {
		tr.Errorf("message %s: not confirmed within %v", m.ID, tr.Limit)
	}
}

// unconfirmed returns those that the broker did not confirm.
func unconfirmed(msgs []queue.Message, err error) []queue.Message {
	var failed *queue.PublishError
	if err == nil || !errors.As(err, &failed) {
		return nil
	}
	ids := map[string]bool{}
	for _, f := range failed.Failed {
		ids[f.ID] = true
	}
	var again []queue.Message
	for _, m := range msgs {
		if ids[m.ID] {
			again = append(again, m)
		}
	}
	return again
}
