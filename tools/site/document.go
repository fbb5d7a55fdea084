package main

import (
	"bytes"
	"fmt"
	"html"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

var (
	goCode = regexp.MustCompile(`(?s)<code class="language-go">(.*?)</code>`)
	linked = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	unsaid = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	// Alignment is an attribute of a cell, because a style would break the policy of the pages.
	markdown = goldmark.New(goldmark.WithExtensions(extension.NewTable(
		extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))), goldmark.WithParserOptions(parser.WithAutoHeadingID()))
)

// writeDocument writes the page of a Markdown file.
func (s *site) writeDocument(name string) error {
	source, err := fs.ReadFile(s.tree, name)
	if err != nil {
		return err
	}
	root := markdown.Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(anchors{}))))
	err = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		var err error
		switch n := n.(type) {
		case *ast.Link:
			if entering {
				n.Destination, err = s.rewrite(name, n.Destination)
			}
		case *ast.Image:
			if entering {
				n.Destination, err = s.rewrite(name, n.Destination)
			}
		}
		return ast.WalkContinue, err
	})
	if err != nil {
		return err
	}
	var content bytes.Buffer
	if err := markdown.Renderer().Render(&content, source, root); err != nil {
		return err
	}
	return s.writePage(s.pages[name], goCode.ReplaceAllStringFunc(content.String(), func(code string) string {
		return `<code class="language-go">` + highlight(html.UnescapeString(goCode.FindStringSubmatch(code)[1])) + "</code>"
	}))
}

// rewrite returns the address that a link of a document has on its page.
func (s *site) rewrite(document string, destination []byte) ([]byte, error) {
	to, err := url.Parse(string(destination))
	if err != nil || to.IsAbs() || to.Path == "" {
		return destination, err
	}
	target, err := s.address(s.pages[document], path.Join(path.Dir(document), to.Path))
	if to.Fragment != "" {
		target += "#" + to.Fragment
	}
	return []byte(target), err
}

// anchors makes the same anchors of headings as GitHub does.
type anchors map[string]bool

// Generate returns the anchor of a heading.
func (a anchors) Generate(heading []byte, _ ast.NodeKind) []byte {
	words := linked.ReplaceAllString(strings.ToLower(string(heading)), "$1")
	slug := strings.ReplaceAll(unsaid.ReplaceAllString(words, ""), " ", "-")
	name := slug
	for n := 1; a[name]; n++ {
		name = fmt.Sprintf("%s-%d", slug, n)
	}
	a[name] = true
	return []byte(name)
}

// Put takes an anchor that a document gives itself.
func (a anchors) Put(name []byte) { a[string(name)] = true }
