package trigger

import _ "embed"

//go:embed entry.schema.json
var entrySchema string

// EntrySchema returns the JSON Schema (draft 2020-12) of an entry of triggers:inbox, as text
// that ends in a newline. A replica also checks the rules that are only in the descriptions of
// the schema, and that the schedule fires.
func EntrySchema() string { return entrySchema }
