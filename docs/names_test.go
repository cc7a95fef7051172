package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// constants returns the constants of a type in package task: their values by name.
func constants(t *testing.T, typeName string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../task/state.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typeName {
			values[spec.Names[0].Name], _ = strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		} else if spec.Type == nil && strings.HasPrefix(spec.Names[0].Name, typeName) {
			t.Errorf("%s has no type", spec.Names[0].Name)
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("package task has no constants of the type %s", typeName)
	}
	return values
}

func content(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestStatesAndCodesAreInPackagePoolAndOnThePages(t *testing.T) {
	aliases, states := content(t, "../pool/aliases.go"), content(t, "states.md")
	for _, typeName := range []string{"State", "Code"} {
		for name, value := range constants(t, typeName) {
			if !regexp.MustCompile(`(?m)^\t` + name + ` += task\.` + name + `$`).MatchString(aliases) {
				t.Errorf("pool/aliases.go does not have %s", name)
			}
			// A code is in backquotes on the page. The code slow ends no attempt.
			shown := "\\b" + value + "\\b"
			if typeName == "Code" {
				shown = "`" + value + "`"
			}
			if value != "slow" && !regexp.MustCompile(shown).MatchString(states) {
				t.Errorf("states.md does not have %s", value)
			}
		}
	}
	_, list, _ := strings.Cut(protocol(t), "\nCodes:\n`")
	list, _, _ = strings.Cut(list, "`")
	want, got := slices.Sorted(maps.Values(constants(t, "Code"))), strings.Fields(list)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("codes (-package task +protocol.md):\n%s", diff)
	}
}

// TestKeysOfTheDoctorAreOnThePage compares the table "Other keys" with the keys and types that the
// doctor accepts.
func TestKeysOfTheDoctorAreOnThePage(t *testing.T) {
	_, table, ok := strings.Cut(content(t, "../lua/lib/doctor/names.lua"), "DoctorNames.TYPE = {")
	table, _, ok2 := strings.Cut(table, "}")
	if !ok || !ok2 {
		t.Fatal("names.lua has no table of types")
	}
	want := map[string]string{}
	for _, m := range regexp.MustCompile(`(?:\['([\w:]+)'\]|(\w+)) = '(\w+)'`).FindAllStringSubmatch(table, -1) {
		want[m[1]+m[2]] = m[3]
	}

	types := map[string]string{"sorted set": "zset", "sorted sets": "zset"}
	_, section, _ := strings.Cut(protocol(t), "\n## Other keys\n")
	section, _, _ = strings.Cut(section, "\n## ")
	got := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?`) \\| (.*?) \\|").FindAllStringSubmatch(section, -1) {
		ofRow := strings.Split(row[2], ", ")
		for i, key := range regexp.MustCompile("`([a-z:]+?)(?::[A-Z]+)?`").FindAllStringSubmatch(row[1], -1) {
			is := ofRow[min(i, len(ofRow)-1)]
			if short, ok := types[is]; ok {
				is = short
			}
			got[key[1]] = is
		}
	}
	delete(got, "broken") // has any type
	got["lock"] = got["lock:maintenance"]
	delete(got, "lock:maintenance") // the doctor accepts any lock
	delete(got, "lock:alerts")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys and types (-doctor +protocol.md):\n%s", diff)
	}
}
