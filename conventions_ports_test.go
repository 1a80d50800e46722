package chatbell_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// Nobody looks for a free port, closes it and hopes that it stays free: somebody else
// may take it, and has when tests run side by side. Whoever listens takes port 0 and
// says which one it got; polltest.NobodyListens is a port that refuses connections.
func TestConventionsPorts(t *testing.T) {
	tracked(t, func(name string, data []byte) {
		if strings.HasSuffix(name, ".go") {
			for _, where := range guessedPorts(t, name, data) {
				t.Errorf("%s: a listener is closed for its address; listen on port 0 and hand the listener or its address on (in tests see internal/polltest)", where)
			}
		}
	})
}

// What the test above refuses, and what it lets pass.
func TestConventionsPortsSee(t *testing.T) {
	for body, guesses := range map[string]int{
		`func free() string { l, _ := net.Listen("tcp", ":0"); defer l.Close(); return l.Addr().String() }`:                            1,
		`func free() (string, error) { l, err := lc.Listen(ctx, "tcp", ":0"); return l.Addr().String(), l.Close() }`:                   1,
		`func test(t T) { l, _ := net.Listen("tcp", ":0"); a := l.Addr().String(); _ = l.Close(); dial(a) }`:                           1,
		`func test(t T) { t.Run("x", func(t T) { l, _ := net.Listen("tcp", ":0"); a := l.Addr(); l.Close(); dial(a) }) }`:              1,
		`func taken(t T) { l, _ := net.Listen("tcp", ":0"); defer l.Close(); fails(l.Addr().String()) }`:                               0,
		`func taken(t T) string { l, _ := net.Listen("tcp", ":0"); t.Cleanup(func() { l.Close() }); return l.Addr().String() }`:        0,
		`func served(t T) { l, _ := net.Listen("tcp", ":0"); go serve(l); dial(l.Addr()); l.Close() }`:                                 0,
		`func served(t T) { l, _ := net.Listen("tcp", ":0"); go func() { l.Accept() }(); a := l.Addr(); dial(a); l.Close(); dial(a) }`: 0,
	} {
		if got := guessedPorts(t, "x.go", []byte("package x\n"+body)); len(got) != guesses {
			t.Errorf("%s: %d guesses are seen, want %d", body, len(got), guesses)
		}
	}
}

// guessedPorts are the listeners of a file that are asked for their address only, and
// closed before whoever gets it can use it.
func guessedPorts(t *testing.T, name string, data []byte) (where []string) {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, name, data, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		var body *ast.BlockStmt
		switch f := n.(type) {
		case *ast.FuncDecl:
			body = f.Body
		case *ast.FuncLit:
			body = f.Body
		}
		if body == nil {
			return true
		}
		for _, l := range listeners(body) {
			if use := usesOf(body, l.Name); use.closed && !use.served || use.deferred && use.returned {
				where = append(where, files.Position(l.Pos()).String())
			}
		}
		return true
	})
	return where
}

// listeners are the variables of a function that a call of something's Listen sets.
func listeners(body *ast.BlockStmt) (names []*ast.Ident) {
	inspectOwn(body, func(n ast.Node) {
		assign, ok := n.(*ast.AssignStmt)
		if !ok || len(assign.Rhs) != 1 {
			return
		}
		call, isCall := assign.Rhs[0].(*ast.CallExpr)
		if !isCall {
			return
		}
		f, isMethod := call.Fun.(*ast.SelectorExpr)
		l, isName := assign.Lhs[0].(*ast.Ident)
		if isMethod && isName && f.Sel.Name == "Listen" && len(assign.Lhs) == 2 {
			names = append(names, l)
		}
	})
	return names
}

// inspectOwn visits what is in a function and not in one inside of it.
func inspectOwn(body *ast.BlockStmt, visit func(ast.Node)) {
	ast.Inspect(body, func(n ast.Node) bool {
		if _, inner := n.(*ast.FuncLit); inner {
			return false
		}
		if n != nil {
			visit(n)
		}
		return true
	})
}

// listenerUse is what a function does with a listener.
type listenerUse struct {
	closed, deferred bool // by the function itself, at once or when it returns
	returned         bool // its address
	served           bool // anything else than asking for the address, and closing
}

func usesOf(body *ast.BlockStmt, name string) (use listenerUse) {
	method := func(n ast.Node) string {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == name {
				return s.Sel.Name
			}
		}
		return ""
	}
	asked := 0 // uses that are a call of Addr or Close
	var deferred []ast.Node
	inspectOwn(body, func(n ast.Node) {
		switch n := n.(type) {
		case *ast.DeferStmt:
			deferred = append(deferred, n.Call.Fun)
			use.deferred = use.deferred || method(n.Call.Fun) == "Close"
		case *ast.ReturnStmt:
			ast.Inspect(n, func(n ast.Node) bool {
				use.returned = use.returned || method(n) == "Addr"
				return true
			})
		case *ast.SelectorExpr:
			use.closed = use.closed || method(n) == "Close" && !slices.Contains(deferred, ast.Node(n))
		}
	})
	all := 0
	ast.Inspect(body, func(n ast.Node) bool {
		if m := method(n); m == "Addr" || m == "Close" {
			asked++
		}
		if x, ok := n.(*ast.Ident); ok && x.Name == name {
			all++
		}
		return true
	})
	use.served = all > asked+1 // one is where it is set
	return use
}
