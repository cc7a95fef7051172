package redisstore

import _ "embed"

//go:embed entry.schema.json
var entrySchema string

// EntrySchema returns the JSON Schema (draft 2020-12) of an inbox entry, as text
// that ends in a newline. ParseEntry decides what an entry is: it refuses
// everything that the schema refuses, and what only the descriptions of the schema say.
func EntrySchema() string { return entrySchema }
