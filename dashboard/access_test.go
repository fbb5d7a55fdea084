package dashboard_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/queue/memory"
)

// every is one request for each route.
func every(w *world) []*http.Request {
	var all []*http.Request
	for _, path := range []string{
		"/", "/queue?queue=emails", "/jobs", "/job?job=x", "/letters?queue=emails", "/letter?queue=emails&key=x",
		"/bulk?queue=emails", "/plans", "/events", "/node?node=x", "/commands", "/stream?page=", "/assets/style.css", "/none",
	} {
		all = append(all, w.request(http.MethodGet, path, ""))
	}
	return append(all, w.request(http.MethodPost, "/action?queue=emails", "do=pause"))
}

// TestAccess_None refuses each route, also if the function panics or returns another value.
func TestAccess_None(t *testing.T) {
	for name, f := range map[string]func(*http.Request) dashboard.Access{
		"none":  func(*http.Request) dashboard.Access { return dashboard.AccessNone },
		"panic": func(*http.Request) dashboard.Access { panic("no") },
		"other": func(*http.Request) dashboard.Access { return 77 },
	} {
		w := newWorld(t, "emails", func(c *dashboard.Config) { c.Access = f })
		for _, r := range every(w) {
			res := w.do(r)
			require.Equal(t, http.StatusForbidden, res.StatusCode, "%s: %s", name, r.URL)
			require.NotContains(t, res.body, "emails", "%s: %s", name, r.URL)
		}
		require.Equal(t, name == "panic", w.Hooks()["Config.Access"].Failed > 0)
	}
}

// TestAccess_Read shows all pages without forms, and refuses each action.
func TestAccess_Read(t *testing.T) {
	w := newWorld(t, "emails", func(c *dashboard.Config) {
		c.Access = func(*http.Request) dashboard.Access { return dashboard.AccessRead }
	})
	for _, path := range []string{"/", "/queue?queue=emails", "/jobs", "/letters?queue=emails", "/plans", "/commands", "/bulk?queue=emails"} {
		require.NotContains(t, w.get(path), `method="post"`, path)
	}
	for _, do := range []string{"pause", "cancel", "drain", "redrive", "purge", "pause-plan"} {
		require.Equal(t, http.StatusForbidden, w.post(of("queue", "emails"), "do", do, "sure", "yes").StatusCode, do)
	}
	require.Empty(t, w.consumer.Health().Overrides.Kinds())
	require.Empty(t, w.actions)
}

// TestAccess_Default lets programs of this machine in, and no page of another site whose name is
// resolved to it, nor what a proxy forwards.
func TestAccess_Default(t *testing.T) {
	q := memory.New(memory.Config{})
	defer q.Close()
	d, err := dashboard.New(nil, dashboard.Config{Queues: []dashboard.Queue{q}})
	require.NoError(t, err)
	defer d.Close()
	for _, c := range []struct {
		remote, host, header string
		status               int
	}{
		{"127.0.0.1:1", "localhost:8080", "", 200},
		{"[::1]:1", "[::1]:8080", "", 200},
		{"[::ffff:127.0.0.1]:1", "127.0.0.1", "", 200},
		{"10.0.0.1:1", "localhost", "", 403},
		{"127.0.0.1:1", "evil.example", "", 403},
		{"127.0.0.1:1", "localhost", "X-Forwarded-For", 403},
		{"127.0.0.1:1", "localhost", "Forwarded", 403},
		{"@", "localhost", "", 403},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = c.remote, c.host
		if c.header != "" {
			r.Header.Set(c.header, "1")
		}
		rec := httptest.NewRecorder()
		d.ServeHTTP(rec, r)
		require.Equal(t, c.status, rec.Code, c)
	}
}

// TestActions_NeedTheirForm: a POST from elsewhere, without the token, or with another one, is
// refused, and so is any other method.
func TestActions_NeedTheirForm(t *testing.T) {
	w := newWorld(t, "emails", nil)
	w.get("/")
	form := url.Values{"do": {"pause"}, "token": {w.cookie}}
	for name, change := range map[string]func(r *http.Request){
		"cross-site":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"same-site":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"foreign":      func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
		"null":         func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
		"no cookie":    func(r *http.Request) { r.Header.Del("Cookie") },
		"other cookie": func(r *http.Request) { r.Header.Set("Cookie", "gentask-dashboard="+strings.Repeat("A", 26)) },
		"short cookie": func(r *http.Request) { r.Header.Set("Cookie", "gentask-dashboard=") },
		"other type":   func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"token in link": func(r *http.Request) {
			r.URL.RawQuery += "&token=" + w.cookie
			r.Header.Set("Content-Type", "text/plain")
		},
	} {
		r := w.request(http.MethodPost, "/action?queue=emails", form.Encode())
		change(r)
		require.Equal(t, http.StatusForbidden, w.do(r).StatusCode, name)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
		res := w.do(w.request(method, "/action?do=pause&queue=emails&token="+w.cookie, form.Encode()))
		require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode, method)
		require.Equal(t, http.MethodPost, res.Header.Get("Allow"))
	}
	for _, path := range []string{"/", "/queue?queue=emails", "/stream?page="} {
		require.Equal(t, http.StatusMethodNotAllowed, w.do(w.request(http.MethodPost, path, form.Encode())).StatusCode, path)
	}
	long := w.request(http.MethodPost, "/action?queue=emails", form.Encode()+"&reason="+strings.Repeat("x", 1<<20))
	require.Equal(t, http.StatusBadRequest, w.do(long).StatusCode)
	require.Empty(t, w.consumer.Health().Overrides.Kinds())
	require.Empty(t, w.actions)
	r := w.request(http.MethodPost, "/action?queue=emails", form.Encode())
	r.Header.Set("Origin", "http://example.com")
	r.Header.Del("Sec-Fetch-Site")
	require.Equal(t, http.StatusSeeOther, w.do(r).StatusCode, "the same host")
}

// TestCookie_IsForThisPageOnly: no script reads it, no other site sends it, and it is secure where
// the page is.
func TestCookie_IsForThisPageOnly(t *testing.T) {
	w := newWorld(t, "emails", nil)
	for _, secure := range []bool{false, true} {
		r := w.request(http.MethodGet, "/", "")
		if r.Header.Del("Cookie"); secure {
			r.TLS = &tls.ConnectionState{}
		}
		c := w.do(r).cookies[0]
		require.True(t, c.HttpOnly)
		require.Equal(t, http.SameSiteStrictMode, c.SameSite)
		require.Equal(t, secure, c.Secure)
		require.Empty(t, c.Path)
	}
}

// TestPrefix: the pages are below any prefix, and all of their links are relative.
func TestPrefix(t *testing.T) {
	for _, prefix := range []string{"", "/jobs", "/a/b c/"} {
		w := newWorld(t, "emails", func(c *dashboard.Config) { c.Prefix = prefix })
		base := strings.TrimRight(prefix, "/") + "/"
		at := (&url.URL{Path: base}).EscapedPath()
		page := w.get(at)
		for _, l := range append(links(page, ""), links(strings.ReplaceAll(page, `src="`, `href="`), "")...) {
			if strings.HasPrefix(l, "#") {
				continue
			}
			require.NotEqual(t, byte('/'), l[0], l)
			require.NotContains(t, l, "://")
			u, err := (&url.URL{Path: base}).Parse(l)
			require.NoError(t, err)
			w.get(u.RequestURI())
		}
		res := w.do(w.request(http.MethodPost, at+"action?queue=emails", url.Values{"token": {w.cookie}, "do": {"pause"}}.Encode()))
		require.NotEqual(t, byte('/'), res.Header.Get("Location")[0])
		if base != "/" {
			res := w.do(w.request(http.MethodGet, strings.TrimRight(at, "/"), ""))
			require.Equal(t, http.StatusSeeOther, res.StatusCode)
			require.True(t, strings.HasSuffix(base, "/"+res.Header.Get("Location")))
			require.Equal(t, http.StatusNotFound, w.do(w.request(http.MethodGet, "/elsewhere", "")).StatusCode)
		}
	}
}
