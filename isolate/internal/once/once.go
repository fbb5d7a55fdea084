// Package once has the promises to programs that do one job each, as processes and as WebAssembly
// modules: how they see the job, what their exit codes mean, and what is kept of their output.
package once

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gentask/gentask"
)

// The exit codes with a meaning, as in sysexits.h.
const (
	exitDataError   = 65
	exitTempFailure = 75
)

// Verdict returns the error of a job whose program has exited with the code: failure with the
// decision that the code stands for, or nil if the job is done.
func Verdict(code int, failure error) error {
	switch code {
	case 0:
		return nil
	case exitDataError:
		return gentask.DeadLetter(failure)
	case exitTempFailure:
		return fmt.Errorf("%w: %w", failure, gentask.Requeue(0))
	}
	return failure
}

// Environment returns the variables that describe a job, as in os.Environ. A variable can't have a
// zero byte, so those are left out.
func Environment(job gentask.Job[any]) []string {
	var env []string
	add := func(name, value string) { env = append(env, name+"="+strings.ReplaceAll(value, "\x00", "")) }
	add("GENTASK_ID", job.ID())
	add("GENTASK_ATTEMPT", strconv.Itoa(job.Attempt()))
	for name, value := range job.Headers() {
		add("GENTASK_HEADER_"+variable(name), value)
	}
	if t := job.Message().ContentType; t != "" {
		add("GENTASK_CONTENT_TYPE", t)
	}
	return env
}

// variable returns the name of a header as that of a variable.
func variable(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}
