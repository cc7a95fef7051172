package pool

import (
	"bytes"
	"flag"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the fields of structs into the comments of the files *names.go")

// go doc shows an alias without the fields of its struct, so its comment repeats their
// declarations.
func TestCommentsOfAliasesHaveTheFieldsOfTheirStructs(t *testing.T) {
	names, err := filepath.Glob("*names.go")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, structs := withFields(t, text)
		total += structs
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		} else if diff := cmp.Diff(string(want), string(text)); diff != "" {
			t.Errorf("%s: run go test ./pool -run Aliases -update (-want +got):\n%s", name, diff)
		}
	}
	if total < 25 {
		t.Fatalf("%v have only %d structs", names, total)
	}
}

// withFields returns the text of a file with the fields of each struct at the end of
// its comment, and the number of structs.
func withFields(t *testing.T, text []byte) (result []byte, structs int) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	from := 0
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, s := range g.Specs {
			alias := s.(*ast.TypeSpec)
			of, ok := alias.Type.(*ast.SelectorExpr)
			if !ok {
				continue
			}
			fields := fieldsOf(t, of.X.(*ast.Ident).Name, of.Sel.Name)
			if fields == nil {
				continue
			}
			structs++
			start, end := files.Position(alias.Doc.Pos()).Offset, files.Position(alias.Doc.End()).Offset
			out.Write(text[from:start])
			var head []string
			for line := range strings.Lines(string(text[start:end])) {
				line = strings.TrimSpace(line)
				if strings.HasPrefix(line, "//\t") {
					break
				}
				head = append(head, line)
			}
			for len(head) > 0 && head[len(head)-1] == "//" {
				head = head[:len(head)-1]
			}
			head = append(head, "//")
			for _, line := range fields {
				head = append(head, strings.TrimRight("//\t"+line, "\t"))
			}
			out.WriteString(strings.Join(head, "\n\t"))
			from = end
		}
	}
	out.Write(text[from:])
	return out.Bytes(), structs
}

// fieldsOf returns the lines that declare the exported fields of a struct, nil for
// another type. It replaces an embedded struct by its fields.
func fieldsOf(t *testing.T, pkg, name string) (lines []string) {
	t.Helper()
	paths, err := filepath.Glob("../" + pkg + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		object := file.Scope.Lookup(name)
		if object == nil || object.Kind != ast.Typ {
			continue
		}
		declared, ok := object.Decl.(*ast.TypeSpec).Type.(*ast.StructType)
		if !ok {
			return nil
		}
		hidden := map[int]bool{}
		for _, f := range declared.Fields.List {
			first, last := files.Position(f.Pos()).Line, files.Position(f.End()).Line
			if f.Doc != nil {
				first = files.Position(f.Doc.Pos()).Line
			}
			embedded := len(f.Names) == 0
			if embedded {
				if of, ok := f.Type.(*ast.Ident); ok {
					lines = append(lines, fieldsOf(t, pkg, of.Name)...)
				}
			}
			if embedded || !slices.ContainsFunc(f.Names, (*ast.Ident).IsExported) {
				for n := first; n <= last; n++ {
					hidden[n] = true
				}
			}
		}
		first, last := files.Position(declared.Fields.Opening).Line, files.Position(declared.Fields.Closing).Line
		for n, line := range strings.Split(string(text), "\n") {
			if n+1 > first && n+1 < last && !hidden[n+1] {
				lines = append(lines, strings.TrimPrefix(line, "\t"))
			}
		}
		return aligned(t, lines)
	}
	t.Fatalf("package %s has no type %s", pkg, name)
	return nil
}

// aligned formats the lines of a struct.
func aligned(t *testing.T, lines []string) []string {
	t.Helper()
	text, err := format.Source([]byte("type t struct {\n" + strings.Join(lines, "\n") + "\n}"))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Split(string(text), "\n")
	lines = nil
	for _, line := range all[1 : len(all)-1] {
		lines = append(lines, strings.TrimPrefix(line, "\t"))
	}
	return lines
}
