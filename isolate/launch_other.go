//go:build !unix

package isolate

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

// errUnsupported is returned where processes can't be killed with all that they have started.
var errUnsupported = errors.New("isolate: " + runtime.GOOS +
	" is not supported, because a process can't be killed there with all that it has started; use Linux, macOS or a BSD")

func supported() error { return errUnsupported }

func (p *process) launch(*warden) error                       { return errUnsupported }
func (p *process) launchOnce(*warden, []string, []byte) error { return errUnsupported }
func signalGroup(int, syscall.Signal)                         {}
func maxRSS(*os.ProcessState) uint64                          { return 0 }
func limitFiles(uint64) error                                 { return errUnsupported }
func awaitDeath(int) bool                                     { return false }
func ownGroup() *syscall.SysProcAttr                          { return nil }
func ignoreSignals()                                          {}
func launchError(*os.File) error                              { return nil }
func launch() int                                             { return 1 }
func (c Config) checkUser() error                             { return nil } // all is refused
func self() string                                            { return "" }
func closeAll([]*os.File)                                     {}

func filesOfChild() (in, out *os.File, m mark, err error) { return nil, nil, mark{}, errUnsupported }

type mark struct{}

func (mark) set(uint32)   {}
func (mark) last() uint32 { return 0 }
func (mark) close()       {}
