package main

import (
	"fmt"
	"html"
	"io/fs"
	"path"
	"strings"
)

// writeSources writes a page for each file and directory that pages link to. It copies images.
func (s *site) writeSources() error {
	for n := 0; n < len(s.sources); n++ { //nolint:intrange // a directory adds its entries
		name := s.sources[n]
		info, err := fs.Stat(s.tree, name)
		switch {
		case err != nil:
		case info.IsDir():
			err = s.writeDirectory(name)
		default:
			err = s.writeSource(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *site) writeDirectory(name string) error {
	entries, err := fs.ReadDir(s.tree, name)
	if err != nil {
		return err
	}
	page := "source/" + name + "/index.html"
	var content strings.Builder
	fmt.Fprintf(&content, "<h1 id=\"top\">%s</h1>\n<ul>\n", html.EscapeString(name))
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		to, err := s.address(page, path.Join(name, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&content, "<li><a href=\"%s\">%s</a></li>\n", to, html.EscapeString(entry.Name()))
	}
	return s.writePage(page, content.String()+"</ul>\n")
}

func (s *site) writeSource(name string) error {
	text, err := fs.ReadFile(s.tree, name)
	if err != nil {
		return err
	}
	code := html.EscapeString(string(text))
	switch path.Ext(name) {
	case ".svg":
		return s.write("source/"+name, string(text))
	case ".go":
		code = highlight(string(text))
	}
	var content strings.Builder
	fmt.Fprintf(&content, "<h1 id=\"top\">%s</h1>\n<pre class=\"source\"><code>", html.EscapeString(name))
	for n, line := range strings.Split(strings.TrimSuffix(code, "\n"), "\n") {
		fmt.Fprintf(&content, "<span class=\"line\" id=\"L%d\">%s\n</span>", n+1, line)
	}
	return s.writePage("source/"+name+".html", content.String()+"</code></pre>\n")
}
