package browsertest

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// links are the addresses that a page links to.
const links = `[...document.querySelectorAll('a[href]')].map(a => a.href.split('#')[0])`

// crawl visits a page and all pages below it that links lead to, and calls f at each. Of pages of
// one kind it visits the first one.
func (p *tab) crawl(start string, f func(at string)) {
	p.t.Helper()
	seen := []string{kind(p.t, start)}
	for next := []string{start}; len(next) > 0; next = next[1:] {
		p.visit(next[0])
		for _, link := range eval[[]string](p, links) {
			if strings.HasPrefix(link, start) && !slices.Contains(seen, kind(p.t, link)) {
				seen = append(seen, kind(p.t, link))
				next = append(next, link)
			}
		}
		f(next[0])
	}
	require.GreaterOrEqual(p.t, len(seen), 6, "kinds of pages: %q", seen)
}

// kind is what the addresses of pages of one kind have in common: the path, and which parameters
// there are.
func kind(t testing.TB, at string) string {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	q := u.Query()
	q.Del("live") // the same page, on hold
	return u.Path + "?" + strings.Join(slices.Sorted(maps.Keys(q)), "&")
}

// queuePage is the page of the shop's queue.
func (s *shop) queuePage() string { return s.queuePageAt(s.url) }

func (s *shop) queuePageAt(home string) string { return home + "queue?" + s.query() }

// query names the shop's queue in an address.
func (s *shop) query() string { return url.Values{"queue": {s.orders.Name()}}.Encode() }
