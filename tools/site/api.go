package main

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/format"
	"go/printer"
	"html/template"
	"path"
	"regexp"
	"strings"
)

// Lines of an example that state its output, and the indentation of its body.
var (
	output = regexp.MustCompile(`(?ms)^\s*// (Unordered output|Output):.*`)
	indent = regexp.MustCompile(`(?m)^\t`)
)

// api shows one package.
type api struct {
	*site
	*library
	dir string
}

// writePackage writes the page of the package in a directory.
func (s *site) writePackage(dir string) error {
	a := api{s, s.packages[dir], dir}
	functions := template.FuncMap{"doc": a.doc, "declaration": a.declaration, "source": a.source, "code": a.code}
	layout, err := template.New("package.html").Funcs(functions).ParseFS(templates, "templates/package.html")
	if err != nil {
		return err
	}
	var content strings.Builder
	if err := layout.Execute(&content, a); err != nil {
		return err
	}
	return s.writePage(s.pages[dir], content.String())
}

// doc returns a doc comment as HTML.
func (a api) doc(text string) template.HTML {
	p := a.Printer()
	if p.HeadingLevel = 4; text == a.Doc {
		p.HeadingLevel = 2
	}
	p.DocLinkURL = func(l *comment.DocLink) string {
		return a.link(l.ImportPath, strings.TrimPrefix(l.Recv+"."+l.Name, "."))
	}
	return template.HTML(p.HTML(a.Parser().Parse(text)))
}

// link returns the address of a name in a package, which is the page's own if the path is empty.
func (a api) link(importPath, name string) string {
	anchor := ""
	if name != "" {
		anchor = "#" + name
	}
	if importPath == "" || importPath == a.ImportPath {
		return anchor
	}
	inside, ours := strings.CutPrefix(importPath, a.module)
	if !ours {
		return "https://pkg.go.dev/" + importPath + anchor
	}
	dir := path.Join(".", inside)
	if a.packages[dir] == nil {
		anchor = "" // an internal package has no page, but its source
	}
	to, _ := a.address(a.pages[a.dir], dir) // an import exists
	return to + anchor
}

// source returns the address of the line of a declaration.
func (a api) source(node ast.Node) (string, error) {
	at := a.set.Position(node.Pos())
	to, err := a.address(a.pages[a.dir], at.Filename)
	return fmt.Sprintf("%s#L%d", to, at.Line), err
}

// declaration returns a declaration as HTML, with links and anchors.
func (a api) declaration(node ast.Node) (template.HTML, error) {
	var text strings.Builder
	if err := format.Node(&text, a.set, node); err != nil {
		return "", err
	}
	marks, err := a.marks(text.String())
	return template.HTML(highlight(text.String(), marks...)), err
}

// code returns the body of an example as HTML, or the whole program.
func (a api) code(example *doc.Example) (template.HTML, error) {
	var text strings.Builder
	if _, whole := example.Code.(*ast.File); whole {
		err := format.Node(&text, a.set, example.Play)
		return template.HTML(highlight(text.String())), err
	}
	err := format.Node(&text, a.set, &printer.CommentedNode{Node: example.Code, Comments: example.Comments})
	body := strings.TrimSuffix(strings.TrimPrefix(text.String(), "{"), "}")
	body = output.ReplaceAllString(indent.ReplaceAllString(body, ""), "")
	return template.HTML(highlight(strings.TrimSpace(body))), err
}
