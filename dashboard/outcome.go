package dashboard

import (
	"context"
	"crypto/rand"
	"net/http"
	"sync"

	"github.com/gentask/gentask/fleet"
)

// outcome is what became of an action, for the page that the browser is sent to.
type outcome struct {
	id      string
	action  Action
	command *fleet.Command // nil if no node has to follow
	to      string

	mu   sync.Mutex
	acks acks
}

func newOutcome() *outcome { return &outcome{id: rand.Text()} }

// link returns the relative URL of the page that shows the outcome.
func (o *outcome) link() string { return o.to + "&done=" + o.id }

// report asks the nodes what they have made of the command.
func (o *outcome) report(ctx context.Context) {
	list, err := o.command.Report(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.acks = acks{list, err}
}

func (o *outcome) present() acks {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.acks
}

// acks are what the nodes have made of a command.
type acks struct {
	list []fleet.Ack
	err  error // why they could not be asked
}

// count returns how many consumers follow, how many nodes are pending, how many jobs were
// cancelled, and why consumers don't follow.
func (a acks) count() (follow, pending, jobs int, refusals []string) {
	for _, node := range a.list {
		if node.Pending {
			pending++
			continue
		}
		for _, c := range node.Consumers {
			jobs += c.Jobs
			if c.Error == "" {
				follow++
			} else {
				refusals = append(refusals, node.Node+", "+c.Name+": "+c.Error)
			}
		}
	}
	return follow, pending, jobs, refusals
}

// text returns a sentence for the log and the page.
func (a acks) text() string {
	if a.err != nil {
		return "given; the nodes could not be asked what they have made of it"
	}
	follow, pending, jobs, refusals := a.count()
	if len(a.list) == 0 {
		return "given; no node that answers has a consumer for it"
	}
	text := plural(follow, "consumer follows", "consumers follow")
	if jobs > 0 {
		text += ", " + plural(jobs, "job was", "jobs were") + " cancelled"
	}
	if pending > 0 {
		text += ", " + plural(pending, "node has", "nodes have") + " not carried it out yet"
	}
	if len(refusals) > 0 {
		text += ", " + plural(len(refusals), "consumer refuses", "consumers refuse")
	}
	return text
}

// mostOutcomes is how many outcomes are remembered.
const mostOutcomes = 256

// outcomes are those of the last actions. Its methods are safe for concurrent use.
type outcomes struct {
	mu   sync.Mutex
	list []*outcome
}

func (all *outcomes) add(o *outcome) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if len(all.list) == mostOutcomes {
		all.list = append(all.list[:0:0], all.list[1:]...)
	}
	all.list = append(all.list, o)
}

func (all *outcomes) get(id string) *outcome {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, o := range all.list {
		if o.id == id {
			return o
		}
	}
	return nil
}

// notice is the outcome of the last action on a page.
type notice struct {
	Tone  tone
	Title string
	Text  string
	Lines []string
	Again string // the page with the notice, if more may follow
}

// notice returns what became of the action that a request is about; nil if it is about none.
func (d *Dashboard) notice(r *http.Request) *notice {
	id := r.URL.Query().Get("done")
	if id == "" {
		return nil
	}
	o := d.outcomes.get(id)
	if o == nil {
		return &notice{
			Tone: toneIdle, Title: "The outcome of that action is not known here",
			Text: "The program was restarted, or another instance has done it. The page shows how things are now.",
		}
	}
	a := o.action
	if a.Err != nil {
		return &notice{Tone: toneBad, Title: a.title() + " was not done", Text: a.Err.Error(), Lines: hints(a.Err)}
	}
	n := &notice{Tone: toneOK, Title: a.title(), Text: a.Result}
	if o.command == nil {
		return n
	}
	n.fill(r.Context(), o)
	return n
}

// fill adds what the nodes have made of the command. Those that were pending are asked again.
func (n *notice) fill(ctx context.Context, o *outcome) {
	if _, pending, _, _ := o.present().count(); pending > 0 || o.present().err != nil {
		ctx, cancel := context.WithTimeout(ctx, reportTime/4)
		defer cancel()
		o.report(ctx)
	}
	now := o.present()
	_, pending, _, refusals := now.count()
	n.Text, n.Lines = now.text(), refusals
	if pending > 0 || now.err != nil {
		n.Tone, n.Again = toneWarn, o.link()
	}
	if len(refusals) > 0 {
		n.Tone = toneBad
	}
}

// title returns the action in words.
func (a *Action) title() string {
	text := map[string]string{
		"pause": "Pausing", "resume": "Resuming", "concurrency": "Setting the concurrency of",
		"rate": "Setting the rate of", "breaker open": "Opening the breakers of",
		"breaker release": "Releasing the breakers of", "breaker reset": "Resetting the breakers of",
		"cancel": "Cancelling", "uncancel": "Taking back the cancellation of",
		"drain": "Draining", "re-drive": "Re-driving", "purge": "Purging", "stop": "Stopping the work on",
		"pause plan": "Pausing plan", "resume plan": "Resuming plan",
		"fire plan": "Firing plan",
	}[a.Name]
	for _, target := range []string{a.Job, a.Plan, a.Node, a.Queue} {
		if target != "" {
			return text + " " + clip(target, 100)
		}
	}
	return text + " all queues"
}
