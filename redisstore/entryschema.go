package redisstore

import _ "embed"

//go:embed entry.schema.json
var entrySchema string

// EntrySchema returns the JSON Schema (draft 2020-12) of an inbox entry, as text that
// ends in a newline. ParseEntry refuses every entry that the schema refuses. It also
// checks the rules that are only in the descriptions of the schema.
func EntrySchema() string { return entrySchema }
