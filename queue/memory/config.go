package memory

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/gentask/gentask/queue"
)

// never is the value of Config.Unique for no window.
const never = -1

// check names every field that is not right.
func (c Config) check() error {
	var errs []error
	if c.Unique < never {
		errs = append(errs, badConfig("Unique", c.Unique, "0 for 2m, -1 for never, or more"))
	}
	faults := reflect.ValueOf(c.Faults)
	for i := range faults.NumField() { // so that a fault that is added later is covered
		errs = append(errs, checkFault("Faults."+faults.Type().Field(i).Name, faults.Field(i).Interface()))
	}
	return errors.Join(errs...)
}

func checkFault(field string, value any) error {
	switch v := value.(type) {
	case Fault:
		return v.check(field)
	case time.Duration:
		if v < 0 {
			return badConfig(field, v, "0 for none, or more")
		}
	case int:
		if v < 0 {
			return badConfig(field, v, "0 for none, or more")
		}
	}
	return nil
}

func (f Fault) check(field string) error {
	var errs []error
	if f.Times < -1 {
		errs = append(errs, badConfig(field+".Times", f.Times, "0 for none, -1 for every one, or more"))
	}
	if !(f.Rate >= 0 && f.Rate <= 1) { // so that it is true for what is no number
		errs = append(errs, badConfig(field+".Rate", f.Rate, "0 to 1"))
	}
	return errors.Join(errs...)
}

func badConfig(field string, was any, want string) error {
	return fmt.Errorf("memory: %w: Config.%s is %v, want %s", queue.ErrConfig, field, was, want)
}
