package terminal

import "regexp"

// scriptPlace is the position in a script that Redis adds to an error.
var scriptPlace = regexp.MustCompile(` script: [0-9a-f]{40}, on @user_script:\d+\.?`)

// TidyError removes positions in a script from the text of an error: they mean nothing
// to a person.
func TidyError(text string) string { return scriptPlace.ReplaceAllString(text, "") }
