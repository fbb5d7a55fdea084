package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// group is a part of the navigation. A folded one is open on its own pages only.
type group struct {
	Title string
	Fold  bool
	Links []link
}

type link struct{ Title, Page, source string }

// Has reports whether the page belongs to the group.
func (g group) Has(page string) bool {
	return slices.ContainsFunc(g.Links, func(l link) bool { return l.Page == page })
}

var title = regexp.MustCompile(`(?m)^# (.*)$`)

// plan reads docs/nav.txt and finds the packages. A line of nav.txt without indentation is the
// title of a group. Other lines are documents, or patterns of their names, which fold the group.
// Lines that start with # are comments.
func (s *site) plan() error {
	text, err := fs.ReadFile(s.tree, "docs/nav.txt")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		name := strings.TrimSpace(line)
		switch {
		case name == "" || name[0] == '#':
		case line[0] != ' ':
			s.Nav = append(s.Nav, group{Title: name})
		case len(s.Nav) == 0:
			return fmt.Errorf("docs/nav.txt: %s has no group: begin with a title", name)
		default:
			if err := s.addDocuments(&s.Nav[len(s.Nav)-1], name); err != nil {
				return err
			}
		}
	}
	if err := s.findPackages(); err != nil {
		return err
	}
	api := group{Title: "Packages"}
	for _, dir := range slices.Sorted(maps.Keys(s.packages)) {
		name := cmp.Or(strings.TrimPrefix(dir, "."), s.packages[dir].Name)
		s.pages[dir] = "api/" + name + ".html"
		api.Links = append(api.Links, link{name, s.pages[dir], dir})
	}
	s.Nav = append(s.Nav, api)
	return s.complete()
}

// addDocuments adds the documents that a pattern matches, except those that have a place already.
func (s *site) addDocuments(g *group, pattern string) error {
	names, err := fs.Glob(s.tree, pattern)
	if err != nil || len(names) == 0 {
		return fmt.Errorf("docs/nav.txt: there is no %s", pattern)
	}
	g.Fold = g.Fold || strings.Contains(pattern, "*")
	for _, name := range names {
		text, err := fs.ReadFile(s.tree, name)
		if err != nil {
			return err
		}
		first := title.FindSubmatch(text)
		if first == nil {
			return fmt.Errorf("%s has no title: begin with # and the title", name)
		}
		if s.pages[name] == "" {
			s.pages[name] = pageOf(name)
			g.Links = append(g.Links, link{string(first[1]), s.pages[name], name})
		}
	}
	return nil
}

// pageOf returns the page of a document.
func pageOf(document string) string {
	dir, name := path.Split(strings.TrimSuffix(document, ".md"))
	if name == "README" {
		name = "index"
	}
	return dir + name + ".html"
}

// complete returns an error that names a document without a place in the navigation.
func (s *site) complete() error {
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md"} {
		names, err := fs.Glob(s.tree, pattern)
		for _, name := range names {
			if s.pages[name] == "" {
				return fmt.Errorf("docs/nav.txt lacks %s", name)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
