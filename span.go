package gentask

import (
	"reflect"
	"time"
)

// forEver is the longest time that anything is reckoned with: a hundred years. Two of them, and
// what the library adds, still fit a Duration, so that no sum overflows.
const forEver = 100 * 365 * 24 * time.Hour

// span returns d, at most forEver. Every duration that a user hands in comes through here: in a
// Config by clampSpans, in a decision by its constructor.
func span(d time.Duration) time.Duration { return min(d, forEver) }

// clampSpans puts each Duration of a struct through span, those of structs within it too. A field
// that is added later is covered.
func clampSpans(of reflect.Value) {
	for i := range of.NumField() {
		switch f := of.Field(i); {
		case f.Type() == reflect.TypeFor[time.Duration]():
			if f.CanSet() {
				f.SetInt(int64(span(time.Duration(f.Int()))))
			}
		case f.Kind() == reflect.Struct:
			clampSpans(f)
		}
	}
}
