package isolate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// Config configures the children of one behaviour. The zero value is valid.
type Config struct {
	// Children is how many processes there are, at most 1,000. They are started ahead. Zero means
	// as many as there are processors, but no more than the consumer's Concurrency.
	//
	// Jobs beyond Children times PerChild wait in their tasks, and the wait is part of their
	// timeout. So Concurrency should not be more than that.
	Children int

	// PerChild is how many jobs a child has at a time. If it dies, all of them have failed. Zero
	// means one.
	PerChild int

	// Decode decodes the body of msg into the value that into points to, in the child. It takes the
	// place of [gentask.Config.Decode]. Nil means [gentask.DecodeJSON].
	Decode func(msg *queue.Message, into any) error

	// Errors are errors that errors.Is finds in the errors of jobs, as if they had not crossed a
	// process: at most 50. [context.Canceled] and [context.DeadlineExceeded] are always found.
	Errors []error

	// Grace is how long a job may take to return after its context was cancelled. Then its process
	// group gets SIGTERM, and SIGKILL after a third of Grace more. Zero means three fifths of the
	// consumer's Grace, which is also the most.
	Grace time.Duration

	// Memory is how many bytes a child may have in main memory. The Go runtime in it gets a limit
	// of nine tenths (GOMEMLIMIT), and a child that is seen above Memory is killed. It is looked at
	// 40 times a second, so for a moment it may have more. The processes that a job starts don't
	// count, unless there is a Cgroup. Linux only, beside GOMEMLIMIT. Zero means no limit.
	Memory uint64

	// CPU is how much time of a processor a job may use. A child that is seen above it is killed.
	// The processes that a job starts count when they have ended. It needs a PerChild of one. Linux
	// only. Zero means no limit.
	CPU time.Duration

	// Files is how many files a child may have open, at least 20. Zero means as many as the parent.
	// Programs of [Command] get the limit, too.
	Files uint64

	// Cgroup is a directory of cgroup v2 in which each child gets a cgroup of its own. A path that
	// is not absolute starts at the cgroup of this process: with Delegate=yes and DelegateSubgroup=
	// of systemd, ".." is right. Then Memory is a limit of the kernel, which kills the child with
	// all that it has started, and what these have in memory counts. And all that a job has started
	// dies with its child, even what has left the process group. [gentask.New] makes such a cgroup,
	// and returns an error if it can't. Linux 5.14 or later. Empty means none.
	Cgroup string

	// Processes is how many processes and threads a child may have, with itself and all that it has
	// started: at least 20. More can't be started, and a Go program that can't start a thread
	// crashes. It needs Cgroup. Zero means no limit.
	Processes int

	// User is the user that the children run as, by name or number, with all groups of it. After a
	// colon it may have a group, by name or number, which is the only one then. A number without a
	// name in the system needs a group: "nobody", "nobody:nogroup", "1234:1234". The environment
	// stays as it is. The parent must be root, or have the capabilities SETUID, SETGID and KILL of
	// Linux, and writes no core dumps any more. Empty means the user of the parent.
	User string

	// Access limits which files and ports the children may reach. Linux only. Nil means all that
	// their user may.
	Access *Access

	// MaxReply is the most bytes of a result. A larger one is an error of the job. Zero means
	// 64 MiB.
	MaxReply int

	// Recycle ends a child when it is idle, and starts another.
	Recycle Recycle

	// StartTimeout is how long a child may take to be ready, from its start to [Main]. Zero means
	// 10 s.
	StartTimeout time.Duration

	// Env is the environment of the children, as in os.Environ. Nil means that of the parent.
	Env []string

	// Dir is their working directory. Empty means that of the parent.
	Dir string

	// OnProgress is called with what a job gives to [Progress], in the job's task. While it blocks,
	// the job waits. If it panics, the job has panicked, and its child is killed.
	OnProgress func(Report)
}

// Recycle is when a child has served enough. It is looked at after each job. Zero fields mean
// never.
type Recycle struct {
	// Jobs is after how many jobs.
	Jobs int
	// Age is how old it may become.
	Age time.Duration
	// Memory is how many bytes it may have in main memory after a job. Linux only.
	Memory uint64
}

// Report is what a job has reported by [Progress].
type Report struct {
	JobID   string
	Attempt int
	Data    []byte // the JSON of the value
}

const (
	maxChildren  = 1000
	maxErrors    = 50
	minFiles     = 20
	leastGrace   = 100 * time.Millisecond
	defaultReply = 64 << 20
)

// check returns all that is wrong with c for a consumer.
func (c Config) check(user gentask.ResourceUser) error {
	var errs []error
	bad := func(wrong bool, field string, value any, want string) {
		if wrong {
			errs = append(errs, fmt.Errorf("isolate: Config.%s is %v; want %s", field, value, want))
		}
	}
	bad(c.Children < 0 || c.Children > maxChildren, "Children", c.Children, "0 to 1000")
	bad(c.PerChild < 0, "PerChild", c.PerChild, "0 for 1, or more")
	bad(len(c.Errors) > maxErrors, "Errors", fmt.Sprintf("a list of %d", len(c.Errors)), "at most 50")
	bad(c.CPU < 0, "CPU", c.CPU, "0 for no limit, or more")
	bad(c.CPU > 0 && c.PerChild > 1, "CPU", c.CPU, "0 with PerChild above 1, for then no job has a time of its own")
	bad(c.Files > 0 && c.Files < minFiles, "Files", c.Files, "0 for the parent's limit, or at least 20")
	bad(c.MaxReply < 0, "MaxReply", c.MaxReply, "0 for 64 MiB, or more")
	bad(c.StartTimeout < 0, "StartTimeout", c.StartTimeout, "0 for 10s, or more")
	bad(c.Recycle.Jobs < 0, "Recycle.Jobs", c.Recycle.Jobs, "0 for never, or more")
	bad(c.Recycle.Age < 0, "Recycle.Age", c.Recycle.Age, "0 for never, or more")
	most := user.Grace * 3 / 5
	bad(c.Grace < 0 || c.Grace > most, "Grace", c.Grace,
		fmt.Sprintf("at most %v, three fifths of the consumer's Grace", most))
	if user.Grace < leastGrace {
		errs = append(errs, fmt.Errorf(
			"isolate: the consumer's Grace is %v; want at least %v, the time to kill a child", user.Grace, leastGrace))
	}
	return errors.Join(append(errs, c.checkRights())...)
}

// orDefaults returns c with the values that its zero fields stand for.
func (c Config) orDefaults(user gentask.ResourceUser) Config {
	if c.Children == 0 {
		c.Children = min(runtime.GOMAXPROCS(0), user.Concurrency)
	}
	c.PerChild = max(c.PerChild, 1)
	if c.Grace == 0 {
		c.Grace = user.Grace * 3 / 5
	}
	if c.MaxReply == 0 {
		c.MaxReply = defaultReply
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = 10 * time.Second
	}
	return c
}

func (c Config) decode(msg *queue.Message, into any) error {
	if c.Decode == nil {
		return gentask.DecodeJSON(msg, into)
	}
	return c.Decode(msg, into)
}

// known are the errors that are found after they have crossed a process, in a fixed order.
func (c Config) known() []error {
	return append([]error{context.Canceled, context.DeadlineExceeded, queue.ErrUnknown}, c.Errors...)
}

// encode returns a value as it crosses a process: bytes and text as they are, others as JSON.
func encode(value any) ([]byte, error) {
	switch v := value.(type) {
	case struct{}:
		return nil, nil
	case []byte:
		return v, nil
	case string:
		return []byte(v), nil
	}
	return json.Marshal(value)
}

// decodeValue reads what encode has written.
func decodeValue(data []byte, into any) error {
	switch v := into.(type) {
	case *struct{}:
		return nil
	case *[]byte:
		*v = data
		return nil
	case *string:
		*v = string(data)
		return nil
	}
	return json.Unmarshal(data, into)
}
