package dashboard

import (
	"context"
	"net/http"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
)

const (
	// actionTime bounds an action, and reportTime how long the response waits for the nodes.
	actionTime = 10 * time.Second
	reportTime = 2 * time.Second

	// maxReason is the most bytes of an operator's reason.
	maxReason = 1000
)

// acting is an action on its way.
type acting struct {
	Action
	ctx   context.Context //nolint:containedctx // it ends with the action
	board *Dashboard
	r     *http.Request
	verb  verb
	to    string // the page to return to
	then  func() // what follows when the action is recorded; nil for nothing
}

// serveAction does what a form asks for, and sends the browser to a page that shows the result.
func (d *Dashboard) serveAction(w http.ResponseWriter, r *http.Request, level Access) {
	if !d.mayAct(w, r, level) {
		return
	}
	name := r.PostFormValue("do")
	v, ok := verbs()[name]
	if !ok {
		d.fail(w, r, http.StatusBadRequest, "There is no such action",
			"The form may be of an earlier version. Load the page again.")
		return
	}
	ctx, cancel := context.WithTimeout(d.life, actionTime) // a browser that leaves does not stop it
	defer cancel()
	q := r.URL.Query()
	a := &acting{ctx: ctx, board: d, r: r, verb: v, Action: Action{
		Time: time.Now().UTC(), Author: d.author(r), Reason: clip(r.PostFormValue("reason"), maxReason), Name: v.name,
		Queue: q.Get("queue"), Node: q.Get("node"), Job: q.Get("job"), Letter: q.Get("letter"),
	}}
	o := a.do()
	d.outcomes.add(o)
	d.record(r.Context(), o.action)
	if a.then != nil && a.Err == nil {
		a.then()
	}
	redirect(w, o.link())
}

// mayAct reports whether a request may act; if not, it has got its response.
func (d *Dashboard) mayAct(w http.ResponseWriter, r *http.Request, level Access) bool {
	refuse := func(status int, title, help string) bool {
		d.hooks.log.Warn("dashboard: action refused", "why", title, "remote", remote(r))
		d.fail(w, r, status, title, help)
		return false
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return refuse(http.StatusMethodNotAllowed, "An action needs a form", "Use the buttons of the pages.")
	}
	if level < AccessOperate {
		return refuse(http.StatusForbidden, "You may look, but not change anything",
			"Ask the operators of this dashboard.")
	}
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	if err := r.ParseForm(); err != nil {
		return refuse(http.StatusBadRequest, "The form can't be read", "Load the page again, and repeat the action.")
	}
	if why := forged(r); why != "" {
		return refuse(http.StatusForbidden, "The form was not accepted", why)
	}
	return true
}

// do carries out the action, and returns what became of it.
func (a *acting) do() *outcome {
	o := newOutcome()
	a.back("")
	if a.verb.fleet && a.board.node == nil {
		a.Err = errNoNode
	} else {
		o.command, a.Err = a.verb.run(a)
	}
	if o.command != nil && a.Err == nil {
		ctx, cancel := context.WithTimeout(a.ctx, reportTime)
		defer cancel()
		o.report(ctx)
		a.Result = o.acks.text()
	}
	if a.Err != nil {
		a.Result = "not done"
	}
	o.action, o.to = a.Action, a.to
	return o
}

// by returns who acts, for a command.
func (a *acting) by() gentask.Author { return gentask.Author{By: a.Author, Reason: a.Reason} }

// node returns the node through which commands are given.
func (a *acting) node() *fleet.Node { return a.board.node }

// record logs an action and calls Config.Audit.
func (d *Dashboard) record(ctx context.Context, a Action) {
	attrs := []any{"author", a.Author, "action", a.Name, "result", a.Result}
	for _, one := range []struct{ name, value string }{
		{"queue", a.Queue},
		{"on_node", a.Node},
		{"job", a.Job},
		{"letter", a.Letter},
		{"plan", a.Plan},
		{"value", a.Value},
		{"reason", a.Reason},
	} {
		if one.value != "" {
			attrs = append(attrs, one.name, one.value)
		}
	}
	if a.Err != nil {
		d.hooks.log.Warn("dashboard: action failed", append(attrs, "error", a.Err)...)
	} else {
		d.hooks.log.Info("dashboard: action", attrs...)
	}
	if d.cfg.Audit != nil {
		ask(context.WithoutCancel(ctx), d.hooks, d.hooks.audit, func() struct{} { d.cfg.Audit(a); return struct{}{} })
	}
}
