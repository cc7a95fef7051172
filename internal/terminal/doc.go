// Package terminal writes what a person reads at a terminal: tables, bars, colours,
// questions, and text, times, durations and figures in human form. It makes text from
// others safe to show, also in JSON.
//
// It knows nothing of commands and flags: these belong to cmd/ltsworker.
package terminal
