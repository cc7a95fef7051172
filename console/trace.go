package console

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/ltsworker/ltsworker/task"
)

const traceID = "{trace_id}" // of Options.TraceURL

// checkTraceURL returns what is wrong with an Options.TraceURL.
func checkTraceURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(strings.ReplaceAll(text, traceID, "0"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("must be an address with http or https, such as https://traces.example/trace/%s, not %q", traceID, text)
	}
	if !strings.Contains(text, traceID) {
		return fmt.Errorf("must have %s in the place of the id", traceID)
	}
	if before, _, _ := strings.Cut(text, traceID); strings.Count(before, "/") < 3 && !strings.ContainsAny(before, "?#") {
		return errors.New("must have " + traceID + " behind the host")
	}
	return nil
}

// traceOf returns the address of the trace of a task's producer; "" if the task has none or no
// address is configured.
func (c *Console) traceOf(t *task.Task) string {
	if c.opts.TraceURL == "" {
		return ""
	}
	parent := t.Headers["traceparent"]
	for name, value := range t.Headers {
		if parent == "" && strings.EqualFold(name, "traceparent") {
			parent = value
		}
	}
	part := traceparent.FindStringSubmatch(parent)
	if part == nil || strings.Trim(part[1], "0") == "" {
		return ""
	}
	return strings.ReplaceAll(c.opts.TraceURL, traceID, part[1])
}

// traceparent matches the header of W3C Trace Context with any version.
var traceparent = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-|$)`)
