package config

import (
	"go.yaml.in/yaml/v4"

	"github.com/ltsworker/ltsworker/task"
)

// labels reads a list of labels.
func (r *yamlReader) labels(to *[]string) func(*yaml.Node, string) {
	return func(n *yaml.Node, at string) {
		r.texts(to, "[gpu, zone=eu]")(n, at)
		for i, l := range *to {
			if err := task.CheckLabel(l); err != nil {
				r.add(n.Content[i], at, "%v", err)
				return
			}
		}
	}
}
