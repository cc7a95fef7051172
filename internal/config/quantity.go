package config

import (
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// sizeUnits are the units of sizes, the longest names first.
var sizeUnits = []struct {
	name  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}}

// maxSize is the largest size in bytes: 1 PiB.
const maxSize = 1 << 50

// size reads a number of bytes with a unit, such as 512MiB.
func (r *yamlReader) size(to *int64) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		if n.Kind == yaml.ScalarNode {
			for _, u := range sizeUnits {
				text, ok := strings.CutSuffix(n.Value, u.name)
				if !ok {
					continue
				}
				bytes, ok := decimal(text)
				if bytes *= u.bytes; ok && bytes >= 1 && bytes <= maxSize {
					*to = int64(math.Round(bytes))
					return
				}
			}
		}
		r.add(n, key, "must be a size with a unit, such as 512MiB or 1.5GiB, not %s", describe(n))
	}
}

// percent reads a percentage from least to most as a part of 1.
func (r *yamlReader) percent(to *float64, least, most float64) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		if text, ok := strings.CutSuffix(n.Value, "%"); ok && n.Kind == yaml.ScalarNode {
			if v, ok := decimal(text); ok {
				if v < least || v > most {
					r.add(n, key, "must be from %v%% to %v%%, not %s", least, most, n.Value)
					return
				}
				*to = v / 100
				return
			}
		}
		r.add(n, key, "must be a percentage such as 90%%, not %s", describe(n))
	}
}

// decimal reads a number of digits and at most one point.
func decimal(text string) (float64, bool) {
	text = strings.TrimSuffix(text, " ")
	v, err := strconv.ParseFloat(text, 64)
	// ParseFloat also takes signs, hexadecimal numbers, NaN and exponents.
	return v, err == nil && strings.Trim(text, "0123456789.") == ""
}
