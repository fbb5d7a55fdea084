//go:build unix

package isolate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"
)

// order is what a launcher does. It gets it in its environment.
type order struct {
	Path   []byte   // empty for this program; it may be no UTF-8
	Args   [][]byte // likewise
	Parent int      // the process that it must not outlive
	Report int      // the descriptor that takes its error
	Files  uint64
	Access *Access
}

// launcher returns what to start in the place of a program that needs a launcher. The launcher
// writes to report why it could not become the program; nil if it needs none.
func (c Config) launcher(p program, attr *os.ProcAttr) (report *os.File, path string, args []string, err error) {
	path, args = p.start()
	o := order{Path: []byte(p.path), Parent: os.Getpid(), Report: len(attr.Files), Access: c.Access}
	if p.path != "" {
		o.Files = c.Files // a child of this program limits itself
	}
	if o.Files == 0 && o.Access == nil {
		return nil, path, args, nil
	}
	for _, arg := range args {
		o.Args = append(o.Args, []byte(arg))
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, "", nil, err
	}
	report, theirs, err := os.Pipe()
	if err != nil {
		return nil, "", nil, err
	}
	attr.Files = append(attr.Files, theirs)
	attr.Env = overlay(attr.Env, envRole+"="+roleLauncher, envOrder+"="+string(text))
	return report, self(), []string{os.Args[0]}, nil
}

// launchError returns why the launcher of a dead process had not become its program; nil if it had,
// or was killed before.
func launchError(report *os.File) error {
	if report == nil {
		return nil
	}
	defer closeAll([]*os.File{report})
	_ = report.SetReadDeadline(time.Now().Add(drainTime)) // a pipe has deadlines
	if text, _ := io.ReadAll(report); len(text) > 0 {
		return errors.New(string(text))
	}
	return nil
}

// launch is the process of a launcher. It returns the code to exit with if it can't become the
// program.
func launch() int {
	var o order
	text := os.Getenv(envOrder)
	_ = os.Unsetenv(envOrder)
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = o.obey()
	}
	report := os.NewFile(uintptr(o.Report), "report")
	_, _ = fmt.Fprintf(report, "isolate: can't limit a child: %v", err) // there is no other way to report it
	return 1
}

// plainTCP makes a Go program listen by TCP, and not by MPTCP, whose ports Landlock does not limit.
func plainTCP() {
	settings := os.Getenv("GODEBUG")
	if settings != "" {
		settings += ","
	}
	_ = os.Setenv("GODEBUG", settings+"multipathtcp=0") // the name is valid
}

// obey becomes the program. The limits are those of the thread until then.
func (o order) obey() error {
	runtime.LockOSThread()
	syscall.CloseOnExec(o.Report)
	path, args := string(o.Path), make([]string, len(o.Args))
	if path == "" {
		path = self()
		_ = os.Setenv(envRole, roleChild) // the name is valid
	}
	for i, arg := range o.Args {
		args[i] = string(arg)
	}
	if err := dieWith(o.Parent); err != nil {
		return err
	}
	if o.Files > 0 {
		if err := limitFiles(o.Files); err != nil {
			return fmt.Errorf("Config.Files: %w", err)
		}
	}
	if o.Access != nil {
		if !o.Access.Network {
			plainTCP()
		}
		if err := o.Access.restrict(string(o.Path)); err != nil {
			return fmt.Errorf("Config.Access: %w", err)
		}
	}
	return os.NewSyscallError("exec", syscall.Exec(path, args, os.Environ()))
}
