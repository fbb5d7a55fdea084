package gentask

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// Overrides are what an operator has changed of a running consumer: see [Consumer.Override]. They
// are a state, and not a list of commands. Each field is one override, off at its zero value. With
// all of them off, the consumer works as the program has configured it.
type Overrides struct {
	// Paused stops the consumer from taking work, as [Consumer.Pause] does. The two are
	// independent: the consumer takes work while neither is in force.
	Paused Override[bool]

	// Concurrency replaces [Config.Concurrency] and [Consumer.SetConcurrency]. With
	// [Policy.Adaptive] it is the upper limit of the policy. It is at most [Config.Prefetch]. Zero
	// means off.
	Concurrency Override[int]

	// Rate replaces [Policy.Rate] and [Consumer.SetRate]. The zero Rate lifts the limit. Nil means
	// off. The value must not be changed afterwards.
	Rate Override[*Rate]

	// BreakerOpen keeps the consumer's breaker open: nothing is probed, and no work is taken. A
	// consumer without [Policy.Breaker] takes no work either. When it is turned off, the breaker is
	// what its runs have made of it.
	BreakerOpen Override[bool]

	// BreakerReset closes the consumer's breaker, and those of [Policy.KeyBreaker], once for each
	// new value other than zero. They forget the failures until then.
	BreakerReset Override[uint64]

	// Drained ends the consumer as [Consumer.Stop] does: [Run] returns nil, and the report comes
	// with [EventDrained]. While it is on, a consumer that is started ends at once in the same way.
	Drained Override[bool]

	// Cancelled are the IDs of jobs that must not run, at most [MaxCancelled]. A running one is
	// cancelled as by [Consumer.Cancel]. One that waits, or arrives later, gets the same
	// cancellation when it gets its slot, and is not run. If messages share an ID, all of them are
	// cancelled.
	Cancelled map[string]Author
}

// Override is one value that an operator has set.
type Override[T any] struct {
	Value T
	Author
}

// Author is who has set an override, and why: texts for people, each of at most 1 KiB.
type Author struct{ By, Reason string }

const (
	// MaxCancelled is how many IDs [Overrides.Cancelled] can have.
	MaxCancelled = 10_000

	maxAuthor      = 1 << 10
	maxCancelledID = 1 << 10
)

// Kinds returns the kinds of the overrides that are on, in their order. BreakerReset is none of
// them: it does something once.
func (o Overrides) Kinds() []OverrideKind {
	var kinds []OverrideKind
	for _, k := range []struct {
		kind OverrideKind
		on   bool
	}{
		{OverridePaused, o.Paused.Value},
		{OverrideConcurrency, o.Concurrency.Value > 0},
		{OverrideRate, o.Rate.Value != nil},
		{OverrideBreakerOpen, o.BreakerOpen.Value},
		{OverrideDrained, o.Drained.Value},
		{OverrideCancelled, len(o.Cancelled) > 0},
	} {
		if k.on {
			kinds = append(kinds, k.kind)
		}
	}
	return kinds
}

// Check returns the error with which [Consumer.Override] would refuse o, for a consumer with that
// [Config.Prefetch].
func (o Overrides) Check(prefetch int) error { return badFields("Overrides.", o.check(prefetch)) }

// check returns all errors in the fields, joined.
func (o *Overrides) check(prefetch int) error {
	atMost := "more"
	if prefetch < math.MaxInt { // otherwise it is not known
		atMost = fmt.Sprintf("1 to %d, which is Config.Prefetch", prefetch)
	}
	errs := []error{
		unfitIf(o.Concurrency.Value < 0 || o.Concurrency.Value > prefetch, "Concurrency", o.Concurrency.Value,
			"0 for off, or "+atMost),
		unfitIf(len(o.Cancelled) > MaxCancelled, "Cancelled", fmt.Sprintf("a map of %d IDs", len(o.Cancelled)),
			fmt.Sprintf("at most %d", MaxCancelled)),
		o.Paused.check("Paused."), o.Concurrency.check("Concurrency."), o.Rate.check("Rate."),
		o.BreakerOpen.check("BreakerOpen."), o.BreakerReset.check("BreakerReset."), o.Drained.check("Drained."),
	}
	if r := o.Rate.Value; r != nil {
		errs = append(errs, r.checkAs("Rate."))
	}
	for id, a := range o.Cancelled {
		if err := a.check("Cancelled."); err != nil {
			errs = append(errs, err)
		}
		if id == "" || len(id) > maxCancelledID {
			errs = append(errs, unfit("Cancelled", fmt.Sprintf("an ID of %d bytes", len(id)),
				fmt.Sprintf("1 to %d", maxCancelledID)))
		}
	}
	return errors.Join(errs...)
}

func (a Author) check(in string) error {
	if len(a.By) <= maxAuthor && len(a.Reason) <= maxAuthor {
		return nil // there may be thousands
	}
	want := fmt.Sprintf("at most %d", maxAuthor)
	return errors.Join(
		unfitIf(len(a.By) > maxAuthor, in+"By", fmt.Sprintf("a text of %d bytes", len(a.By)), want),
		unfitIf(len(a.Reason) > maxAuthor, in+"Reason", fmt.Sprintf("a text of %d bytes", len(a.Reason)), want))
}

// clone returns a copy that shares nothing with o.
func (o *Overrides) clone() *Overrides {
	own := *o
	own.Cancelled = maps.Clone(o.Cancelled)
	if r := o.Rate.Value; r != nil {
		rate := *r
		own.Rate.Value = &rate
	}
	return &own
}

// concurrency returns the override of the concurrency, or other if it is off.
func (o *Overrides) concurrency(other int) int { return or(o.Concurrency.Value, other) }

// rate returns the override of the rate, or other if it is off.
func (o *Overrides) rate(other Rate) Rate {
	if o.Rate.Value == nil {
		return other
	}
	return *o.Rate.Value
}

// cancels reports whether the jobs with an ID must not run.
func (o *Overrides) cancels(id string) bool {
	if len(o.Cancelled) == 0 {
		return false
	}
	_, found := o.Cancelled[id]
	return found
}

// OverrideKind is one field of [Overrides]. The set is closed.
type OverrideKind uint8

const (
	// OverridePaused is [Overrides.Paused].
	OverridePaused OverrideKind = iota + 1
	// OverrideConcurrency is [Overrides.Concurrency].
	OverrideConcurrency
	// OverrideRate is [Overrides.Rate].
	OverrideRate
	// OverrideBreakerOpen is [Overrides.BreakerOpen].
	OverrideBreakerOpen
	// OverrideBreakerReset is [Overrides.BreakerReset].
	OverrideBreakerReset
	// OverrideDrained is [Overrides.Drained].
	OverrideDrained
	// OverrideCancelled is one ID of [Overrides.Cancelled].
	OverrideCancelled
)

// String returns the kind in plain words.
func (k OverrideKind) String() string {
	switch k {
	case OverridePaused:
		return "paused"
	case OverrideConcurrency:
		return "concurrency"
	case OverrideRate:
		return "rate"
	case OverrideBreakerOpen:
		return "breaker open"
	case OverrideBreakerReset:
		return "breaker reset"
	case OverrideDrained:
		return "drained"
	case OverrideCancelled:
		return "cancelled"
	}
	return fmt.Sprintf("override(%d)", uint8(k))
}

// OverrideChange is one override that was set, changed, or turned off.
type OverrideChange struct {
	Kind OverrideKind

	// From and To are the values as text, such as "on" and "off", "20" or "2.5/s".
	From, To string

	// Author is that of the new value, also of one that turns the override off. Of an ID that has
	// left [Overrides.Cancelled], it is that of the cancellation.
	Author Author

	// ID is the ID of the jobs, and Jobs is how many of them the consumer held, for
	// OverrideCancelled.
	ID   string
	Jobs int
}

// on reports whether the change turns an override on, or to another value.
func (c *OverrideChange) on() bool { return c.To != overrideOff }

const (
	overrideOn  = "on"
	overrideOff = "off"
)

// since returns how o differs from the earlier overrides, in the order of the kinds, and of the
// IDs. Another author alone is no difference.
func (o *Overrides) since(old *Overrides) []OverrideChange {
	var changes []OverrideChange
	note := func(kind OverrideKind, from, to string, a Author) {
		if from != to {
			changes = append(changes, OverrideChange{Kind: kind, From: from, To: to, Author: a})
		}
	}
	note(OverridePaused, onOff(old.Paused.Value), onOff(o.Paused.Value), o.Paused.Author)
	note(OverrideConcurrency, number(old.Concurrency.Value), number(o.Concurrency.Value), o.Concurrency.Author)
	note(OverrideRate, rateText(old.Rate.Value), rateText(o.Rate.Value), o.Rate.Author)
	note(OverrideBreakerOpen, onOff(old.BreakerOpen.Value), onOff(o.BreakerOpen.Value), o.BreakerOpen.Author)
	note(OverrideBreakerReset, number(old.BreakerReset.Value), number(o.BreakerReset.Value), o.BreakerReset.Author)
	note(OverrideDrained, onOff(old.Drained.Value), onOff(o.Drained.Value), o.Drained.Author)
	changes = appendCancelled(changes, o.Cancelled, old.Cancelled, overrideOff, overrideOn)
	return appendCancelled(changes, old.Cancelled, o.Cancelled, overrideOn, overrideOff)
}

// appendCancelled appends a change for each ID that only the first map has.
func appendCancelled(changes []OverrideChange, only, not map[string]Author, from, to string) []OverrideChange {
	first := len(changes)
	for id, a := range only {
		if _, both := not[id]; !both {
			changes = append(changes, OverrideChange{Kind: OverrideCancelled, From: from, To: to, Author: a, ID: id})
		}
	}
	slices.SortFunc(changes[first:], func(a, b OverrideChange) int { return cmp.Compare(a.ID, b.ID) })
	return changes
}

func onOff(on bool) string {
	if on {
		return overrideOn
	}
	return overrideOff
}

func number[N int | uint64](n N) string {
	if n == 0 {
		return overrideOff
	}
	return fmt.Sprint(n)
}

func rateText(r *Rate) string {
	switch {
	case r == nil:
		return overrideOff
	case !r.on():
		return "no limit"
	}
	text := strconv.FormatFloat(r.PerSecond, 'g', -1, 64) + "/s"
	if r.Burst > 0 {
		text += ", burst " + strconv.Itoa(r.Burst)
	}
	return text
}

// cancellations returns the changes that cancel jobs, by ID.
func cancellations(changes []OverrideChange) map[string]*OverrideChange {
	var named map[string]*OverrideChange
	for i := range changes {
		if c := &changes[i]; c.Kind == OverrideCancelled && c.on() {
			if named == nil {
				named = map[string]*OverrideChange{}
			}
			named[c.ID] = c
		}
	}
	return named
}
