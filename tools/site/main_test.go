package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func osDir(dir string) fs.FS { return os.DirFS(dir) }

// made returns the directory of a site of a repository.
func made(t *testing.T, repository string, versions ...string) string {
	t.Helper()
	out := t.TempDir()
	for _, version := range versions {
		if err := generate(repository, out, version); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// value returns what a script of a site has.
func value[T any](t *testing.T, path ...string) T {
	t.Helper()
	_, text, _ := strings.Cut(strings.TrimSuffix(read(t, path...), ";\n"), " = ")
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTheDocumentationHasNoBadLink(t *testing.T) {
	out := made(t, "../..", latest)
	bad, pages := checkPages(t, osDir(out))
	for _, line := range bad {
		t.Error(line)
	}
	if pages < 200 {
		t.Errorf("%d pages", pages)
	}
}

func TestPages(t *testing.T) {
	out := made(t, "testdata/clock", latest)
	if bad, pages := checkPages(t, osDir(out)); len(bad) > 0 || pages < 10 {
		t.Errorf("%d pages\n%s", pages, strings.Join(bad, "\n"))
	}
	for page, parts := range map[string][]string{
		"index.html": {
			`<h1 id="a-clock">A clock `, `href="docs/guide.html#the-spring--of-steel"`, `href="api/hand.html"`, `href="source/clock.go.html"`,
			`href="source/cmd/index.html"`, `href="docs/decisions/index.html"`, `href="https://example.com/x.md"`, `<td align="right">2</td>`,
			`<span class="comment">// &#34;wound&#34; &lt;once&gt;</span>`, `aria-current="page">A clock</a>`,
		},
		"docs/guide.html": {
			`<h2 id="the-spring--of-steel">`, `<h2 id="winding-1">`, `href="#winding-1"`, `src="../source/docs/picture.svg"`, `<code>a &lt;tag&gt;</code>`,
			`<li class="level2"><a href="#the-spring--of-steel">The spring &amp; of steel</a></li>`,
		},
		"docs/decisions/0001-brass.html": {`<details open>` + "\n<summary>Decisions</summary>", `href="../../docs/guide.html"`},
		"api/clock.html": {
			`<h2 id="hdr-Winding">`, `<a href="#Clock.Wind">Clock.Wind</a>`, `<a href="#Config.Days">Config.Days</a>`,
			`<a href="../api/hand.html">hand</a>`, `<a href="../api/hand.html#Hour">hand.Hour</a>`, `<span id="Config.Days">Days</span>`,
			`time.<a href="https://pkg.go.dev/time#Time">Time</a>`, `hand.<a href="../api/hand.html#Hand">Hand</a>`,
			`gear.<a href="../source/internal/gear/index.html">Gear</a>`, `<span id="ErrBroken">ErrBroken</span> error`,
			`<h4 id="Clock.Wind">func (Clock) <a href="../source/clock.go.html#L40">Wind</a>`, `<a href="#Config">Config</a>) *<a href="#Clock">Clock</a>`,
			`// A comment of the example.`, "<pre>&lt;nil&gt;\n</pre>",
		},
		"api/hand.html":                {`<span id="Hand.Turn">Turn</span>(hours int) <a href="#Hand">Hand</a>`},
		"source/clock.go.html":         {"<span class=\"line\" id=\"L1\"><span class=\"comment\">// Package clock shows the time.</span>\n</span>"},
		"source/docs/picture.svg":      {"<svg"},
		"source/cmd/show/main.go.html": {"func</span> main"},
	} {
		text := read(t, out, latest, page)
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%s lacks %s", page, part)
			}
		}
	}
	api := read(t, out, latest, "api/clock.html")
	for _, part := range []string{"Windows", "wood", "// Output"} {
		if strings.Contains(api, part) {
			t.Errorf("api/clock.html has %s", part)
		}
	}
}

func TestTheSearchFindsSectionsAndNames(t *testing.T) {
	index := value[[][4]string](t, made(t, "testdata/clock", latest), latest, "assets/index.js")
	for _, want := range [][4]string{
		{"docs/guide.html#the-spring--of-steel", "Guide", "The spring & of steel", "The pendulum of Foucault."},
		{"api/clock.html#Clock.Wind", "package clock", "func (Clock) Wind", "func (c *Clock) Wind(cfg Config) error Wind winds the clock. " +
			"Example // A comment of the example. c := clock.New(clock.Config{Days: 1}) fmt.Println(c.Wind(clock.Config{})) Output: <nil>"},
	} {
		if !slices.Contains(index, want) {
			t.Errorf("%q is not in %q", want, index)
		}
	}
	for _, entry := range index {
		if strings.HasPrefix(entry[0], "source/") {
			t.Errorf("%s is source", entry[0])
		}
	}
}

func TestVersionsAreListedNewestFirst(t *testing.T) {
	out := made(t, "testdata/clock", "v1.2.0", latest, "v1.10.0", "v1.10.0-rc.1", "v1.2.0")
	got := value[[]string](t, out, "versions.js")
	if want := []string{latest, "v1.10.0", "v1.10.0-rc.1", "v1.2.0"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if text := read(t, out, "index.html"); !strings.Contains(text, "url=latest/index.html") {
		t.Error(text)
	}
	if bad, _ := checkPages(t, osDir(out)); len(bad) > 0 {
		t.Error(bad)
	}
}

func TestMistakesOfTheRepository(t *testing.T) {
	for want, change := range map[string]map[string]string{
		"docs/guide.md: a link to docs/none.md, which leads nowhere": {"docs/guide.md": "# A\n[b](none.md)"},
		"docs/guide.md: a link to none.svg, which leads nowhere":     {"docs/guide.md": "# A\n![b](../none.svg)"},
		"docs/nav.txt lacks docs/new.md":                             {"docs/new.md": "# A"},
		"docs/nav.txt: there is no docs/none.md":                     {"docs/nav.txt": "A\n  docs/none.md\n"},
		"docs/nav.txt: README.md has no group: begin with a title":   {"docs/nav.txt": "  README.md\n"},
		"docs/guide.md has no title: begin with # and the title":     {"docs/guide.md": "A"},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, osDir("testdata/clock")); err != nil {
			t.Fatal(err)
		}
		for name, text := range change {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := generate(dir, t.TempDir(), latest); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := generate("testdata/clock", t.TempDir(), "../x"); err == nil {
		t.Error("no error for a version that is a path")
	}
}
