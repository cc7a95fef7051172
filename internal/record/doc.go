// Package record has the records of JSON output: of the commands with --json and of the API of
// the console. Times are RFC 3339 in UTC with milliseconds. Durations are in milliseconds, and
// their names end in _ms.
package record
