package redisstore

import _ "embed"

//go:embed entry.schema.json
var entrySchema string

// EntrySchema returns the JSON Schema (draft 2020-12) of an inbox entry, as text
// that ends in a newline. ParseEntry decides what an entry is: it refuses whatever
// the schema refuses, and a few more things that a schema cannot say, which stand in
// the descriptions of the schema.
func EntrySchema() string { return entrySchema }
