package browsertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/dashboard"
)

// form is a form of a page, with what its button would send.
type form struct {
	Action string            `json:"action"`
	Fields map[string]string `json:"fields"`
}

// pauseForm returns the form that pauses the queue of the page, token included.
func (p *tab) pauseForm() form {
	p.t.Helper()
	return eval[form](p, `(() => {
		const button = document.querySelector('button[name=do][value=pause]');
		const fields = Object.fromEntries(new FormData(button.form));
		return {action: button.form.action, fields: {...fields, do: 'pause'}};
	})()`)
}

// TestForgedForms: pages of another origin change nothing, although the browser has visited the
// dashboard, and even if they know its token.
func TestForgedForms(t *testing.T) {
	t.Parallel()
	s := openShop(t, inMemory(t))
	requests := &requests{next: s.pages}
	home := serve(t, requests)
	p := newTab(t)
	p.visit(s.queuePageAt(home))
	forged := p.pauseForm()
	fields, err := json.Marshal(forged.Fields)
	require.NoError(t, err)
	other := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, `<!DOCTYPE html><title>elsewhere</title><link rel=icon href="data:,"><p>You have won`)
	}))
	for _, from := range []string{other, strings.Replace(other, "127.0.0.1", "localhost", 1)} {
		for name, attack := range attacks {
			before := requests.count(" /action")
			p.visit(from)
			eval[bool](p, fmt.Sprintf(`(window.action = %q, window.fields = %s, true)`, forged.Action, fields))
			require.True(t, eval[bool](p, attack), name)
			p.wait(name+" is answered", func() bool { return requests.count(" /action") > before })
			require.Empty(t, s.done(), name)
			if strings.Contains(attack, "submit()") {
				p.until("the refusal is shown", fmt.Sprintf("location.href.startsWith(%q) && document.readyState === 'complete'", home))
			}
		}
	}
	require.False(t, s.health().Overrides.Paused.Value)
	p.visit(s.queuePageAt(home))
	p.press("pause")
	require.Equal(t, []string{"pause"}, s.done(), "the page itself may")
	p.faults() // some complaints come late
}

// attacks are scripts of another site, which has the form's address and its fields. Each is true
// once its request is on its way.
var attacks = map[string]string{
	"a form": `(() => {
		const f = document.createElement('form');
		f.method = 'post';
		f.action = action;
		for (const [name, value] of Object.entries(fields)) {
			const e = document.createElement('input');
			Object.assign(e, {name, value, type: 'hidden'});
			f.append(e);
		}
		document.body.append(f);
		f.submit();
		return true;
	})()`,
	"fetch": `fetch(action, {method: 'POST', mode: 'no-cors', credentials: 'include', body: new URLSearchParams(fields)})
		.then(() => true, () => true)`,
	"fetch with CORS": `fetch(action, {method: 'POST', credentials: 'include', headers: {'X-Requested-With': 'fetch'},
		body: new URLSearchParams(fields)}).then(() => true, () => true)`,
	"an address": `fetch(action + '&' + new URLSearchParams(fields), {mode: 'no-cors', credentials: 'include'}).then(() => true, () => true)`,
	"a beacon":   `navigator.sendBeacon(action, new URLSearchParams(fields))`,
}

// TestNotFramed: another page can't put the dashboard into a frame, and so can't lead its readers
// to buttons that they don't see.
func TestNotFramed(t *testing.T) {
	t.Parallel()
	s := openShop(t, inMemory(t))
	other := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<!DOCTYPE html><title>elsewhere</title><link rel=icon href="data:,"><iframe src="%s"></iframe>`, s.url)
	}))
	p := newTab(t)
	p.visit(other)
	p.wait("the browser refuses", func() bool { return len(p.faults()) > 0 })
}

// TestAccessLevels: who may only look finds no button, and a request that goes past the pages is
// refused. Who may not look gets no page.
func TestAccessLevels(t *testing.T) {
	t.Parallel()
	var level atomic.Uint32
	allow := func(a dashboard.Access) { level.Store(uint32(a)) }
	s := openShop(t, inMemory(t), func(c *dashboard.Config) {
		c.Access = func(*http.Request) dashboard.Access { return dashboard.Access(level.Load()) }
	})
	allow(dashboard.AccessOperate)
	s.publish("fail", 1)
	s.publish("wait", 1)
	s.letters(1)
	p := newTab(t)
	p.visit(s.queuePage())
	form := p.pauseForm()
	fields, err := json.Marshal(form.Fields)
	require.NoError(t, err)

	allow(dashboard.AccessRead)
	p.crawl(s.url, func(at string) {
		require.Empty(t, eval[[]string](p, `[...document.querySelectorAll('[name=do], form[method=post i]')].map(e => e.outerHTML)`), at)
	})
	status := eval[int](p, fmt.Sprintf(`fetch(%q, {method: 'POST', body: new URLSearchParams(%s)}).then(r => r.status)`, form.Action, fields))
	require.Equal(t, http.StatusForbidden, status)

	allow(dashboard.AccessNone)
	for _, at := range []string{s.url, s.queuePage(), s.url + "letters?" + s.query(), s.url + "stream?page="} {
		require.Equal(t, http.StatusForbidden, p.status(at), at)
		require.False(t, eval[bool](p, fmt.Sprintf("document.body.innerText.includes(%q)", s.orders.Name())), at)
	}
	p.faults() // the browser logs each refusal
	require.Empty(t, s.done())
}
