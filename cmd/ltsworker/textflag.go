package main

import (
	"encoding/csv"
	"errors"
	"strings"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

// errEmpty is the refusal of a value that is there and says nothing, such as
// "$UNSET" in a script: to take it for a flag that is not given would do something
// else than was asked for, and to more tasks.
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

// listFlag is a list on the command line: the flag is repeated, or its values are
// separated by commas.
type listFlag []string

func (f *listFlag) Set(s string) error {
	if strings.TrimSpace(s) == "" {
		return errEmpty
	}
	values, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil || strings.ContainsAny(s, "\r\n") { // it reads the first line only
		return errors.New("must be values with commas between them, not " + terminal.Quoted(s))
	}
	*f = append(*f, values...)
	return nil
}

func (f *listFlag) String() string { return strings.Join(*f, ",") }

// Type has the word by which the completion knows that the flag may be repeated.
func (f *listFlag) Type() string { return "stringSlice" }
