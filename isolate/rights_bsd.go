//go:build unix && !linux

package isolate

import (
	"errors"
	"os"
)

// mayChangeUser returns why this process can't start others as another user.
func mayChangeUser() error {
	if os.Geteuid() != 0 {
		return errors.New("want root")
	}
	return nil
}

// dieWith does nothing: the warden kills the children of a dead parent.
func dieWith(int) error { return nil }

// restrict is never called: check refuses an Access.
func (a *Access) restrict(string) error { return accessSupported(a) }
