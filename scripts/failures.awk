# Reads the output of go test. Of each failed package it prints the failed tests with the beginning of their output, and the
# command that runs them again. If the time of the package ran out, it prints the tests that had not ended, and where the
# goroutines of tests wait: their frames in this module, the innermost first. flags are those of go test.

/^ *--- |^FAIL|^PASS|^ok/ || late && /^$/ { more = 0 }
more-- > 0 { tests = tests "\n    " substr($0, 1, 300) }
/^ *--- FAIL: / {
	more = 8
	tests = tests "\n    " $0
	if ($0 ~ /^---/) names = names (names ? "|" : "") $3
}
/^panic: |^fatal error: |DATA RACE/ { tests = tests "\n    " $0 }
/^panic: test timed out/ { late = 1; more = 20 }

late && /^goroutine / { goroutine = $0; frames = ""; tested = 0 }
late && /^\t.*\.go:[0-9]+/ && /ltsworker\// {
	sub(/^.*github.com\/ltsworker\/ltsworker\//, "")
	sub(/ \+0x.*/, "")
	frames = frames (frames ? " < " : " ") $0
	if (/_test\.go:/) tested = 1
}
late && (/^$/ || /^FAIL/) {
	if (tested && shown++ < 40) tests = tests "\n    " substr(goroutine frames, 1, 500)
	tested = 0
}

/^FAIL\t/ {
	print "  " $2 (tests ? tests : "\n    does not build, or ended before its tests did")
	if (names) print "    again: go test " flags "-run \"^(" names ")$\" " $2
	tests = names = ""
	late = shown = 0
}
