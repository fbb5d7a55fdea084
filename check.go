package gentask

import (
	"errors"
	"fmt"
)

// badFields makes errors that wrap ErrConfig of what a check has joined. in is where the fields are.
func badFields(in string, found error) error {
	return eachOf(found, func(err error) error { return fmt.Errorf("%w: %s%w", ErrConfig, in, err) })
}

// inField puts in before each of what a check has joined.
func inField(in string, found error) error {
	return eachOf(found, func(err error) error { return fmt.Errorf("%s%w", in, err) })
}

// eachOf puts each of what errors.Join has joined, at whatever depth, through f. It returns nil for nil.
func eachOf(found error, f func(error) error) error {
	joined, ok := found.(interface{ Unwrap() []error })
	switch {
	case found == nil:
		return nil
	case !ok:
		return f(found)
	}
	var errs []error
	for _, err := range joined.Unwrap() {
		errs = append(errs, eachOf(err, f))
	}
	return errors.Join(errs...)
}

// unfitIf returns unfit's error if bad, and nil otherwise.
func unfitIf(bad bool, field string, value any, want string) error {
	if !bad {
		return nil
	}
	return unfit(field, value, want)
}

// unfit is the error of a part about one of its fields.
func unfit(field string, value any, want string) error {
	return fmt.Errorf("%s is %v; want %s", field, value, want)
}

func or[T comparable](value, byDefault T) T {
	var zero T
	if value == zero {
		return byDefault
	}
	return value
}

// never is what a Config says for "no limit", or "at once", where zero means the default.
const never = -1
