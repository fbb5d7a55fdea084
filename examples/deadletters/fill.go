package main

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// order is what the jobs are about.
type order struct {
	Amount   int
	Customer string
}

var customers = map[string]int{"ann": 3, "bob": 0}

// bill panics when the customer has no cards, and fails for one who doesn't exist.
func bill(_ context.Context, o order) error {
	cards, found := customers[o.Customer]
	if !found {
		return fmt.Errorf("no such customer: %q", o.Customer)
	}
	_ = o.Amount / cards
	return nil
}

// fill publishes some jobs, and consumes until as many have ended.
func fill(ctx context.Context, q jobs, out io.Writer) error {
	bodies := []string{`{"Customer":"ann"}`, `{"Customer":"bob"}`, `{"Customer":"eve"}`, `{"Customer":"bob","Amount":7}`, `no JSON`}
	msgs := make([]queue.Message, len(bodies))
	for i, body := range bodies {
		msgs[i] = queue.Message{ID: fmt.Sprintf("order-%d", i+1), Body: []byte(body), ContentType: "application/json"}
	}
	if err := q.Publish(ctx, msgs...); err != nil {
		return err
	}
	var acked, dead atomic.Int64
	done := make(chan struct{})
	consumer, err := gentask.New(q, gentask.Handle(bill), gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}, OnEvent: func(ev gentask.Event) {
		if ev.Kind != gentask.EventDone {
			return
		}
		count := &acked
		if ev.Disposition == queue.DeadLetter {
			count = &dead
		}
		count.Add(1)
		if acked.Load()+dead.Load() == int64(len(msgs)) {
			close(done)
		}
	}})
	if err != nil {
		return err
	}
	if err := consumer.Start(); err != nil {
		return err
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	if _, err := consumer.Stop(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d done, %d dead\n", acked.Load(), dead.Load())
	return err
}
