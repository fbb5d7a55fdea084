package gentask

import (
	"reflect"
	"time"
)

// forEver is the longest duration that is used in calculations: a hundred years. Twice that, plus
// the constants of the library, fits a Duration, so that no sum overflows.
const forEver = 100 * 365 * 24 * time.Hour

// span returns d, at most forEver. Every duration from a user is bounded by it: in a Config by
// clampSpans, in a decision by its constructor.
func span(d time.Duration) time.Duration { return min(d, forEver) }

// clampSpans applies span to each Duration of a struct and of the structs within it. Fields that
// are added later are covered.
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
