package browsertest

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/dashboard"
)

// everyone may do everything: the requests of a proxy are not local ones.
func everyone(c *dashboard.Config) {
	c.Access = func(*http.Request) dashboard.Access { return dashboard.AccessOperate }
}

// TestPrefixes: wherever the dashboard is mounted, and wherever a proxy shows it, links lead to its
// pages, the numbers are live, and actions lead back to a page.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	for name, mount := range map[string]func(s *shop, h http.Handler) string{
		"mounted": func(s *shop, h http.Handler) string {
			mux := http.NewServeMux()
			mux.Handle("/ops/jobs/", h)
			return serve(s.t, mux) + "ops/jobs/"
		},
		"behind a proxy with the same path": func(s *shop, h http.Handler) string {
			return serve(s.t, proxy(s.t, serve(s.t, h), "", true)) + "ops/jobs/"
		},
		"behind a proxy with another path": func(s *shop, h http.Handler) string {
			return serve(s.t, proxy(s.t, serve(s.t, h)+"ops/jobs", "/a/b/c", true)) + "a/b/c/"
		},
		"behind a proxy that changes the host": func(s *shop, h http.Handler) string {
			return serve(s.t, proxy(s.t, serve(s.t, h)+"ops/jobs", "/admin", false)) + "admin/"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, inMemory(t), everyone, func(c *dashboard.Config) { c.Prefix = "/ops/jobs/" })
			s.publish("fail", 2)
			s.publish("wait", 1)
			s.letters(2)
			home := mount(s, s.pages)
			p := newTab(t) // whose check comes before its server ends
			p.visit(home)
			p.follow(`a[href^="queue?"]`)
			s.publish("fail", 4321)
			p.until("the numbers are live", `/4[,.  ]?323/.test(document.querySelector('main').innerText)`)
			p.press("pause")
			waitFor(t, "paused", func() bool { return s.health().Overrides.Paused.Value })
			require.True(t, strings.HasPrefix(eval[string](p, "location.href"), home))
			if strings.Contains(name, "another") {
				p.crawl(home, func(at string) { require.Empty(t, p.faults(), at) })
			}
		})
	}
}

// proxy returns a proxy that shows a server's pages below another path.
func proxy(t testing.TB, to, path string, keepHost bool) http.Handler {
	t.Helper()
	target, err := url.Parse(strings.TrimSuffix(to, "/"))
	require.NoError(t, err)
	return http.StripPrefix(path, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
		if keepHost {
			r.Out.Host = r.In.Host
		}
	}})
}
