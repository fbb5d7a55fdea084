package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

var (
	directive = regexp.MustCompile(`^//([a-z]+:|nolint|line |export |extern )`)
	item      = regexp.MustCompile(`^\s*([-*+]|\d+[.)])\s+`)
	// Lines of Markdown that are no prose: headings, images, link definitions, HTML, rules.
	other = regexp.MustCompile(`^\s*(#|<|!\[|\[[^\]]+\]: |---|===)`)
)

// goProse returns the paragraphs of the comments of a Go file.
func goProse(file string, text []byte) ([]paragraph, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var all []paragraph
	for _, group := range parsed.Comments {
		all = append(all, commentProse(group, set.Position(group.Pos()).Line)...)
	}
	return all, nil
}

// commentProse returns the paragraphs of one comment, without its code, headings and directives.
func commentProse(group *ast.CommentGroup, line int) []paragraph {
	var lines []string
	for _, c := range group.List {
		text := c.Text
		if directive.MatchString(text) {
			_, text, _ = strings.Cut(text, " // ") // the reason of a nolint
		}
		text = strings.TrimPrefix(text, "//")
		if strings.HasPrefix(text, "/*") {
			text = strings.TrimSuffix(text[2:], "*/")
		}
		if output.MatchString(c.Text) {
			break // the rest is what the example prints
		}
		for part := range strings.SplitSeq(text, "\n") {
			if strings.HasPrefix(part, "\t") || strings.HasPrefix(part, " # ") {
				part = ""
			}
			lines = append(lines, part)
		}
	}
	return paragraphs(lines, line)
}

// markdownProse returns the paragraphs of a Markdown file, without its code and headings.
func markdownProse(lines []string) []paragraph {
	lines = slices.Clone(lines)
	code := false
	for n, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if fence || code || other.MatchString(line) {
			lines[n] = ""
		}
		code = code != fence
	}
	return paragraphs(lines, 1)
}

// paragraphs splits lines, the first of which has the number line, at empty lines, list items and
// the cells of tables.
func paragraphs(lines []string, line int) []paragraph {
	var all []paragraph
	var block []string
	from := 0
	flush := func() {
		if len(block) > 0 {
			all = append(all, paragraph{line: line + from, text: strings.Join(block, "\n")})
		}
		block = nil
	}
	for n, text := range lines {
		switch trimmed := strings.TrimSpace(text); {
		case trimmed == "":
			flush()
		case strings.HasPrefix(trimmed, "|"):
			flush()
			for cell := range strings.SplitSeq(trimmed, "|") {
				all = append(all, paragraph{line: line + n, text: cell})
			}
		case item.MatchString(text):
			flush()
			from, block = n, []string{text[len(item.FindString(text)):]}
		default:
			if block == nil {
				from = n
			}
			block = append(block, text)
		}
	}
	flush()
	return all
}
