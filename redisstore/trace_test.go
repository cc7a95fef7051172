package redisstore

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestTraceIsInWordsOfTheRecord(t *testing.T) {
	for _, c := range []struct {
		headers map[string]string
		words   string
	}{
		{map[string]string{"traceparent": parent}, "traceparent=" + parent},
		{map[string]string{"traceparent": parent, "tracestate": "a=b,c=d", "x": "y"}, `headers={"x":"y"} traceparent=` + parent + " tracestate=a=b,c=d"},
		{map[string]string{"traceparent": parent, "tracestate": "a=b, c=d"}, `headers={"traceparent":"` + parent + `","tracestate":"a=b,\u0020c=d"}`},
		{map[string]string{"traceparent": "a b"}, `headers={"traceparent":"a\u0020b"}`},
		{map[string]string{"traceparent": "", "x": "é"}, `headers={"traceparent":"","x":"é"}`},
		{map[string]string{"tracestate": "a=b"}, `headers={"tracestate":"a=b"}`},
	} {
		given := len(c.headers)
		got := headerWords(&task.Spec{Kind: "k", Headers: c.headers})
		if diff := cmp.Diff(c.words, got); diff != "" {
			t.Error(diff)
		}
		if len(c.headers) != given {
			t.Error("the headers of the caller have changed")
		}
		read := decodeTask("1", "w0 1700000000000 4468415255281665 k - "+got+"\n", "", nil)
		if diff := cmp.Diff(c.headers, read.Headers); diff != "" || read.Broken != nil {
			t.Error(diff, read.Broken)
		}
	}
}
