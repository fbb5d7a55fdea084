package isolate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate/internal/wire"
)

// Command is another program that does jobs, in any language.
type Command struct {
	// Path is the program: a path, or a name that is looked up in PATH. Args are its arguments,
	// without the program.
	Path string
	Args []string
}

// Serve returns a behaviour of a program that stays, and does one job after another. It reads lines
// of JSON from its standard input, and writes others to its standard output, in the protocol that
// docs/isolation.md describes. Everything else is as with [Handle], but that a job whose program
// dies while it is idle may lose an attempt. [gentask.New] returns an error if there is no such
// program.
func (c Command) Serve(cfg Config) gentask.Behavior {
	p := &pool{name: c.Path, given: cfg, program: program{path: c.Path, args: c.Args, lines: true}}
	p.program.path, p.unfit = c.look()
	run := runner[struct{}](p)
	return gentask.Handle(func(ctx context.Context, _ gentask.Raw) error {
		_, err := run(ctx)
		return err
	}).With(p)
}

// Once returns a behaviour of a program that is started for each job. The body is its standard
// input. Its environment has [queue.Message.ID] as GENTASK_ID, and the number of the attempt as
// GENTASK_ATTEMPT. It has each header as GENTASK_HEADER_ and its name in capitals, with underscores
// for other characters than letters and digits. Its exit code decides:
//
//	0       done
//	65      dead letter: the job can never be done (EX_DATAERR)
//	75      tried again at once, at the cost of an attempt (EX_TEMPFAIL)
//	others  failed: [gentask.Config.Retry] decides
//
// The error of a job is a [CrashError], with the end of the output. When the job must stop, the
// program's process group gets SIGTERM, and SIGKILL after [Config.Grace]. Of the other fields of
// Config, Access, Cgroup, CPU, Dir, Env, Files, Memory, Processes and User count, Memory without
// GOMEMLIMIT. A start costs a millisecond, or what the program needs. With Access or Files, this
// program is started first, up to [Main].
func (c Command) Once(cfg Config) gentask.Behavior {
	s := &single{pool: pool{name: c.Path, given: cfg, program: program{args: c.Args}, single: true}}
	s.pool.program.path, s.pool.unfit = c.look()
	return gentask.Handle(func(ctx context.Context, _ gentask.Raw) error { return s.run(ctx) }).With(&s.pool)
}

// look returns the path of the program.
func (c Command) look() (string, error) {
	if c.Path == "" {
		return "", errors.New("isolate: Command.Path is empty; want a program")
	}
	path, err := exec.LookPath(c.Path)
	if err != nil {
		return "", fmt.Errorf("isolate: Command.Path: %w", err)
	}
	return path, nil
}

// program is what the children of a pool run. The zero value is this program itself.
type program struct {
	path  string
	args  []string
	lines bool // it speaks lines of JSON on its standard input and output
}

// start returns what a child is started with.
func (p program) start() (path string, args []string) {
	if p.path == "" {
		return self(), []string{os.Args[0]}
	}
	return p.path, append([]string{p.path}, p.args...)
}

// frames returns what reads the frames of a child, and what writes them.
func (p program) frames(in, out *os.File, limit int) (frameReader, frameWriter) {
	if p.lines {
		return wire.NewLineReader(out, limit), wire.NewLineWriter(in)
	}
	return wire.NewReader(out, limit), wire.NewWriter(in)
}

type frameReader interface{ Next() (wire.Frame, error) }

type frameWriter interface{ Write(wire.Frame) error }

// accepts returns an error if a child is not what it should be.
func (p program) accepts(h wire.Hello, function string) error {
	if p.lines {
		if h.Version != wire.Version {
			return fmt.Errorf("isolate: %s speaks version %d of the protocol; want %d", p.path, h.Version, wire.Version)
		}
		return nil
	}
	return sameProgram(h, function)
}
