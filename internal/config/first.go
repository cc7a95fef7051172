package config

import _ "embed"

// First is the file that the command init writes. Its lines that are commented out show
// the defaults.
//
//go:embed first.yaml
var First []byte
