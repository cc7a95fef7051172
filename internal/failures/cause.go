package failures

import (
	"regexp"
	"strings"

	"github.com/ltsworker/ltsworker/task"
)

// words matches what may differ between errors with the same cause: groups of hexadecimal digits
// with hyphens, such as a UUID, other words that are long enough for an id, and numbers.
var (
	words   = regexp.MustCompile(`[0-9a-fA-F]{4,}(?:-[0-9a-fA-F]{4,})+|[0-9A-Za-z]{6,}|[0-9]+`)
	numbers = regexp.MustCompile(`[0-9]+`)
)

// common returns an error with "#" in place of each number and id.
func common(text string) string {
	return words.ReplaceAllStringFunc(text, func(word string) string {
		if isID(word) {
			return "#"
		}
		return numbers.ReplaceAllString(word, "#")
	})
}

// isID reports whether a word is an id and no name: hexadecimal, or with letters and digits by turns.
// A name may have a number in it, such as postgres14 and sha256sum.
func isID(word string) bool {
	digits, hexadecimal, turns := 0, true, 0
	for i := range len(word) {
		digit := isDigit(word[i])
		if digit {
			digits++
		} else if c := word[i] | 0x20; word[i] != '-' && (c < 'a' || c > 'f') {
			hexadecimal = false
		}
		if i > 0 && digit != isDigit(word[i-1]) {
			turns++
		}
	}
	switch {
	case digits == 0:
		return hexadecimal && len(word) >= 8
	case hexadecimal:
		return len(word) >= 6
	}
	return len(word) >= 8 && turns >= 3
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// maxCause bounds a cause, in runes: a query has it.
const maxCause = 300

// Cause returns what failed tasks that failed alike have in common: the code unless it is "error",
// and the error with # in place of each number and id, on one line and without double quotes, so
// that a query can name it. Tasks with a long common beginning have one cause.
func Cause(t *task.Task) string {
	text := t.Error
	switch {
	case text == "":
		text = string(t.Code)
	case t.Code != task.CodeError && t.Code != "":
		text = string(t.Code) + ": " + text
	}
	text = strings.ReplaceAll(strings.Join(strings.Fields(common(task.CutHead(text, 16*maxCause))), " "), `"`, "")
	if runes := []rune(text); len(runes) > maxCause {
		return string(runes[:maxCause]) + "…"
	}
	return text
}
