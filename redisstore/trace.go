package redisstore

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/ltsworker/ltsworker/task"
)

// The headers with the trace of the producer are words of the record. So the scripts need not
// decode the headers of each task that has only them, and its last event shares an entry with
// others: it does not have them.
const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

// addHeaders adds the words of headers to those of a record.
func addHeaders(headers map[string]string, add func(name, value string)) {
	if len(headers) == 0 {
		return
	}
	parent, state := headers[traceParent], headers[traceState]
	if isWord(parent) && (state == "" || isWord(state)) {
		headers = maps.Clone(headers)
		delete(headers, traceParent)
		delete(headers, traceState)
	} else {
		parent, state = "", ""
	}
	if len(headers) > 0 {
		j, _ := json.Marshal(headers) // never fails for strings
		add("headers", strings.ReplaceAll(string(j), " ", `\u0020`))
	}
	add(traceParent, parent)
	add(traceState, state)
}

// isWord reports whether a word of a record may have the value.
func isWord(v string) bool {
	return v != "" && strings.IndexFunc(v, func(c rune) bool { return c <= ' ' || c > '~' }) < 0
}

// setTrace adds headers to those of a task.
func setTrace(t *task.Task, trace map[string]string) {
	if t.Headers == nil {
		t.Headers = trace
		return
	}
	maps.Copy(t.Headers, trace)
}
