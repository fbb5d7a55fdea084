package dashboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/schedule"
)

// Config configures a [Dashboard]. The zero value is valid. Its functions may be called by many
// requests at the same time.
//
// A function that panics, or has not returned after 5 s, is logged and counted: see
// [Dashboard.Hooks]. The request goes on as each field describes.
type Config struct {
	// Prefix is the path at which the dashboard is mounted, such as "/jobs/". It must begin with a
	// slash. Empty means "/". Behind [http.StripPrefix] it is "/". Proxies may mount it elsewhere,
	// because all links are relative.
	Prefix string

	// Queues are those whose counts and dead letters are shown, in this order. Queues that only
	// nodes report are listed after them, without counts.
	Queues []Queue

	// Plans are sets of stored plans.
	Plans []Plans

	// Access returns what a request may do. It is called for each request, before anything else. A
	// call that fails is AccessNone. The request has no body, and must not be kept.
	//
	// Nil means AccessOperate for requests from a loopback address to a loopback host, and
	// AccessNone for others. A request that a proxy has forwarded is one of the others.
	Access func(*http.Request) Access

	// Author returns who acts, for commands and the audit. It is cut to 200 bytes. Nil means the
	// remote address. The same is used, with a mark, if a call fails.
	Author func(*http.Request) string

	// Redact returns the body and the headers of a dead letter as they may be shown. They are its
	// own copies, which it may change; a nil map means no headers. The reason, stack and log lines
	// of the letter are headers, too: see package queue. If a call fails, nothing of the letter is
	// shown.
	Redact func(queue string, body []byte, headers map[string]string) ([]byte, map[string]string)

	// Audit is called after each action, with its result, before the response. Nil means that
	// actions are only logged.
	Audit func(Action)

	// Logger receives each action, and each function of this Config that fails. Its handler is
	// called on a goroutine of its own. Nil means slog.Default().
	Logger *slog.Logger
}

// Queue is a queue as a driver makes it. The queues of all drivers of this module are Queues.
type Queue interface {
	// Name returns the name under which nodes report the queue.
	Name() string

	// Inspect counts the messages: see [queue.Inspector].
	Inspect(ctx context.Context) (queue.Stats, error)

	// Letters gives access to the dead letters.
	Letters() *queue.Letters
}

// Plans is a set of stored plans with the name that the pages show.
type Plans struct {
	Name  string
	Plans *schedule.Plans
}

// Action is something that an operator has done, or tried to do.
type Action struct {
	// Time is when it was asked for.
	Time time.Time

	// Author is that of [Config.Author]. Reason is the text that the operator has given.
	Author, Reason string

	// Name is what was done: "pause", "resume", "concurrency", "rate", "breaker open", "breaker
	// release", "breaker reset", "cancel", "uncancel", "drain", "re-drive", "purge", "stop",
	// "pause plan", "resume plan" or "fire plan".
	Name string

	// Queue, Node, Job, Letter and Plan are what it was done to, as far as they apply. Plan has the
	// name of its set before it, with a slash between.
	Queue, Node, Job, Letter, Plan string

	// Value is the value that was set, or the filter of a re-drive or purge.
	Value string

	// Result is what became of it, as the page shows it. Err is nil if it was done.
	Result string
	Err    error
}

// Access is what a request may do. The set is closed.
type Access uint8

const (
	// AccessNone refuses the request, with status 403.
	AccessNone Access = iota

	// AccessRead allows to look at everything, dead letters included.
	AccessRead

	// AccessOperate allows all actions, too.
	AccessOperate
)

// String returns the name.
func (a Access) String() string {
	switch a {
	case AccessNone:
		return "none"
	case AccessRead:
		return "read"
	case AccessOperate:
		return "operate"
	}
	return fmt.Sprintf("access(%d)", uint8(a))
}

// check returns all mistakes, joined.
func (c Config) check() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: dashboard: "+format, append([]any{queue.ErrConfig}, args...)...))
	}
	if c.Prefix != "" && (c.Prefix[0] != '/' || strings.ContainsAny(c.Prefix, "?#{}")) {
		bad("Config.Prefix is %q; want a path that begins with a slash, such as \"/jobs/\"", c.Prefix)
	}
	names := map[string]bool{}
	for i, q := range c.Queues {
		if isNil(q) {
			bad("Config.Queues[%d] is nil; want a queue of a driver", i)
			continue
		}
		if name := q.Name(); names[name] {
			bad("Config.Queues[%d] is the second one named %q; want each one once", i, name)
		} else {
			names[name] = true
		}
	}
	sets := map[string]bool{}
	for i, p := range c.Plans {
		if p.Plans == nil {
			bad("Config.Plans[%d].Plans is nil; want what schedule.OpenPlans returns", i)
		}
		if sets[p.Name] {
			bad("Config.Plans[%d].Name is %q, which another set has; want a name of its own", i, p.Name)
		}
		sets[p.Name] = true
	}
	return errors.Join(errs...)
}

// isNil reports whether q is nil, or holds a nil pointer.
func isNil(q Queue) bool {
	v := reflect.ValueOf(q)
	return q == nil || v.Kind() == reflect.Pointer && v.IsNil()
}

func (c Config) orDefaults() Config {
	c.Prefix = strings.TrimRight(c.Prefix, "/") + "/"
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c
}
