package main

import (
	"fmt"
	"html"
	"html/template"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	heading = regexp.MustCompile(`(?s)<h([1-4]) id="([^"]+)">(.*?)</h[1-4]>`)
	element = regexp.MustCompile(`<[^>]*>`)
)

// page is what the layout shows.
type page struct {
	*site
	Path, Root string // Root leads to the directory of the version
	Title      string
	Contents   []section
	Content    template.HTML
}

// section is a heading of a page.
type section struct {
	Level    string
	ID, Text string
}

// writePage writes a page, and adds its sections to the index of the search, unless it shows
// source.
func (s *site) writePage(name, content string) error {
	p := page{site: s, Path: name, Root: strings.Repeat("../", strings.Count(name, "/"))}
	found := heading.FindAllStringSubmatchIndex(content, -1)
	for n, at := range found {
		end := len(content)
		if n+1 < len(found) {
			end = found[n+1][0]
		}
		part := section{content[at[2]:at[3]], content[at[4]:at[5]], plain(content[at[6]:at[7]])}
		if p.Title == "" {
			p.Title = part.Text
		} else {
			p.Contents = append(p.Contents, part)
		}
		if strings.HasPrefix(name, "source/") {
			continue
		}
		s.index = append(s.index, [4]string{name + "#" + part.ID, p.Title, part.Text, plain(content[at[1]:end])})
	}
	content = heading.ReplaceAllString(content, `<h$1 id="$2">$3 <a class="anchor" href="#$2" title="Link to this section">#</a></h$1>`)
	p.Content = template.HTML(content)
	var out strings.Builder
	if err := s.layout.Execute(&out, p); err != nil {
		return err
	}
	return s.write(name, out.String())
}

// plain returns the text of HTML.
func plain(content string) string {
	return strings.Join(strings.Fields(html.UnescapeString(element.ReplaceAllString(content, ""))), " ")
}

// address returns how a page links to a file or a directory of the repository. Unless that has a
// page, it is shown as source, and an image is copied.
func (s *site) address(from, to string) (string, error) {
	up := strings.Repeat("../", strings.Count(from, "/"))
	if s.pages[to] != "" {
		return up + s.pages[to], nil
	}
	info, err := fs.Stat(s.tree, to)
	if err != nil {
		return "", fmt.Errorf("a link to %s, which leads nowhere", to)
	}
	name := "source/" + to
	switch {
	case info.IsDir():
		name += "/index.html"
	case path.Ext(to) != ".svg":
		name += ".html"
	}
	if !slices.Contains(s.sources, to) {
		s.sources = append(s.sources, to)
	}
	return up + name, nil
}
