package main

import (
	"encoding/csv"
	"errors"
	"strings"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

// errEmpty is returned when a flag has an empty value, such as "$UNSET" in a script. If an empty
// value meant that the flag is not set, the command would apply to more tasks.
var errEmpty = errors.New("must not be empty")

// textFlag is text on the command line.
type textFlag string

func (f *textFlag) Set(s string) error {
	if s == "" {
		return errEmpty
	}
	*f = textFlag(s)
	return nil
}

func (f *textFlag) String() string { return string(*f) }
func (f *textFlag) Type() string   { return "string" }

// listFlag is a list on the command line. The flag may be repeated, and a value may hold several
// items separated by commas.
type listFlag []string

func (f *listFlag) Set(s string) error {
	if strings.TrimSpace(s) == "" {
		return errEmpty
	}
	values, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil || strings.ContainsAny(s, "\r\n") { // Read stops at the first line
		return errors.New("must be values with commas between them, not " + terminal.Quoted(s))
	}
	*f = append(*f, values...)
	return nil
}

func (f *listFlag) String() string { return strings.Join(*f, ",") }

// Type returns the type name that makes cobra complete a flag that may be repeated.
func (f *listFlag) Type() string { return "stringSlice" }
