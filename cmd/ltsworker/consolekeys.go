package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/internal/terminal"
)

// decodeKeys decodes a config file into the struct that into points to. The error names all unknown keys with their lines,
// and then the values that do not fit.
func decodeKeys(file string, text []byte, into any) error {
	var root yaml.Node
	switch err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&root); {
	case errors.Is(err, io.EOF): // nothing but comments
		return nil
	case err != nil:
		return usagef("%s: %v", file, err)
	}
	if len(root.Content) == 0 {
		return nil
	}
	wrong := unknownKeys(file, "", root.Content[0], reflect.TypeOf(into).Elem())
	if err := root.Decode(into); err != nil {
		wrong = append(wrong, fmt.Sprintf("%s: %v", file, err))
	}
	if len(wrong) > 0 {
		return usagef("%s", strings.Join(wrong, "\n"))
	}
	return nil
}

// unknownKeys returns a line for each key of a mapping, and of the mappings in it, that the type does not have.
func unknownKeys(file, at string, n *yaml.Node, t reflect.Type) (wrong []string) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind != yaml.MappingNode || t.Kind() != reflect.Struct {
		return nil
	}
	fields, names, others := map[string]reflect.Type{}, []string{}, false
	for i := range t.NumField() {
		name, rest, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if rest == "inline" { // has all other keys
			others = true
			continue
		}
		fields[name], names = t.Field(i).Type, append(names, name)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, name := n.Content[i], n.Content[i].Value
		switch field, ok := fields[name]; {
		case ok:
			wrong = append(wrong, unknownKeys(file, at+name+".", n.Content[i+1], field)...)
		case others || k.ShortTag() == "!!merge":
		default:
			slices.Sort(names)
			wrong = append(wrong, fmt.Sprintf("%s:%d: %s is not a key here; %s", file, k.Line, at+terminal.Cut(name, 64), spelling.Hint(name, names)))
		}
	}
	return wrong
}
