package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
)

// marker finds the names in a declaration that are anchors or links.
type marker struct {
	api
	set      *token.FileSet
	begin    int                 // of the declaration in its file
	declared map[*ast.Ident]bool // names that are no links
	marks    []mark
}

// marks returns an anchor for each field, method of an interface, variable and constant of a
// declaration, and a link for each type.
func (a api) marks(declaration string) ([]mark, error) {
	const clause = "package p; "
	m := marker{api: a, set: token.NewFileSet(), begin: len(clause), declared: map[*ast.Ident]bool{}}
	file, err := parser.ParseFile(m.set, "", clause+declaration, parser.SkipObjectResolution)
	if err == nil {
		for _, d := range file.Decls {
			ast.Inspect(d, m.visit)
		}
	}
	return m.marks, err
}

func (m *marker) visit(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.FuncDecl:
		m.declared[n.Name] = true
	case *ast.Field:
		m.declare(n.Names)
	case *ast.TypeSpec:
		m.declare([]*ast.Ident{n.Name})
		for _, name := range members(n.Type) {
			m.anchor(name, n.Name.Name+"."+name.Name)
		}
	case *ast.ValueSpec:
		for _, name := range n.Names {
			m.anchor(name, name.Name)
		}
		m.declare(n.Names)
		n.Values = nil // has keys of fields, which are no types
	case *ast.SelectorExpr:
		if of, ok := n.X.(*ast.Ident); ok && m.imports[of.Name] != "" {
			m.around(n.Sel, fmt.Sprintf("<a href=%q>", m.link(m.imports[of.Name], n.Sel.Name)), "</a>")
		}
		return false
	case *ast.Ident:
		if !m.declared[n] && m.Parser().LookupSym("", n.Name) {
			m.around(n, fmt.Sprintf("<a href=%q>", m.link("", n.Name)), "</a>")
		}
	}
	return true
}

func (m *marker) declare(names []*ast.Ident) {
	for _, name := range names {
		m.declared[name] = true
	}
}

func (m *marker) anchor(name *ast.Ident, id string) {
	m.around(name, fmt.Sprintf("<span id=%q>", id), "</span>")
}

func (m *marker) around(name *ast.Ident, start, end string) {
	from := m.set.Position(name.Pos()).Offset - m.begin
	m.marks = append(m.marks, mark{from, from + len(name.Name), start, end})
}

// members returns the names of the fields of a struct, or of the methods of an interface.
func members(of ast.Expr) []*ast.Ident {
	list := &ast.FieldList{}
	switch t := of.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	}
	var names []*ast.Ident
	for _, field := range list.List {
		names = append(names, field.Names...)
	}
	return names
}
