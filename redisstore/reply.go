package redisstore

import "fmt"

// replyReader decodes a script's reply. A reply of an unexpected shape is an error and
// never a panic: it may come from a proxy or from another kind of server.
type replyReader struct {
	what string
	vals []any
	err  error
}

func readReply(what string, v any) *replyReader {
	r := &replyReader{what: what}
	r.vals, _ = v.([]any)
	if r.vals == nil {
		r.fail("a list", v)
	}
	return r
}

// readSingle is readReply for a reply of one value.
func readSingle(what string, v any) *replyReader { return &replyReader{what: what, vals: []any{v}} }

func (r *replyReader) fail(want string, got any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: the reply has %T instead of %s", r.what, got, want)
	}
}

func (r *replyReader) more() bool { return r.err == nil && len(r.vals) > 0 }

func (r *replyReader) next() any {
	if len(r.vals) == 0 {
		r.fail("one more value", nil)
		return nil
	}
	v := r.vals[0]
	r.vals = r.vals[1:]
	return v
}

func (r *replyReader) int() int64 {
	v := r.next()
	n, ok := v.(int64)
	if !ok {
		r.fail("a whole number", v)
	}
	return n
}

func (r *replyReader) string() string {
	v := r.next()
	s, ok := v.(string)
	if !ok {
		r.fail("a string", v)
	}
	return s
}

func (r *replyReader) list() *replyReader {
	l := readReply(r.what, r.next())
	if l.err != nil && r.err == nil {
		r.err = l.err
	}
	return l
}

// strings takes the remaining values as strings.
func (r *replyReader) strings() []string {
	out := make([]string, 0, len(r.vals))
	for r.more() {
		out = append(out, r.string())
	}
	return out
}
