package isolate

import (
	"errors"
	"fmt"
)

// minProcesses is enough for the threads of a Go program.
const minProcesses = 20

// checkRights returns what is wrong with the limits that the system must support, and that may need
// rights.
func (c Config) checkRights() error {
	var errs []error
	switch {
	case c.Processes < 0 || c.Processes > 0 && c.Processes < minProcesses:
		errs = append(errs, fmt.Errorf("isolate: Config.Processes is %d; want 0 for no limit, or at least %d",
			c.Processes, minProcesses))
	case c.Processes > 0 && c.Cgroup == "":
		errs = append(errs, fmt.Errorf("isolate: Config.Processes is %d, but Config.Cgroup is empty; "+
			"want a cgroup, which counts them", c.Processes))
	}
	return errors.Join(append(errs, c.checkUser(), c.checkCgroup(), c.Access.check())...)
}
