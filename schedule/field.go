package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// field is one of the six fields of an expression.
type field struct {
	name     string
	min, max int
	names    []string // of the values from min on; nil if they have none
}

// fieldsOf returns the fields in their order.
func fieldsOf() [6]field {
	months := strings.Fields("jan feb mar apr may jun jul aug sep oct nov dec")
	return [...]field{
		{name: "second", max: 59},
		{name: "minute", max: 59},
		{name: "hour", max: 23},
		{name: "day of month", min: 1, max: 31},
		{name: "month", min: 1, max: 12, names: months},
		{name: "day of week", max: 6, names: strings.Fields("sun mon tue wed thu fri sat")},
	}
}

// parse returns the values that a list of ranges names.
func (f field) parse(text string) (uint64, error) {
	var set uint64
	for part := range strings.SplitSeq(text, ",") {
		values, ok := f.values(part)
		if !ok {
			return 0, fmt.Errorf("%s is %q (%s)", f.name, text, f.right())
		}
		set |= values
	}
	return set, nil
}

// values returns the values of one range: "*", "a", "a-b", each of them also with "/step". A range
// whose end is before its beginning goes round, such as fri-mon.
func (f field) values(part string) (set uint64, ok bool) {
	span, by, stepped := strings.Cut(part, "/")
	first, last, ok := f.span(span, stepped)
	step := 1
	if stepped && ok {
		step, ok = number(by)
	}
	if last < first {
		last += f.max - f.min + 1
	}
	// A step beyond the range would name its beginning only, which is not the intent of */90.
	if !ok || step < 1 || step > 1 && step > last-first {
		return 0, false
	}
	for value := first; value <= last; value += step {
		set |= 1 << (f.min + (value-f.min)%(f.max-f.min+1))
	}
	return set, true
}

// span returns the ends of a range. A single value is the beginning of one if a step follows.
func (f field) span(text string, stepped bool) (first, last int, ok bool) {
	if isStar(text) {
		return f.min, f.max, true
	}
	from, to, ranged := strings.Cut(text, "-")
	if first, ok = f.value(from); !ok {
		return 0, 0, false
	}
	switch {
	case ranged:
		last, ok = f.value(to)
		return first, last, ok
	case stepped:
		return first, max(first, f.max), true
	}
	return first, first, true
}

// value returns the value of a number or a name. Sunday is 0 and 7.
func (f field) value(text string) (int, bool) {
	if i := slices.Index(f.names, text); i >= 0 {
		return f.min + i, true
	}
	n, ok := number(text)
	return n, ok && n >= f.min && (n <= f.max || f.max == 6 && n == 7)
}

// number reads one or two digits.
func number(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 8)
	return int(n), err == nil && len(text) <= 2
}

// right describes the right values of a field.
func (f field) right() string {
	if f.names == nil {
		return fmt.Sprintf("it may be *, %d to %d, a range, a list, and a step like */2", f.min, f.max)
	}
	return fmt.Sprintf("it may be *, %d to %d, %s to %s, a range, a list, and a step like */2", f.min, f.max,
		f.names[0], f.names[len(f.names)-1])
}
