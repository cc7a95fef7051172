// Package spelling suggests corrections of a command, a flag, a key or a name.
package spelling

import "strings"

// Nearest returns the candidate that word was probably meant to be, or "" if none is
// close. A candidate is close if at most a third of the longer word differs (one letter if it has two).
// Otherwise, if word has at least three letters, it is the only candidate that begins with word.
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", -1
	for _, c := range candidates {
		longer := max(len(word), len(c))
		d := distance(strings.ToLower(word), strings.ToLower(c))
		if d <= max(longer/3, 1) && d < longer && (bestDistance < 0 || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	if best != "" || len(word) < 3 {
		return best
	}
	for _, c := range candidates {
		if strings.HasPrefix(strings.ToLower(c), strings.ToLower(word)) {
			if best != "" {
				return ""
			}
			best = c
		}
	}
	return best
}

// Hint returns the end of a message about a word that must be one of the candidates: the nearest one, or all if none is
// close.
func Hint(word string, candidates []string) string {
	if near := Nearest(word, candidates); near != "" {
		return "did you mean " + near + "?"
	}
	return "there are " + strings.Join(candidates, ", ")
}

// distance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
