package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what should happen at once. It is for a machine that does
// much else.
const patience = 45 * time.Second

// tab is a tab of the browser, with cookies of its own. It keeps what goes wrong in its pages, and
// its test fails at its end if there is any.
type tab struct {
	t   testing.TB
	ctx context.Context

	mu    sync.Mutex
	wrong []string // errors and warnings of the console, dialogs, violations of the policy
	bytes float64  // received, with headers
}

func newTab(t testing.TB) *tab {
	t.Helper()
	p := &tab{t: t}
	ctx, closeTab := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.event))
	t.Cleanup(closeTab)
	require.NoError(t, chromedp.Do(ctx))
	p.ctx = ctx
	call(p, audits.Enable, cdp.Empty{})
	t.Cleanup(func() { require.Empty(t, p.faults(), "what the browser complains of") })
	return p
}

// event is called for each event of the tab, one after the other.
func (p *tab) event(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventLoadingFinished:
		p.bytes += ev.EncodedDataLength
	case *runtime.EventConsoleAPICalled:
		p.wrong = append(p.wrong, fmt.Sprintf("console.%s: %s", ev.Type, arguments(ev.Args)))
	case *runtime.EventExceptionThrown:
		p.wrong = append(p.wrong, "exception: "+ev.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError || ev.Entry.Level == log.EntryLevelWarning {
			p.wrong = append(p.wrong, fmt.Sprintf("%s: %s %s", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL))
		}
	case *audits.EventIssueAdded:
		if ev.Issue.Code == audits.InspectorIssueCodeContentSecurityPolicyIssue {
			p.wrong = append(p.wrong, fmt.Sprintf("policy: %+v", ev.Issue.Details.ContentSecurityPolicyIssueDetails))
		}
	case *page.EventJavascriptDialogOpening:
		p.wrong = append(p.wrong, "dialog: "+ev.Message)
		go func() { // the tab waits for an answer, and this goroutine must not
			_, _ = chromedp.Call(p.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}()
	}
}

func arguments(args []*runtime.RemoteObject) (text string) {
	for _, arg := range args {
		text += " " + string(arg.Value) + arg.Description
	}
	return text
}

// faults returns what has gone wrong, and forgets it.
func (p *tab) faults() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	wrong := p.wrong
	p.wrong = nil
	return wrong
}

// received returns how many bytes the tab has received since the last call.
func (p *tab) received() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := int(p.bytes)
	p.bytes = 0
	return n
}

// run runs an action in the tab, within patience.
func run[T any](p *tab, action chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, action)
}

// call sends a command to the browser.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	result, err := run(p, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, command, params) })
	require.NoError(p.t, err)
	return result
}

// do runs steps in the tab.
func (p *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	_, err := run(p, chromedp.Steps(steps...))
	require.NoError(p.t, err, what)
}

// visit loads a page, which must be there.
func (p *tab) visit(url string) {
	p.t.Helper()
	require.Equal(p.t, http.StatusOK, p.status(url), url)
}

// status loads a page, and returns its status.
func (p *tab) status(url string) int {
	p.t.Helper()
	response, err := run(p, chromedp.NavigateResponse(url))
	require.NoError(p.t, err, url)
	return int(response.Status)
}

// follow loads the page that the first such link leads to.
func (p *tab) follow(selector string) {
	p.t.Helper()
	p.until("there is a link "+selector, fmt.Sprintf("document.querySelector(%q)", selector))
	p.visit(eval[string](p, fmt.Sprintf("document.querySelector(%q).href", selector)))
}

// submit clicks the element, and waits for the page that it leads to.
func (p *tab) submit(selector string) {
	p.t.Helper()
	p.after(selector, chromedp.Click(chromedp.CSS(selector)))
}

// after runs a step, and waits for the page that it leads to.
func (p *tab) after(what string, step chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	_, err := chromedp.RunResponse(ctx, step)
	require.NoError(p.t, err, what)
}

// eval returns the value of an expression in the page. Promises are awaited.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	value, err := run(p, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(p.t, err, expression)
	return value
}

// until waits until an expression is true in the page, whichever page that is by then.
func (p *tab) until(what, expression string) {
	p.t.Helper()
	p.wait(what, func() bool {
		is, err := run(p, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		return err == nil && is // an error: the page was just replaced
	})
}

// wait waits until the condition holds.
func (p *tab) wait(what string, condition func() bool) {
	p.t.Helper()
	waitFor(p.t, what, condition)
}

func waitFor(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// resize makes the window as large as that.
func (p *tab) resize(width, height int64) {
	p.t.Helper()
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600,
	})
}

// prefer sets what the reader prefers: "light" or "dark".
func (p *tab) prefer(scheme string) {
	p.t.Helper()
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// withoutScript makes the tab run no JavaScript of its pages.
func (p *tab) withoutScript() {
	p.t.Helper()
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}
