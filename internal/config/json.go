package config

import (
	"strconv"

	"go.yaml.in/yaml/v4"
)

// maxBodyValues is how many values a body may have.
const maxBodyValues = 1000

// jsonReader reads values of JSON. Their strings may be templates.
type jsonReader struct {
	*yamlReader
	at   string // the key of the whole value
	left int    // how many values may follow: an alias can repeat values without end
}

// value returns a value as encoding/json takes it.
func (r *jsonReader) value(n *yaml.Node, at string) any {
	if r.left--; r.left <= 0 {
		if r.left == 0 {
			r.add(n, r.at, "has more than %d values", maxBodyValues)
		}
		return nil
	}
	switch n = follow(n); {
	case n.Kind == yaml.MappingNode && (len(n.Content) == 0 || follow(n.Content[0]).Kind != yaml.MappingNode):
		m := map[string]any{}
		r.each(n, at, func(name, at string, k, v *yaml.Node) { m[name] = r.value(v, at) })
		return m
	case n.Kind == yaml.SequenceNode:
		list := []any{}
		for i, item := range n.Content {
			at := at + "[" + strconv.Itoa(i) + "]"
			r.lines[at] = item.Line
			list = append(list, r.value(item, at))
		}
		return list
	case n.Kind == yaml.MappingNode: // a template without quotes
		r.text(new(string))(n, at)
		return nil
	}
	var v any
	switch n.ShortTag() {
	case "!!int", "!!float", "!!bool", "!!null":
		if n.Decode(&v) != nil {
			r.add(n, at, "cannot be read")
		}
	default:
		v = n.Value // also a date
	}
	return v
}
