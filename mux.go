package gentask

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// AnyKind is the kind in a Mux that stands for those that it doesn't name.
const AnyKind = "*"

// Mux makes a behaviour of several, for a queue with messages of several kinds: the value of a header says which of them a message is for. They keep
// their own types, and may be made by Handle, Work, Receive, Batch or Mux. The kind "" is for messages without the header, and AnyKind for
// those whose kind isn't named. Without an AnyKind, they are dead-lettered with a *KindError.
func Mux(header string, kinds map[string]Behavior) Behavior {
	if len(kinds) == 0 {
		return Behavior{}
	}
	m := &mux{header: header, kinds: maps.Clone(kinds)}
	return Behavior{mux: m, kernel: m, byDefault: true, check: m.check}
}

// mux is also the kernel for what it has no behaviour for.
type mux struct {
	header string
	kinds  map[string]Behavior
}

// of is the behaviour for a message.
func (b Behavior) of(msg *queue.Message) Behavior {
	for b.mux != nil {
		kind, ok := b.mux.kinds[msg.Headers[b.mux.header]]
		if !ok {
			kind, ok = b.mux.kinds[AnyKind]
		}
		if !ok {
			return b
		}
		b = kind
	}
	return b
}

// restarts says whether the behaviour, or one of its kinds, has workers of the user's.
func (b Behavior) restarts() bool {
	if b.props != nil {
		return true
	}
	if b.mux == nil {
		return false
	}
	return slices.ContainsFunc(slices.Collect(maps.Values(b.mux.kinds)), Behavior.restarts)
}

// empty says whether the behaviour was made of nothing.
func (b Behavior) empty() bool { return b.kernel == nil && b.props == nil }

// check checks every kind.
func (m *mux) check(s *settings) error {
	if m.header == "" {
		return fmt.Errorf("%w: header of Mux is empty; want the name of the header that holds the kind", ErrConfig)
	}
	for _, name := range m.names() {
		b := m.kinds[name]
		if b.empty() {
			return fmt.Errorf("%w: kind %q of Mux is empty; want a behavior made of something that is not nil", ErrConfig, name)
		}
		if b.check != nil {
			if err := b.check(s); err != nil {
				return fmt.Errorf("kind %q of Mux: %w", name, err)
			}
		}
	}
	return nil
}

func (m *mux) names() []string { return slices.Sorted(maps.Keys(m.kinds)) }

// execute fails for a message that the mux has no behaviour for.
func (m *mux) execute(_ context.Context, e *entry) (any, error) {
	return nil, Permanent(&KindError{Header: m.header, Kind: e.delivery.Headers[m.header], Known: m.names()})
}

func (m *mux) decide(e *entry, o *task.Outcome[any]) Decision {
	return e.defaultDecision(o.Status, o.Reason, true)
}
