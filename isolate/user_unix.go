//go:build unix

package isolate

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// checkUser returns what is wrong with User.
func (c Config) checkUser() error {
	credential, err := c.credential()
	if err != nil || credential == nil {
		return err
	}
	if err := mayChangeUser(); err != nil {
		return fmt.Errorf("isolate: Config.User is %q, but this process may not start others as it: %w", c.User, err)
	}
	return nil
}

// credential returns what a child runs as; nil for what the parent does.
func (c Config) credential() (*syscall.Credential, error) {
	if c.User == "" {
		return nil, nil //nolint:nilnil // as the system call wants it
	}
	name, group, _ := strings.Cut(c.User, ":")
	u, err := lookUpUser(name, group)
	if err == nil && group != "" {
		u.gid, err = lookUpGroup(group)
		u.groups = nil
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("isolate: Config.User is %q: %w", c.User, err)
	case int(u.uid) == os.Geteuid() && int(u.gid) == os.Getegid():
		return nil, nil //nolint:nilnil // likewise
	}
	return &syscall.Credential{Uid: u.uid, Gid: u.gid, Groups: u.groups}, nil
}

// identity is a user with all groups.
type identity struct {
	uid, gid uint32
	groups   []uint32
}

// lookUpUser returns a user by name or number. One that has only a number has no group of its own.
func lookUpUser(name, group string) (identity, error) {
	found, err := user.Lookup(name)
	if err != nil {
		found, err = user.LookupId(name)
	}
	number, notNumber := parseID(name)
	switch {
	case err == nil:
	case notNumber != nil:
		return identity{}, fmt.Errorf("there is no user %q; want a name or a number", name)
	case group == "":
		return identity{}, fmt.Errorf("user %s has no name here; want its group, too: \"%s:GROUP\"", name, name)
	default:
		return identity{uid: number}, nil
	}
	uid, err := parseID(found.Uid)
	gid, e := parseID(found.Gid)
	if err = errors.Join(err, e); err != nil {
		return identity{}, err
	}
	ids, err := found.GroupIds()
	groups := []uint32{}
	for _, id := range ids {
		if n, e := parseID(id); e == nil && !slices.Contains(groups, n) {
			groups = append(groups, n)
		}
	}
	return identity{uid, gid, groups}, err
}

// lookUpGroup returns a group by name or number.
func lookUpGroup(name string) (uint32, error) {
	if found, err := user.LookupGroup(name); err == nil {
		return parseID(found.Gid)
	}
	id, err := parseID(name)
	if err != nil {
		return 0, fmt.Errorf("there is no group %q; want a name or a number", name)
	}
	return id, nil
}

// parseID returns a number of a user or a group. The last one means none to the system.
func parseID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err == nil && n == math.MaxUint32 {
		err = strconv.ErrRange
	}
	return uint32(n), err
}
