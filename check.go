package gentask

import (
	"errors"
	"fmt"
)

// badFields wraps each of the errors that a check has joined in ErrConfig. in is the prefix of the
// fields.
func badFields(in string, found error) error {
	return eachOf(found, func(err error) error { return fmt.Errorf("%w: %s%w", ErrConfig, in, err) })
}

// inField adds the prefix in to each of the errors that a check has joined.
func inField(in string, found error) error {
	return eachOf(found, func(err error) error { return fmt.Errorf("%s%w", in, err) })
}

// eachOf applies f to each of the errors that errors.Join has joined, at any depth. It returns nil
// for nil.
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

// unfit returns the error of a field with a bad value.
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

// never disables a limit or a wait in a Config whose zero value means the default.
const never = -1
