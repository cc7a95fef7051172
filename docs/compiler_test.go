package docs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// declaration is one declaration of a block, with the names that it declares.
type declaration struct {
	names []string // a method is T.M
	text  string
}

// compiler checks types. It imports packages from the build results of the go command.
type compiler struct {
	fset *token.FileSet
	from types.Importer
}

// newCompiler returns a compiler for blocks that may import packages and the given paths.
func newCompiler(t *testing.T, paths []string) *compiler {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Export"}
	for path := range maps.Values(packages) {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	args = append(args, slices.Compact(paths)...)
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
	}
	fset := token.NewFileSet()
	return &compiler{fset: fset, from: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("package %s is not part of this module", path)
		}
		return os.Open(exports[path])
	})}
}

// check returns the errors of a file whose text begins at this line of the page. In a loose file, a
// declaration may be unused.
func (c *compiler) check(page, text string, line int, loose bool) (errs []error) {
	f, err := parser.ParseFile(c.fset, page, fmt.Sprintf("//line %s:%d\n%s", page, line, text), parser.SkipObjectResolution)
	if err != nil {
		return []error{err}
	}
	conf := types.Config{Importer: c.from, Error: func(err error) {
		var e types.Error
		if !loose || !errors.As(err, &e) || !e.Soft {
			errs = append(errs, err)
		}
	}}
	_, _ = conf.Check("block", c.fset, []*ast.File{f}, nil) // conf.Error has collected the errors
	return errs
}

// page holds the blocks of a page and their parts.
type page struct {
	name  string
	parts []part
}

// part is a block that is not a file.
type part struct {
	declared []declaration
	body     string // its statements
	err      error  // the reason why it cannot be split
}

func newPage(name string, blocks []block) page {
	p := page{name: name, parts: make([]part, len(blocks))}
	for i, b := range blocks {
		if at := &p.parts[i]; !b.isFile() {
			at.declared, at.body, at.err = split(name, b)
		}
	}
	return p
}

// around returns the declarations for the i-th block: its own, then those of the nearest block
// above, then those of the nearest below.
func (p page) around(i int) (ds []declaration) {
	taken := map[string]bool{}
	add := func(part part) {
		var fresh []declaration
		for _, d := range part.declared {
			if !slices.ContainsFunc(d.names, func(name string) bool { return taken[name] }) {
				fresh = append(fresh, d)
			}
		}
		for _, d := range fresh {
			for _, name := range d.names {
				taken[name] = true
			}
		}
		ds = append(ds, fresh...)
	}
	for _, part := range slices.Backward(p.parts[:i+1]) {
		add(part)
	}
	for _, part := range p.parts[i+1:] {
		add(part)
	}
	return ds
}

// fragment checks the i-th block of a page, which is not a file.
func (c *compiler) fragment(p page, i int) []error {
	if err := p.parts[i].err; err != nil {
		return []error{err}
	}
	// The types that the statements return are unknown. The first signature that compiles is taken;
	// if none does, the one with the fewest errors.
	var best []error
	for n, results := range []string{"", "error", "(any, error)"} {
		errs := c.check(p.name, assemble(p.around(i), p.parts[i].body, results), 1, true)
		if n == 0 || len(errs) < len(best) {
			best = errs
		}
	}
	return best
}

// assemble builds a file from declarations and the body of a function.
func assemble(declared []declaration, body, results string) string {
	var text strings.Builder
	for _, d := range declared {
		text.WriteString(d.text)
	}
	text.WriteString("func _(")
	for _, v := range surroundings {
		fmt.Fprintf(&text, "%s %s, ", v[0], v[1])
	}
	// The inner scope allows the body to declare the same names itself.
	fmt.Fprintf(&text, ") %s {\n{\n%s\n}\npanic(0)\n}\n", results, body)
	file := "package block\n\n"
	for name, path := range packages {
		file += fmt.Sprintf("import %s %q\n", name, path)
	}
	return file + text.String()
}

// split separates the declarations of a block from its statements, paragraph by paragraph.
func split(page string, b block) (declared []declaration, body string, err error) {
	lines := strings.SplitAfter(b.text, "\n")
	for first := 0; first < len(lines); {
		done := false
		for last := first + 1; last <= len(lines) && !done; last++ {
			if last < len(lines) && strings.TrimSpace(lines[last]) != "" {
				continue // the paragraph continues
			}
			piece := fmt.Sprintf("//line %s:%d\n%s", page, b.line+first, strings.Join(lines[first:last], ""))
			var ds []declaration
			if ds, err = declarations(page, b.line+first, piece); err == nil {
				declared, done = append(declared, ds...), true
			} else if _, err = parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+piece+"\n}", 0); err == nil {
				body, done = body+piece+"\n", true
			}
			if done {
				first = last
			}
		}
		if !done {
			return nil, "", err
		}
	}
	return declared, body, nil
}

// declarations parses a piece that consists of declarations only.
func declarations(page string, line int, piece string) (ds []declaration, err error) {
	const head = "package p\n"
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "", head+piece, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	for _, decl := range f.Decls {
		d := declaration{}
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			name := decl.Name.Name
			if decl.Recv != nil {
				recv := decl.Recv.List[0].Type
				if star, ok := recv.(*ast.StarExpr); ok {
					recv = star.X
				}
				name = types.ExprString(recv) + "." + name
			}
			if name != "main" && name != "init" {
				d.names = []string{name}
			}
		case *ast.GenDecl:
			if decl.Tok == token.IMPORT {
				continue
			}
			for _, s := range decl.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					d.names = append(d.names, s.Name.Name)
				case *ast.ValueSpec:
					for _, n := range s.Names {
						d.names = append(d.names, n.Name)
					}
				}
			}
		}
		at := fset.Position(decl.Pos())
		from, to := fset.PositionFor(decl.Pos(), false).Offset, fset.PositionFor(decl.End(), false).Offset
		d.text = fmt.Sprintf("//line %s:%d\n%s\n", page, at.Line, (head + piece)[from:to])
		ds = append(ds, d)
	}
	return ds, nil
}
