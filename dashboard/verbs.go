package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/schedule"
)

// verb is a kind of action. run returns the command that nodes follow, if there is one.
type verb struct {
	name  string // that of the Action
	fleet bool   // it needs a node
	run   func(*acting) (*fleet.Command, error)
}

// verbs are all actions, by the value of the button.
func verbs() map[string]verb {
	return map[string]verb{
		"pause":           {"pause", true, onQueue((*fleet.Node).Pause)},
		"resume":          {"resume", true, onQueue((*fleet.Node).Resume)},
		"breaker-open":    {"breaker open", true, onQueue((*fleet.Node).OpenBreaker)},
		"breaker-release": {"breaker release", true, onQueue((*fleet.Node).ReleaseBreaker)},
		"breaker-reset":   {"breaker reset", true, onQueue((*fleet.Node).ResetBreaker)},
		"concurrency":     {"concurrency", true, setConcurrency},
		"concurrency-own": {"concurrency", true, ownConcurrency},
		"rate":            {"rate", true, setRate},
		"rate-none":       {"rate", true, liftRate},
		"rate-own":        {"rate", true, ownRate},
		"cancel":          {"cancel", true, onJob((*fleet.Node).Cancel)},
		"uncancel":        {"uncancel", true, onJob((*fleet.Node).Uncancel)},
		"drain":           {"drain", true, drain},
		"redrive-one":     {"re-drive", false, redriveOne},
		"purge-one":       {"purge", false, purgeOne},
		"redrive":         {"re-drive", false, startBulk},
		"purge":           {"purge", false, startBulk},
		"stop":            {"stop", false, stopBulk},
		"pause-plan":      {"pause plan", false, onPlan((*schedule.Plans).Pause)},
		"resume-plan":     {"resume plan", false, onPlan((*schedule.Plans).Resume)},
		"fire-plan":       {"fire plan", false, onPlan((*schedule.Plans).RunNow)},
	}
}

var (
	errNoNode   = errors.New("this dashboard has no node of a fleet; only queues, letters and plans can be changed")
	errNoQueue  = errors.New("this dashboard has no queue of that name")
	errNoPlans  = errors.New("this dashboard has no set of plans of that name")
	errNoLetter = errors.New("the letter is not there any longer; someone may have re-driven or removed it")
	errNotSure  = errors.New("the box that confirms the action was not ticked")
)

// back is the page that shows the result: the one that the form was on, if it has a list.
func (a *acting) back(name string, values ...string) {
	q := url.Values{}
	for i := 0; i+1 < len(values); i += 2 {
		q.Set(values[i], values[i+1])
	}
	if a.r.URL.Query().Get("from") == "commands" {
		name, q = "commands", url.Values{}
	}
	a.to = here(name) + "?" + q.Encode()
}

func onQueue(f func(*fleet.Node, context.Context, string, gentask.Author) (*fleet.Command, error),
) func(*acting) (*fleet.Command, error) {
	return func(a *acting) (*fleet.Command, error) {
		a.back("queue", "queue", a.Queue)
		return f(a.node(), a.ctx, a.Queue, a.by())
	}
}

func onJob(f func(n *fleet.Node, ctx context.Context, queue, id string, by gentask.Author) (*fleet.Command, error),
) func(*acting) (*fleet.Command, error) {
	return func(a *acting) (*fleet.Command, error) {
		a.back("jobs")
		return f(a.node(), a.ctx, a.Queue, a.Job, a.by())
	}
}

func setConcurrency(a *acting) (*fleet.Command, error) {
	a.back("queue", "queue", a.Queue)
	a.Value = clip(a.r.PostFormValue("value"), maxReason)
	n, err := strconv.Atoi(strings.TrimSpace(a.Value))
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%w: the concurrency is %q; want a whole number from 1", queue.ErrConfig, a.Value)
	}
	return a.node().SetConcurrency(a.ctx, a.Queue, n, a.by())
}

func ownConcurrency(a *acting) (*fleet.Command, error) {
	a.back("queue", "queue", a.Queue)
	a.Value = "as configured"
	return a.node().SetConcurrency(a.ctx, a.Queue, 0, a.by())
}

func setRate(a *acting) (*fleet.Command, error) {
	a.back("queue", "queue", a.Queue)
	a.Value = clip(a.r.PostFormValue("value"), maxReason)
	f, err := strconv.ParseFloat(strings.TrimSpace(a.Value), 64)
	if err != nil || !(f > 0) { // true for NaN
		return nil, fmt.Errorf("%w: the rate is %q; want a number above 0", queue.ErrConfig, a.Value)
	}
	return a.node().SetRate(a.ctx, a.Queue, &gentask.Rate{PerSecond: f}, a.by())
}

func liftRate(a *acting) (*fleet.Command, error) {
	a.back("queue", "queue", a.Queue)
	a.Value = "no limit"
	return a.node().SetRate(a.ctx, a.Queue, &gentask.Rate{}, a.by())
}

func ownRate(a *acting) (*fleet.Command, error) {
	a.back("queue", "queue", a.Queue)
	a.Value = "as configured"
	return a.node().SetRate(a.ctx, a.Queue, nil, a.by())
}

func drain(a *acting) (*fleet.Command, error) {
	a.back("node", "node", a.Node)
	if a.r.PostFormValue("sure") == "" {
		return nil, errNotSure
	}
	return a.node().Drain(a.ctx, a.Node, a.by())
}

func onPlan(f func(*schedule.Plans, context.Context, string) error) func(*acting) (*fleet.Command, error) {
	return func(a *acting) (*fleet.Command, error) {
		a.back("plans")
		set, name := a.r.URL.Query().Get("set"), a.r.URL.Query().Get("plan")
		a.Plan = set + "/" + name
		for _, p := range a.board.cfg.Plans {
			if p.Name == set {
				if err := f(p.Plans, a.ctx, name); err != nil {
					return nil, err
				}
				a.Result = "done; the nodes follow within moments"
				return nil, nil //nolint:nilnil // plans have no command
			}
		}
		return nil, errNoPlans
	}
}
