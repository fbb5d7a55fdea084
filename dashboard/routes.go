package dashboard

import (
	"net/http"
	"path"
	"strings"
)

// mostForm is the most bytes of a form.
const mostForm = 64 << 10

// serve asks for access, and routes the request by the path below the prefix. All pages are in one
// directory, so links need no path, and any proxy may move it.
func (d *Dashboard) serve(w http.ResponseWriter, r *http.Request) {
	level := d.access(r)
	if level == AccessNone {
		d.hooks.log.Warn("dashboard: access refused", "path", r.URL.Path, "remote", remote(r))
		d.fail(w, r, http.StatusForbidden, "You have no access to this dashboard",
			"Ask its operators. Without Config.Access, only programs on the same machine have it.")
		return
	}
	below, ok := strings.CutPrefix(r.URL.Path, d.cfg.Prefix)
	switch {
	case !ok && r.URL.Path+"/" == d.cfg.Prefix:
		redirect(w, path.Base(r.URL.Path)+"/")
	case !ok:
		d.notFound(w, r)
	case below == "action":
		d.serveAction(w, r, level)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		d.fail(w, r, http.StatusMethodNotAllowed, "A page can only be read",
			"Use the forms of the pages to change something.")
	case below == "stream":
		d.serveStream(w, r, level)
	case strings.HasPrefix(below, "assets/"):
		if !d.assets.serve(w, r, strings.TrimPrefix(below, "assets/")) {
			d.notFound(w, r)
		}
	default:
		d.servePage(w, r, below, level)
	}
}

// redirect sends the browser to a relative URL, which it resolves by the address that it sees.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

func (d *Dashboard) servePage(w http.ResponseWriter, r *http.Request, name string, level Access) {
	p := pageNamed(name)
	if p == nil {
		d.notFound(w, r)
		return
	}
	v := d.view(p, r, level)
	v.Token = token(w, r)
	v.Notice = d.notice(r)
	if v.Data = p.model(d, v); v.Data == nil {
		d.notFound(w, r)
		return
	}
	d.render(w, r, http.StatusOK, v)
}

func (d *Dashboard) notFound(w http.ResponseWriter, r *http.Request) {
	d.fail(w, r, http.StatusNotFound, "There is no such page", "The address may be of an earlier version.")
}
