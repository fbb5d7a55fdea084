package dashboard

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

//go:embed templates/*.html
var templateFiles embed.FS

// page is a kind of page: its template, the parts of it that are live, and how its model is made.
type page struct {
	name, title string
	area        string   // the entry of the navigation that it belongs to
	live        []string // the fragments that its stream sends
	wants       []part
	model       func(*Dashboard, *view) any // nil for a page that does not exist
}

// allPages are the pages. The name is the path below the prefix.
func allPages() []*page {
	return []*page{
		{
			name: "", title: "Overview", area: "overview", model: overviewModel,
			live: []string{"figures", "chart", "alarms", "queues", "nodes"},
		},
		{
			name: "queue", title: "Queue", area: "queue", model: queueModel,
			live: []string{"figures", "chart", "alarms", "latency", "consumers"}, wants: []part{partLatency},
		},
		{name: "jobs", title: "Running jobs", area: "jobs", model: jobsModel, live: []string{"jobs"}},
		{name: "job", title: "Job", area: "jobs", model: jobModel, live: []string{"job"}},
		{name: "letters", title: "Dead letters", area: "queue", model: lettersModel, live: []string{"bulk", "fresh"}},
		{name: "letter", title: "Dead letter", area: "queue", model: letterModel},
		{name: "bulk", title: "Many letters", area: "queue", model: bulkModel},
		{
			name: "plans", title: "Plans", area: "plans", model: plansModel,
			live: []string{"plans"}, wants: []part{partPlans},
		},
		{
			name: "events", title: "Events", area: "events", model: eventsModel,
			live: []string{"events"}, wants: []part{partEvents},
		},
		{name: "node", title: "Node", model: nodeModel, live: []string{"node"}},
		{
			name: "commands", title: "Commands", area: "commands", model: commandsModel,
			live: []string{"commands"}, wants: []part{partCommands},
		},
	}
}

// pageNamed returns the page of that name; nil if there is none.
func pageNamed(name string) *page {
	for _, p := range allPages() {
		if p.name == name {
			return p
		}
	}
	return nil
}

// file is the page's template.
func (p *page) file() string {
	if p.name == "" {
		return "overview.html"
	}
	return p.name + ".html"
}

// loadPages parses the templates: one set for each page, and one for errors.
func loadPages(a *assets) map[string]*template.Template {
	base := template.Must(template.New("").Funcs(functions(a)).ParseFS(templateFiles,
		"templates/layout.html", "templates/shared.html"))
	all := map[string]*template.Template{}
	load := func(name, file string) {
		own := template.Must(base.Clone())
		all[name] = template.Must(own.ParseFS(templateFiles, "templates/"+file))
	}
	for _, p := range allPages() {
		load(p.name, p.file())
	}
	load("error", "error.html")
	return all
}

// view is what a template gets: the model of its page, and what all pages have.
type view struct {
	Title   string
	Area    string
	Page    string
	Root    string // the way from the address to the directory of the pages
	Bare    bool   // without navigation: an error
	Operate bool   // the forms of actions are shown
	Fleet   bool   // there is a node
	Plans   bool   // there are plans
	Live    bool   // the page follows a stream
	Toggle  string
	Stream  string
	Token   string
	Queues  []navQueue
	Notice  *notice
	Data    any

	page   *page
	query  url.Values
	sample *sample

	// fragmentsOnly is set for a stream: the model needs what is live only.
	fragmentsOnly bool

	ctx context.Context //nolint:containedctx // that of the request, for its model
}

// navQueue is a queue in the navigation.
type navQueue struct {
	Name   string
	Active bool
}

// view returns the view of a page for a request, without its model.
func (d *Dashboard) view(p *page, r *http.Request, level Access) *view {
	q := r.URL.Query()
	v := &view{
		Title: p.title, Area: p.area, Page: p.name, Operate: level == AccessOperate, Fleet: d.sampler.nodes != nil,
		Plans: len(d.cfg.Plans) > 0, page: p, query: q, ctx: r.Context(),
		sample: d.sampler.look(r.Context(), p.wants...),
	}
	q.Del("done")
	v.Live = len(p.live) > 0 && q.Get("live") != "off"
	if len(p.live) > 0 {
		v.links()
	}
	for _, one := range d.cfg.Queues {
		name := one.Name()
		v.Queues = append(v.Queues, navQueue{Name: name, Active: p.area == "queue" && q.Get("queue") == name})
	}
	return v
}

// links makes the addresses of the stream, and of the same page without it or with it.
func (v *view) links() {
	stream := url.Values{"page": {v.Page}}
	toggle := url.Values{}
	for name, values := range v.query {
		if name != "live" && name != "page" && name != seen {
			stream[name], toggle[name] = values, values
		}
	}
	if v.Live {
		toggle.Set("live", "off")
	}
	v.Stream = "stream?" + stream.Encode()
	v.Toggle = here(v.Page) + "?" + toggle.Encode()
}

// seen is the parameter of a stream with how many letters there were when its page was made.
const seen = "seen"

// saw adds that number to the address of the stream.
func (v *view) saw(letters int) { v.Stream += "&" + seen + "=" + strconv.Itoa(letters) }

// here returns the relative URL of a page of that name.
func here(name string) string {
	if name == "" {
		return "./"
	}
	return name
}

// render writes a page. It is made in memory first, so that an error is not half a page.
func (d *Dashboard) render(w http.ResponseWriter, r *http.Request, status int, v *view) {
	name := v.Page
	if v.page == nil {
		name = "error"
	}
	var b bytes.Buffer
	if err := d.pages[name].ExecuteTemplate(&b, "layout", v); err != nil {
		d.hooks.log.Error("dashboard: a page could not be made", "page", name, "error", err)
		http.Error(w, "the page could not be made; the log has the reason", http.StatusInternalServerError)
		return
	}
	body := visible(b.Bytes())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that is gone needs no answer
	}
}

// failure is the model of an error page.
type failure struct{ Title, Help string }

// fail writes an error page.
func (d *Dashboard) fail(w http.ResponseWriter, r *http.Request, status int, title, help string) {
	below := strings.TrimPrefix(r.URL.Path, d.cfg.Prefix)
	d.render(w, r, status, &view{
		Title: title, Root: strings.Repeat("../", strings.Count(below, "/")), Bare: true, Data: failure{title, help},
	})
}
