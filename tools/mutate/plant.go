package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"strings"
)

// planter finds the places of one file where mutants can be, and plants them.
type planter struct {
	name     string // of the file, below the directory of the module
	src      string
	base     token.Pos // of the file's first byte
	info     *types.Info
	keys     keys
	edits    edits
	next     func() int // the next number
	mutants  []*mutant
	function string // that is being looked at
	done     map[ast.Expr]bool
	bodies   map[*ast.BlockStmt]bool // of functions
}

// plant returns the mutants of the file. The text with all of them is p.edits.apply(p.src).
func (p *planter) plant(file *ast.File) []*mutant {
	p.done, p.bodies = map[ast.Expr]bool{}, map[*ast.BlockStmt]bool{}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil {
			p.function = functionName(f)
			p.bodies[f.Body] = true
			ast.Inspect(f.Body, p.visit)
		}
	}
	return p.mutants
}

// functionName returns the name of a function as Type.Method or Function.
func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + f.Name.Name
		default:
			return f.Name.Name
		}
	}
}

// visit plants the mutants of one node. It is called for the outer node first.
func (p *planter) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncLit:
		p.bodies[n.Body] = true
	case *ast.BlockStmt:
		p.statements(n.List, p.bodies[n])
	case *ast.CaseClause:
		p.statements(n.Body, false)
		for _, e := range n.List {
			p.condition(e)
		}
	case *ast.CommClause:
		p.statements(n.Body, false)
	case *ast.IfStmt:
		p.condition(n.Cond)
	case *ast.ForStmt:
		p.condition(n.Cond)
	case *ast.ReturnStmt:
		p.results(n)
	case *ast.AssignStmt:
		p.assigned(n)
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			p.condition(n.X)
		}
	case *ast.BinaryExpr:
		p.binary(n)
	}
	return true
}

// add plants a mutant. wrap returns the text with it, from the mutant's number and the text without
// it, which may have others inside. The text must call _mutant only if the mutant would change
// something there: otherwise it is not reached.
func (p *planter) add(op operator, n ast.Node, wrap func(id int, inner string) string) {
	id := p.next()
	start, end := int(n.Pos()-p.base), int(n.End()-p.base)
	p.mutants = append(p.mutants, &mutant{
		id: id, file: p.name, key: p.keys.of(p.name, p.function, op, p.src[start:end]),
	})
	p.edits.add(start, end, func(inner string) string { return wrap(id, inner) })
}

// statements plants the removal of each statement that can be left out. A return at the end of a
// body can't: it changes nothing, or is required.
func (p *planter) statements(list []ast.Stmt, body bool) {
	for i, s := range list {
		if !removable(s, body && i == len(list)-1) {
			continue
		}
		p.add(opRemove, s, func(id int, inner string) string { return fmt.Sprintf("if !_mutant(%d) { %s }", id, inner) })
	}
}

// removable reports whether the code compiles without the statement, and does something else.
func removable(s ast.Stmt, last bool) bool {
	switch s := s.(type) {
	case *ast.ExprStmt:
		call, ok := s.X.(*ast.CallExpr)
		return !ok || !isPanic(call)
	case *ast.AssignStmt:
		return s.Tok != token.DEFINE && !isBlank(s)
	case *ast.BranchStmt:
		return s.Tok == token.BREAK || s.Tok == token.CONTINUE
	case *ast.ReturnStmt:
		return len(s.Results) == 0 && !last
	case *ast.IncDecStmt, *ast.SendStmt, *ast.DeferStmt, *ast.GoStmt:
		return true
	}
	return false
}

func isPanic(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.Ident)
	return ok && f.Name == "panic"
}

// isBlank reports whether the statement only uses a variable.
func isBlank(s *ast.AssignStmt) bool {
	left, ok := s.Lhs[0].(*ast.Ident)
	_, plain := s.Rhs[0].(*ast.Ident)
	return ok && plain && left.Name == "_"
}

// results plants mutants of the results that are truth values.
func (p *planter) results(s *ast.ReturnStmt) {
	for _, e := range s.Results {
		if p.isBool(e) && p.value(e) != nil {
			p.add(opReturn, e, func(id int, inner string) string { return fmt.Sprintf("(%s != _mutant(%d))", inner, id) })
			continue
		}
		p.condition(e)
	}
}

// assigned plants mutants of truth values that are assigned.
func (p *planter) assigned(s *ast.AssignStmt) {
	if len(s.Lhs) == len(s.Rhs) {
		for _, e := range s.Rhs {
			p.condition(e)
		}
	}
}

// condition plants two mutants of e, which is never and always true, unless it is a constant or
// consists of conditions.
func (p *planter) condition(e ast.Expr) {
	switch x := e.(type) {
	case nil:
		return
	case *ast.ParenExpr:
		p.condition(x.X)
		return
	case *ast.UnaryExpr:
		if x.Op == token.NOT {
			return // its operand is a condition
		}
	case *ast.BinaryExpr:
		if x.Op == token.LAND || x.Op == token.LOR {
			return // its operands are conditions
		}
	}
	if p.done[e] || !p.isBool(e) || p.value(e) != nil {
		return
	}
	p.done[e] = true
	p.add(opNever, e, func(id int, inner string) string { return fmt.Sprintf("((%s) && !_mutant(%d))", inner, id) })
	p.add(opAlways, e, func(id int, inner string) string { return fmt.Sprintf("((%s) || _mutant(%d))", inner, id) })
}

// binary plants the mutants of an expression with two operands.
func (p *planter) binary(e *ast.BinaryExpr) {
	switch e.Op { //nolint:exhaustive // the others have no mutants
	case token.LAND, token.LOR:
		p.condition(e.X)
		p.condition(e.Y)
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		p.condition(e)
		if p.isBool(e) {
			p.operand(e, opBoundary, strings.TrimSuffix(e.Op.String(), "="))
		}
	case token.EQL, token.NEQ:
		p.condition(e)
	case token.ADD, token.SUB:
		if p.value(e) == nil && p.isNumber(e) {
			p.operand(e, opSign, e.Op.String())
		}
	}
}

// operand plants a mutant of an operator between two operands. The text calls a generic function,
// so that each operand is evaluated once.
func (p *planter) operand(e *ast.BinaryExpr, op operator, sort string) {
	if p.value(e) != nil || op == opBoundary && !p.isNumber(e.X) && !p.isNumber(e.Y) {
		return
	}
	equal := strings.HasSuffix(e.Op.String(), "=")
	start, left := int(e.Pos()-p.base), int(e.X.End()-p.base)
	right, end := int(e.Y.Pos()-p.base), int(e.End()-p.base)
	p.add(op, e, func(id int, _ string) string {
		x, y := p.edits.part(p.src, start, left), p.edits.part(p.src, right, end)
		if op == opBoundary {
			return fmt.Sprintf("_boundary(%d, %v, %v, %s, %s)", id, sort == "<", equal, x, y)
		}
		return fmt.Sprintf("_sign(%d, %v, %s, %s)", id, sort == "-", x, y)
	})
}

func (p *planter) value(e ast.Expr) constant.Value { return p.info.Types[e].Value }

// isBool reports whether e has the type bool itself: it is compared with a bool.
func (p *planter) isBool(e ast.Expr) bool {
	basic, ok := types.Unalias(p.info.TypeOf(e)).(*types.Basic)
	return ok && p.info.Types[e].IsValue() && basic.Info()&types.IsBoolean != 0
}

func (p *planter) isNumber(e ast.Expr) bool {
	basic, ok := p.info.TypeOf(e).Underlying().(*types.Basic)
	return ok && basic.Info()&(types.IsInteger|types.IsFloat) != 0 && p.value(e) == nil
}
