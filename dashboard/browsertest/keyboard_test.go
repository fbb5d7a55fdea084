package browsertest

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// prepareControls keeps the controls of a page that can be seen, and how each looks without the
// focus. Of radio buttons the keyboard reaches the one that is chosen.
const prepareControls = `(() => {
	const look = e => { const s = getComputedStyle(e); return [s.outlineStyle, s.outlineWidth, s.boxShadow, s.backgroundColor, s.borderColor].join() };
	const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')].filter(e =>
		!e.disabled && e.type !== 'hidden' && !(e.type === 'radio' && !e.checked) && e.checkVisibility({visibilityProperty: true}));
	window.controls = new Map(all.map(e => [e, look(e)]));
	window.reached = new Set();
	window.unseen = [];
	window.look = look;
	return all.length;
})()`

// visitFocus notes which control has the focus now, and whether that can be seen.
const visitFocus = `(() => {
	const e = document.activeElement;
	if (!controls.has(e) || reached.has(e)) return reached.size;
	reached.add(e);
	const r = e.getBoundingClientRect();
	if (look(e) === controls.get(e)) unseen.push('looks the same: ' + e.outerHTML.slice(0, 200));
	if (r.bottom < 0 || r.top > innerHeight) unseen.push('is outside of the window: ' + e.outerHTML.slice(0, 200));
	return reached.size;
})()`

// TestKeyboard: the Tab key reaches each control of the queue's page, and one sees where it is.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	s := openBusyShop(t)
	p := newTab(t)
	p.visit(s.queuePage() + "&live=off") // no control is replaced meanwhile
	n := eval[int](p, prepareControls)
	require.Greater(t, n, 5, "controls")
	for range n + 5 {
		p.do("Tab", chromedp.KeyEvent(kb.Tab))
		if eval[int](p, visitFocus) == n {
			break
		}
	}
	missed := eval[[]string](p, `[...controls.keys()].filter(e => !reached.has(e)).map(e => e.outerHTML.slice(0, 200))`)
	require.Empty(t, missed, "controls that Tab does not reach")
	require.Empty(t, eval[[]string](p, "unseen"), "controls whose focus can't be seen")
}

// TestFocusStays: what the operator types and where the focus is survive the numbers that change
// around them.
func TestFocusStays(t *testing.T) {
	t.Parallel()
	s := openShop(t, inMemory(t))
	p := newTab(t)
	p.visit(s.queuePage())
	const inputs = `[...document.querySelectorAll('main input:not([type=hidden])')].filter(e => e.checkVisibility())`
	require.NotEmpty(t, eval[[]string](p, inputs+`.map(e => e.outerHTML)`))
	eval[bool](p, `(() => { window.mine = `+inputs+`[0]; mine.focus(); mine.value = '7'; return true })()`)
	before := eval[string](p, numbers)
	s.publish("fail", 5)
	s.letters(5)
	p.until("a number changes", numbers+` !== '`+before+`'`)
	require.True(t, eval[bool](p, `mine.isConnected && document.activeElement === mine && mine.value === '7'`))
}

// numbers are all digits that a page shows.
const numbers = `document.querySelector('main').innerText.replace(/[^0-9]+/g, ' ')`

// TestSlowClick: a link in a table that is live works, too, for those who hold the mouse button for
// longer than the table stays the same.
func TestSlowClick(t *testing.T) {
	t.Parallel()
	s := openBusyShop(t)
	p := newTab(t)
	p.visit(s.url + "jobs")
	const link = `document.querySelector('main a[href^="job?"]')`
	p.until("a job is shown", link)
	at := eval[[]float64](p, `(() => { const r = `+link+`.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()`)
	p.do("press", chromedp.MouseEvent(input.DispatchMouseEventTypeMousePressed, at[0], at[1], chromedp.ButtonLeft, chromedp.ClickCount(1)))
	p.until("the table would have changed", fmt.Sprintf("performance.now() > %v", eval[float64](p, "performance.now()")+2500))
	p.do("release", chromedp.MouseEvent(input.DispatchMouseEventTypeMouseReleased, at[0], at[1], chromedp.ButtonLeft, chromedp.ClickCount(1)))
	p.until("the page of the job", `location.pathname.endsWith('/job')`)
}

// TestSelectionStays: a text that is selected in a part that is live stays so, and the part catches
// up when it no longer is.
func TestSelectionStays(t *testing.T) {
	t.Parallel()
	s := openShop(t, inMemory(t))
	p := newTab(t)
	p.visit(s.queuePage())
	const figures = `document.querySelector('[sse-swap=figures]')`
	const others = `document.querySelector('[sse-swap=consumers]').innerText`
	selected := eval[string](p, `(() => { getSelection().selectAllChildren(`+figures+`); return getSelection().toString() })()`)
	before := eval[string](p, others)
	s.publish("fail", 77)
	s.letters(77)
	p.until("another part changes", fmt.Sprintf("%s !== %q", others, before))
	require.Equal(t, selected, eval[string](p, "getSelection().toString()"))
	eval[bool](p, "getSelection().removeAllRanges() ?? true")
	p.until("the part catches up", figures+`.innerText.includes('77')`)
}
