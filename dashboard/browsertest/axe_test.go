package browsertest

import (
	_ "embed"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

//go:embed testdata/axe/axe.min.js
var axe string

// violation is a rule of accessibility that a page breaks.
type violation struct {
	ID     string   `json:"id"`
	Impact string   `json:"impact"`
	Help   string   `json:"help"`
	Nodes  []string `json:"nodes"`
}

// violations returns those that make a page hard or impossible to use for some readers. The options
// are those of axe.run.
func (p *tab) violations(options string) []violation {
	p.t.Helper()
	p.do("axe", chromedp.Evaluate[chromedp.Void](axe+";0"))
	return eval[[]violation](p, `axe.run(document, `+options+`).then(r => r.violations
		.filter(v => v.impact === 'serious' || v.impact === 'critical')
		.map(v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map(n => n.html + '\n' + n.failureSummary)})))`)
}

// TestAccessible: axe finds no serious fault on any page, neither in light colours nor in dark
// ones.
func TestAccessible(t *testing.T) {
	t.Parallel()
	s := openBusyShop(t)
	for scheme, options := range map[string]string{
		"light": `{resultTypes: ['violations']}`,
		"dark":  `{resultTypes: ['violations'], runOnly: ['color-contrast']}`, // all else is the same
	} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			p := newTab(t)
			p.prefer(scheme)
			p.crawl(s.url, func(url string) {
				for _, v := range p.violations(options) {
					t.Errorf("%s: %s, %s: %s", url, v.ID, v.Impact, v.Help)
					for _, node := range v.Nodes {
						t.Log(node)
					}
				}
			})
		})
	}
}

// wide are the elements that make a page wider than its window.
const wide = `[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
	.slice(0, 5).map(e => e.outerHTML.slice(0, 200))`

// TestNarrow: on a phone of 380 pixels no page scrolls sideways.
func TestNarrow(t *testing.T) {
	t.Parallel()
	s := openBusyShop(t)
	p := newTab(t)
	p.resize(380, 800)
	p.crawl(s.url, func(url string) {
		width := eval[int](p, "document.documentElement.scrollWidth")
		if width > 380 {
			t.Errorf("%s is %d pixels wide: %q", url, width, eval[[]string](p, wide))
		}
	})
}

// openBusyShop opens a shop whose pages have something of everything.
func openBusyShop(t testing.TB) *shop {
	t.Helper()
	s := openShop(t, inMemory(t))
	s.publish("ack", 20)
	s.publish("panic", 3)
	s.publish("fail", 3)
	s.publish("wait", 3)
	s.letters(6)
	_, err := s.node.SetConcurrency(within(t), s.orders.Name(), 3, author)
	require.NoError(t, err)
	_, err = s.node.OpenBreaker(within(t), s.orders.Name(), author)
	require.NoError(t, err)
	waitFor(t, fmt.Sprint("the commands are followed by ", s.orders.Name()), func() bool {
		h := s.health()
		return h.Concurrency == 3 && len(h.Breakers) > 0 && h.Running == 3
	})
	return s
}
