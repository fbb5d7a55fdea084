package browsertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
)

// author gives commands beside the pages.
var author = gentask.Author{By: "ana", Reason: "a test"}

// press presses the button of an action, and waits for the page that tells what became of it. The
// button is pressed by a script, because a page that is live may move it away from the mouse.
func (p *tab) press(action string) {
	p.t.Helper()
	p.until("there is a button to "+action, fmt.Sprintf("document.querySelector('button[name=do][value=%s]')", action))
	p.after("pressing "+action, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.querySelector('button[name=do][value=%s]').click()", action)))
}

// enter types into the field "value" of the form that has the button of an action.
func (p *tab) enter(action, text string) {
	p.t.Helper()
	field := fmt.Sprintf("form:has(button[value=%q]) [name=value]", action)
	p.do("type "+text, chromedp.SendKeys(chromedp.CSS(field), text))
}

// TestBrokers: over each kind of broker, each page loads without a complaint of the browser, and
// each action has its effect.
func TestBrokers(t *testing.T) {
	t.Parallel()
	for name, open := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, open(t))
			p := newTab(t)
			s.load(p)
			s.command(p)
			s.cancel(p)
			s.treatLetters(p)
			s.pausePlan(p)
		})
	}
}

// load visits all pages, with something of everything on them.
func (s *shop) load(p *tab) {
	s.t.Helper()
	s.publish("fail", 3)
	s.publish("panic", 4)
	s.publish("wait", 2)
	s.letters(7)
	p.crawl(s.url, func(at string) {
		require.NotEmpty(s.t, eval[string](p, "document.querySelector('main h1').innerText"), at)
		require.Empty(s.t, p.faults(), at)
	})
}

// command presses what is on the page of the queue, and its consumer follows.
func (s *shop) command(p *tab) {
	s.t.Helper()
	p.visit(s.queuePage())
	follows := func(what string, condition func(gentask.Health) bool) {
		s.t.Helper()
		waitFor(s.t, what, func() bool { return condition(s.health()) })
	}
	p.press("pause")
	follows("paused", func(h gentask.Health) bool { return h.Overrides.Paused.Value })
	s.publish("ack", 1)
	p.press("resume")
	follows("resumed", func(h gentask.Health) bool { return !h.Overrides.Paused.Value && h.Done == 1 })
	p.enter("concurrency", "3")
	p.press("concurrency")
	follows("three at a time", func(h gentask.Health) bool { return h.Concurrency == 3 })
	p.press("concurrency-own")
	follows("as many as configured", func(h gentask.Health) bool { return h.Concurrency == 16 })
	p.enter("rate", "500")
	p.press("rate")
	follows("500 each second", func(h gentask.Health) bool { return h.Rate.PerSecond == 500 })
	p.press("breaker-open")
	follows("a breaker is open", func(h gentask.Health) bool { return len(h.Breakers) == 1 })
	p.press("breaker-release")
	follows("no breaker is open", func(h gentask.Health) bool { return len(h.Breakers) == 0 })
	require.Equal(s.t, []string{"pause", "resume", "concurrency", "concurrency", "rate", "breaker open", "breaker release"}, s.done())
}

// done returns the actions that were done since the last call, in order.
func (s *shop) done() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.actions {
		if a.Err == nil {
			names = append(names, a.Name)
		}
	}
	s.actions = nil
	return names
}

// cancel cancels one of two jobs that run.
func (s *shop) cancel(p *tab) {
	s.t.Helper()
	waitFor(s.t, "two jobs run", func() bool { return s.health().Running == 2 })
	p.visit(s.url + "jobs")
	p.until("both jobs are shown", `['wait-1', 'wait-2'].every(id => document.querySelector('main').innerText.includes(id))`)
	p.follow(`main a[href^="job?"]`)
	p.press("cancel")
	waitFor(s.t, "one job runs", func() bool { return s.health().Running == 1 })
	require.Equal(s.t, []string{"cancel"}, s.done())
}

// treatLetters gives one letter back, then those of a group, and purges the rest.
func (s *shop) treatLetters(p *tab) {
	s.t.Helper()
	list := s.url + "letters?" + s.query()
	p.visit(list)
	p.follow(`main a[href^="letter?"]`)
	id := eval[string](p, `document.body.innerText.match(/(fail|panic|wait)-[1-4]/)[0]`)
	p.press("redrive-one")
	waitFor(s.t, id+" runs again", func() bool { return s.runs(id) == 2 })

	p.visit(list)
	p.follow(`main a[href*="fp="]`) // the group of panics
	p.follow(`main a[href^="bulk?"][href*="do=redrive"]`)
	before := s.health().DeadLettered
	p.press("redrive")
	waitFor(s.t, "the panics have died again", func() bool { return s.health().DeadLettered >= before+4 && s.runs("panic-4") >= 2 })
	waitFor(s.t, "the re-drive has ended", func() bool { return slices.Contains(s.ended("re-drive"), "ended: 4 letters given back") })

	for n := range 3 { // RabbitMQ hides letters that were just read
		p.visit(list)
		p.follow(`main a[href^="bulk?"][href*="do=purge"]`)
		p.do("be sure", chromedp.Click(chromedp.CSS("main input[type=checkbox]")))
		p.press("purge")
		waitFor(s.t, "the purge has ended", func() bool { return len(s.ended("purge")) > n })
		if stats, err := s.orders.Inspect(within(s.t)); err == nil && stats.DeadLettered == 0 {
			break
		}
	}
	s.letters(0)
}

// ended returns the results of actions of that name that went on in the background.
func (s *shop) ended(name string) (results []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.actions {
		if a.Name == name && strings.HasPrefix(a.Result, "ended") {
			results = append(results, a.Result)
		}
	}
	return results
}

// pausePlan pauses a plan, and resumes it.
func (s *shop) pausePlan(p *tab) {
	s.t.Helper()
	paused := func(is bool) func() bool {
		return func() bool {
			list, err := s.plans.List(within(s.t))
			return err == nil && list[0].Paused == is
		}
	}
	p.visit(s.url + "plans")
	p.press("pause-plan")
	waitFor(s.t, "the plan rests", paused(true))
	p.press("resume-plan")
	waitFor(s.t, "the plan goes on", paused(false))
}

// TestWithoutScript: all that an operator needs works without JavaScript.
func TestWithoutScript(t *testing.T) {
	t.Parallel()
	s := openShop(t, inMemory(t))
	s.publish("fail", 1)
	s.letters(1)
	p := newTab(t)
	p.withoutScript()
	p.visit(s.queuePage())
	p.submit(`button[name=do][value=pause]`)
	waitFor(t, "paused", func() bool { return s.health().Overrides.Paused.Value })
	p.visit(s.url + "letters?" + s.query())
	p.follow(`main a[href^="letter?"]`)
	p.submit(`button[name=do][value=redrive-one]`)
	waitFor(t, "the letter is back in the queue", func() bool {
		stats, err := s.orders.Inspect(t.Context())
		return err == nil && stats.DeadLettered == 0 && stats.Left() == 1
	})
	require.Equal(t, []string{"pause", "re-drive"}, s.done())
}
