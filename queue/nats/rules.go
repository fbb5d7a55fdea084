package nats

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// rules are what the properties of a stream or a consumer must be, by the server's names. They are
// turned round: a property that has no rule must not be set. So what a later server adds, and an
// operator uses, is refused until its effect on a delivery is known.
type rules map[string]rule

// rule is what one property must be.
type rule struct {
	holds func(have any, all properties) bool
	must  string // the right value, and the reason
	time  bool   // the property is a duration
}

// anything is the rule of a property that changes no delivery, and drops none silently.
var anything = rule{holds: func(any, properties) bool { return true }}

// unset is the rule of a property that must not be set.
func unset(must string) rule {
	return rule{must: must, holds: func(have any, _ properties) bool { return isUnset(have) }}
}

// noTime is unset for a duration.
func noTime(must string) rule {
	r := unset(must)
	r.time = true
	return r
}

// exactly is the rule of a property with one right text.
func exactly(want string) rule {
	return rule{must: want, holds: func(have any, _ properties) bool { return have == want }}
}

// number is the rule of a property with one right number.
func number(want int64, must string) rule {
	return rule{must: must, holds: func(have any, _ properties) bool { return have == json.Number(fmt.Sprint(want)) }}
}

// lasts is the rule of a duration that field of Config gives; anything if that is not set.
func lasts(want time.Duration, field string) rule {
	if want <= 0 {
		return rule{holds: anything.holds, time: true}
	}
	r := number(want.Nanoseconds(), fmt.Sprintf("%v, as Config.%s", want, field))
	r.time = true
	return r
}

// differences lists the properties with another value than the rules want, in the order of their
// names.
func (r rules) differences(have properties) []string {
	var diff []string
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if one := r[name]; !one.holds(have[name], have) {
			diff = append(diff, fmt.Sprintf("%s is %s, must be %s", name, one.show(have[name]), one.must))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, known := r[name]; !known && !isUnset(have[name]) {
			diff = append(diff, fmt.Sprintf(
				"%s is %s, must not be set: this version of gentask does not know its effect", name,
				rule{}.show(have[name])))
		}
	}
	return diff
}

// show returns a value as text.
func (r rule) show(value any) string {
	if n, ok := value.(json.Number); ok && r.time {
		if ns, err := n.Int64(); err == nil {
			return time.Duration(ns).String()
		}
	}
	switch value := value.(type) {
	case nil:
		return "not set"
	case string:
		return value
	}
	var text strings.Builder
	plain := json.NewEncoder(&text)
	plain.SetEscapeHTML(false) // subjects contain ">"
	if err := plain.Encode(value); err != nil {
		return fmt.Sprint(value)
	}
	return strings.TrimSpace(text.String())
}

// isUnset reports whether a value is what a server answers for a property that was never set.
// Servers write -1 for "unlimited", and "none" or "default" for a choice.
func isUnset(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case bool:
		return !value
	case json.Number:
		n, err := value.Float64()
		return err == nil && (n == 0 || n == -1)
	case string:
		return value == "" || value == "none" || value == "default"
	case []any:
		return len(value) == 0
	case map[string]any:
		for _, inner := range value {
			if !isUnset(inner) {
				return false
			}
		}
		return true
	}
	return false
}
