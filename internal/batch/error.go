package batch

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// unmadeError is the error of a batch by the lines of its file.
type unmadeError struct {
	text string
	err  error
}

func (e *unmadeError) Error() string { return e.text }

func (e *unmadeError) Unwrap() error { return e.err }

// NewError returns err with a text that lists the tasks that were not made or may not
// have been made, by the lines of the batch. place returns the file and line of a
// receipt.
func NewError(receipts []task.Receipt, place func(i int) (name string, line int), err error) error {
	return &unmadeError{text: unmade(receipts, place), err: err}
}

// Common returns why no task of a batch was made, if that is one reason for all tasks. Else
// it is "". Tasks that were not tried have no reason of their own.
func Common(receipts []task.Receipt) string {
	common := ""
	for _, r := range receipts {
		switch Outcome(r.Err) {
		case "":
			return ""
		case NotTried:
			continue
		}
		switch text := reasonOf(r.Err); {
		case common == "":
			common = text
		case common != text:
			return ""
		}
	}
	if len(receipts) < 2 {
		return ""
	}
	return common
}

// reasonOf returns the text of an error on one line.
func reasonOf(err error) string {
	return terminal.TidyError(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// maxUnmade is how many reasons an error lists. Standard output has every task.
const maxUnmade = 10

// unmade returns how many tasks were not made or may not have been made, and the reasons
// by lines. A reason that all lines have in common is there once, without the lines.
func unmade(receipts []task.Receipt, place func(i int) (name string, line int)) string {
	type reason struct {
		name        string
		first, last int // lines
		text        string
	}
	counts := map[string]int{}
	var reasons []reason
	alike := false // the last reason is that of the task before
	for i, r := range receipts {
		what := Outcome(r.Err)
		counts[what]++
		if what != Refused && what != Unknown {
			alike = false
			continue
		}
		name, line := place(i)
		if text := reasonOf(r.Err); alike && reasons[len(reasons)-1].text == text {
			reasons[len(reasons)-1].last = line
		} else {
			reasons = append(reasons, reason{name, line, line, text})
		}
		alike = true
	}
	var parts []string
	for _, c := range [][2]string{{Refused, "were refused"}, {Unknown, "may have been made or not"}, {NotTried, "were not tried after that"}} {
		if n := counts[c[0]]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d tasks %s", n, len(receipts), c[1]))
		}
	}
	if common := Common(receipts); common != "" {
		return strings.Join(parts, ", ") + ": " + common
	}
	lines := []string{strings.Join(parts, ", ")}
	for i, r := range reasons {
		if i == maxUnmade {
			lines = append(lines, fmt.Sprintf("and %d more", len(reasons)-i))
			break
		}
		at := strconv.Itoa(r.first)
		if r.last > r.first {
			at += "-" + strconv.Itoa(r.last)
		}
		lines = append(lines, fmt.Sprintf("%s:%s: %s", r.name, at, r.text))
	}
	return strings.Join(lines, "\n")
}
