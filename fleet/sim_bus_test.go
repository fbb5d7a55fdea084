package fleet_test

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/gentask/gentask/queue"
)

// Bus implements fleet.Buses.
func (b *simBroker) Bus(ctx context.Context, name string) (queue.Bus, error) {
	if err := b.call(ctx, "open bus", "").reach(ctx); err != nil {
		return nil, err
	}
	inner, err := b.inner.Bus(ctx, name)
	if err != nil {
		return nil, err
	}
	return &simBus{inner, b.simLine}, nil
}

// simBus is a bus behind a line.
type simBus struct {
	queue.Bus
	line *simLine
}

// Ask implements queue.Bus. On a flaky line answers are lost, and come twice.
func (b *simBus) Ask(ctx context.Context, topic string, question []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		c := b.line.call(ctx, "ask", topic)
		if err := c.reach(ctx); err != nil {
			if ctx.Err() == nil {
				yield(nil, err)
			}
			return
		}
		for answer, err := range b.Bus.Ask(ctx, topic, question) {
			if err == nil && c.luck(5) {
				continue
			}
			if !yield(answer, err) || err != nil || c.luck(5) && !yield(answer, nil) {
				return
			}
		}
	}
}

// Answer implements queue.Bus.
func (b *simBus) Answer(topic string, f func([]byte) []byte) (stop func(), err error) {
	return b.Bus.Answer(topic, func(question []byte) []byte {
		c := b.line.call(context.Background(), "answer", topic)
		if dead, _ := c.has(simDead); dead || c.travel(context.Background()) != nil || c.luck(5) {
			return nil
		}
		answer := f(question)
		if c.travel(context.Background()) != nil {
			return nil
		}
		b.line.sim.answered(b.line, answer)
		return answer
	})
}

// answered learns the instance of a process from what it answers.
func (s *fleetSim) answered(l *simLine, answer []byte) {
	var from struct{ Instance string }
	if json.Unmarshal(answer, &from) != nil || from.Instance == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances[from.Instance] = l.number
}
