package terminal

import "testing"

func TestErrorTextNamesNoPlaceInAScript(t *testing.T) {
	const place = " script: 55b5e1da6d2039616899512b7f003331ebe4c46a, on @user_script:356."
	for in, want := range map[string]string{
		"enqueue: OOM not allowed." + place + " (do this)": "enqueue: OOM not allowed. (do this)",
		"ERR no." + place:  "ERR no.",
		"task t: get: EOF": "task t: get: EOF",
		"":                 "",
	} {
		if got := TidyError(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
