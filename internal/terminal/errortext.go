package terminal

import "regexp"

// TidyError makes the text of an error fit for a person: it names no place in a script.
func TidyError(text string) string { return scriptPlace.ReplaceAllString(text, "") }

// scriptPlace is where in a script Redis found an error, which says nothing to
// those who did not write it.
var scriptPlace = regexp.MustCompile(` script: [0-9a-f]{40}, on @user_script:\d+\.?`)
