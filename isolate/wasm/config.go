package wasm

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Config limits the guests of one module. The zero value is valid.
type Config struct {
	// Memory is how many bytes of memory a guest may have, at most 4 GiB. A guest that wants more
	// gets none, and most end by that: their error wraps [ErrMemory]. While a memory grows there
	// are two of them for a moment. Zero means 64 MiB.
	Memory uint64

	// Fuel is how much a guest may do. A call of a function, and a turn of a loop, take one unit
	// each. A call of the host takes 1,000. Filling, copying, reading and writing take one more
	// unit for 64 bytes, or for eight references. Fuel is counted in steps of 16,384. It does not
	// depend on the machine or its load, so the same job always takes the same. A guest without any
	// left fails with [ErrFuel]. Zero means no limit. Then the consumer's Timeout is the only one.
	Fuel uint64

	// MaxReply is the most bytes of a result. A guest that writes more fails with [ErrReply]. Zero
	// means 64 MiB.
	MaxReply int

	// Args are the arguments, the name of the program first. Nil means none, not even that.
	Args []string

	// Env are environment variables, as in os.Environ. They precede those that describe the job.
	// Nil means none: a guest does not get those of this process.
	Env []string

	// Clock gives guests the time of day, and lets them sleep. Without it, their clock starts at
	// the beginning of the year 2000 for each job, and moves by what they sleep, which takes no
	// time, and by a microsecond each time they look at it.
	Clock bool

	// Random gives guests random numbers of the system. Without it, each job gets the same ones.
	Random bool
}

const (
	defaultMemory = 64 << 20
	mostMemory    = min(1<<32, math.MaxInt)
	defaultReply  = 64 << 20
)

// check returns all that is wrong with c.
func (c Config) check() error {
	var errs []error
	if c.Memory > mostMemory {
		errs = append(errs, fmt.Errorf("wasm: Config.Memory is %d; want 0 for 64 MiB, or at most %d", c.Memory,
			uint64(mostMemory)))
	}
	if c.MaxReply < 0 {
		errs = append(errs, fmt.Errorf("wasm: Config.MaxReply is %d; want 0 for 64 MiB, or more", c.MaxReply))
	}
	for _, v := range c.Env {
		if name, _, found := strings.Cut(v, "="); !found || name == "" || strings.Contains(v, "\x00") {
			errs = append(errs, fmt.Errorf("wasm: Config.Env has %q; want name=value, without zero bytes", v))
		}
	}
	for _, a := range c.Args {
		if strings.Contains(a, "\x00") {
			errs = append(errs, fmt.Errorf("wasm: Config.Args has %q; want no zero bytes", a))
		}
	}
	return errors.Join(errs...)
}

// orDefaults returns c with the values that its zero fields stand for.
func (c Config) orDefaults() Config {
	if c.Memory == 0 {
		c.Memory = defaultMemory
	}
	if c.MaxReply == 0 {
		c.MaxReply = defaultReply
	}
	return c
}
