// Package terminal writes what a person reads at a terminal: tables, bars, colours,
// questions, and text, times, durations and figures in human form. It escapes text
// from other programs, also in JSON.
//
// Commands and flags belong to cmd/ltsworker.
package terminal
