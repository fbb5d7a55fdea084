package isolate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unicode/utf8"
)

// Access is all that a child, and what it starts, may reach. It is enforced by Landlock, a part of
// the Linux kernel, and can't be taken back. A program with the bit of setuid gets no more rights
// by it. The zero value permits no file and no port. [gentask.New] returns an error where Landlock
// is missing or too old.
//
// The program itself, the libraries that it has loaded, /dev/null, /dev/zero, /dev/full,
// /dev/random, /dev/urandom, the time zones, /proc/self and /sys/fs/cgroup are permitted without
// being listed. A program of [Command] is permitted too, but what it loads must be listed: usually
// /usr, /lib, /lib64 and /etc.
//
// From Linux 6.12 on, a child also can't send signals to other processes than its own, or use
// abstract Unix sockets of others. Landlock does not limit what a child has open, names and modes
// of files (stat, chmod), sockets that are files, UDP, and so DNS, and MPTCP, which children in Go
// do not use then.
type Access struct {
	// Read are files that may be read and executed, and directories with all that is below them.
	// They must exist, and be absolute paths in UTF-8.
	Read []string

	// Write are files and directories, likewise, that may be read and changed.
	Write []string

	// Connect are the TCP ports, of any host, that may be connected to.
	Connect []uint16

	// Listen are the TCP ports that may be listened on. 0 is for one that the kernel chooses.
	Listen []uint16

	// Network permits all of the network: then Linux 6.2 is enough, otherwise it must be 6.7. It
	// must be false if there are Connect or Listen.
	Network bool
}

// check returns what is wrong with a.
func (a *Access) check() error {
	if a == nil {
		return nil
	}
	errs := []error{accessSupported(a)}
	for _, path := range a.Read {
		errs = append(errs, checkPath("Read", path))
	}
	for _, path := range a.Write {
		errs = append(errs, checkPath("Write", path))
	}
	if a.Network && len(a.Connect)+len(a.Listen) > 0 {
		errs = append(errs, errors.New(
			"isolate: Config.Access.Network permits all ports; want no Connect and no Listen with it"))
	}
	return errors.Join(errs...)
}

// checkPath returns what is wrong with a path.
func checkPath(field, path string) error {
	switch _, err := os.Stat(path); {
	case !filepath.IsAbs(path):
		return fmt.Errorf("isolate: Config.Access.%s has %q; want an absolute path", field, path)
	case !utf8.ValidString(path):
		return fmt.Errorf("isolate: Config.Access.%s has %q; want UTF-8", field, path)
	case err != nil:
		return fmt.Errorf("isolate: Config.Access.%s: %w; want a path that exists", field, err)
	}
	return nil
}
