package gentask

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gentask/gentask/queue"
)

// AnyKind is the kind in a [Mux] that stands for all kinds without an entry.
const AnyKind = "*"

// Mux returns a behaviour made of several, for a queue with messages of several kinds. The value of
// a header selects the behaviour of a message. Each behaviour has its own type of payload, and may
// be made by [Handle], [Work], [Actor], [Batch] or Mux.
//
// The kind "" is for messages without the header, and [AnyKind] for all kinds without an entry.
// Without an AnyKind such messages are put off, because another node may support them, and
// dead-lettered in the end: see [Unknown].
func Mux(header string, kinds map[string]Behavior) Behavior {
	if len(kinds) == 0 {
		return Behavior{}
	}
	m := &mux{header: header, kinds: maps.Clone(kinds)}
	return Behavior{mux: m, check: m.check}
}

// MuxKinds returns a [Mux] of kinds made by [NewKind], selected by the header [queue.HeaderKind].
// Each kind may have its own timeout and number of attempts. [New] rejects a kind that is given
// twice, a kind without a name, and options that make no sense.
func MuxKinds(handlers ...KindHandler) Behavior {
	if len(handlers) == 0 {
		return Behavior{}
	}
	m := &mux{header: queue.HeaderKind, kinds: make(map[string]Behavior, len(handlers))}
	var errs []error
	for _, h := range handlers {
		_, twice := m.kinds[h.name]
		errs = append(errs,
			unfitIf(h.name == "", "name of a kind in MuxKinds", `""`, "the value that its messages have in the header"),
			unfitIf(twice, fmt.Sprintf("kind %q in MuxKinds", h.name), "named twice", "each kind once"),
			unfitIf(
				len(h.options) > 1, fmt.Sprintf("kind %q: options", h.name), len(h.options), "one KindOptions at most"))
		m.kinds[h.name] = h.limited(&errs)
	}
	m.unfit = errors.Join(errs...)
	return Behavior{mux: m, check: m.check}
}

// limited returns the behaviour with its options. It adds the errors of the options to errs.
func (h KindHandler) limited(errs *[]error) Behavior {
	b := h.behavior
	if len(h.options) == 0 {
		return b
	}
	o := h.options[0]
	o.Timeout = span(o.Timeout)
	b.options = &o
	*errs = append(*errs, inField(fmt.Sprintf("kind %q: KindOptions.", h.name), errors.Join(
		unfitIf(o.Timeout < never, "Timeout", o.Timeout, "0 for Config.Timeout, -1 for never, or more"),
		unfitIf(
			o.MaxAttempts < never, "MaxAttempts", o.MaxAttempts, "0 for Retry.MaxAttempts, -1 for no end, or more"))))
	return b
}

// mux holds the behaviours of a Mux or MuxKinds.
type mux struct {
	header string
	kinds  map[string]Behavior
	unfit  error // mistakes in the arguments of MuxKinds
}

// of returns the behaviour for a message. It returns a mux if that has none for the message.
func (b Behavior) of(msg *queue.Message) Behavior {
	for b.mux != nil {
		kind, ok := b.mux.kinds[msg.Headers[b.mux.header]]
		if !ok {
			kind, ok = b.mux.kinds[AnyKind]
		}
		if !ok {
			return b
		}
		if kind.options == nil {
			kind.options = b.options
		}
		b = kind
	}
	return b
}

// kindOf returns the kind of a message: the last entry by which a mux selects its behaviour. It is
// empty without a mux, and for a message that is not listed by its kind.
func (b Behavior) kindOf(msg *queue.Message) (kind string) {
	for b.mux != nil {
		name := msg.Headers[b.mux.header]
		next, listed := b.mux.kinds[name]
		if listed {
			kind = name
		} else if next, listed = b.mux.kinds[AnyKind]; !listed {
			return kind
		}
		b = next
	}
	return kind
}

// unknownKind returns a *foreignError if b, which of has returned, is a mux that has no behaviour
// for the message. It returns nil otherwise.
func (b Behavior) unknownKind(m *queue.Message) error {
	if b.mux == nil {
		return nil
	}
	header := b.mux.header
	return &foreignError{what: "kind", header: header, name: m.Headers[header], known: b.mux.names()}
}

// restarts reports whether the behaviour, or one of its kinds, has workers that the user wrote.
func (b Behavior) restarts() bool {
	if b.props != nil {
		return true
	}
	if b.mux == nil {
		return false
	}
	return slices.ContainsFunc(slices.Collect(maps.Values(b.mux.kinds)), Behavior.restarts)
}

// empty reports whether the behaviour was made of nothing.
func (b Behavior) empty() bool { return b.kernel == nil && b.props == nil && b.mux == nil }

// variants adds the settings of each kind with options, also of nested ones, to those of the
// consumer.
func (b Behavior) variants(s *settings) {
	if b.options != nil {
		s.kinds[b.options] = s.with(b.options)
	}
	if b.mux == nil {
		return
	}
	for _, kind := range b.mux.kinds {
		kind.variants(s)
	}
}

// check checks every kind.
func (m *mux) check(s *settings) error {
	errs := []error{badFields("", m.unfit)}
	if m.header == "" {
		errs = append(errs,
			fmt.Errorf("%w: header of Mux is empty; want the name of the header that holds the kind", ErrConfig))
	}
	for _, name := range m.names() {
		b := m.kinds[name]
		if b.empty() {
			errs = append(errs, fmt.Errorf(
				"%w: kind %q of Mux is empty; want a behavior made of something that is not nil", ErrConfig, name))
		} else if b.check == nil {
			continue
		} else if err := b.check(s); err != nil {
			errs = append(errs, fmt.Errorf("kind %q of Mux: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (m *mux) names() []string { return slices.Sorted(maps.Keys(m.kinds)) }
