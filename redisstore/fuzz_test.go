package redisstore

import (
	"fmt"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

// nested builds from bytes a reply of a shape that a client can get.
func nested(b []byte, depth int) (any, []byte) {
	if len(b) == 0 {
		return nil, nil
	}
	kind, b := b[0], b[1:]
	switch kind % 7 {
	case 0:
		return nil, b
	case 1:
		return fmt.Errorf("error %d", kind), b
	case 2:
		return float64(kind), b
	case 3:
		return kind > 128, b
	case 4:
		n := int64(0)
		for i := 0; i < 8 && len(b) > 0; i++ {
			n, b = n<<8|int64(b[0]), b[1:]
		}
		return n, b
	case 5:
		n := min(int(kind>>3), len(b))
		return string(b[:n]), b[n:]
	default:
		list := []any{}
		for n := int(kind >> 3); n > 0 && len(b) > 0 && depth < 6; n-- {
			var v any
			v, b = nested(b, depth+1)
			list = append(list, v)
		}
		return list, b
	}
}

// FuzzReplies checks that no reply makes a decoder panic.
func FuzzReplies(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0xfe, 4, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0x2e, 0xd, 'x', 4, 0, 0, 0, 0, 0, 0, 0, 1,
		4, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Add([]byte{6, 0xfe, 0xfd})
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, _ := nested(raw, 0)
		x := task.Exchange{Replica: "r", Reports: make([]task.Report, 3), Claims: make([]task.Claim, 2)}
		if got, _, err := decodeExchange(v, &x, []int{2, 0, 1}); err == nil && (len(got.Verdicts) != 3 || len(got.Short) != 2) {
			t.Errorf("answer %+v", got)
		}
		_, _, _ = decodeStats(v)
		_ = decodeReceipts(v, make([]task.Receipt, 2), make([]task.Spec, 2))
		readReply("get", []any{v}).task("x", true)
		readReply("renew", v).attempts()
	})
}

// FuzzClaim checks that no text of a claim makes a decoder panic, and that the parts of an accepted
// claim are consistent.
func FuzzClaim(f *testing.F) {
	f.Add("7 default 1700000000000 1000 0", "a b", "39 39", record("k -", "")+record("k -", ""))
	f.Add("7 q 1700000000000 0 2 0", "a b", "40 1 1 38", record("k q", "x")+"v"+"3"+record("k q", ""))
	f.Add("7 q 1 0 0", "a b", "38", record("k q", "")+record("k q", ""))
	f.Add("7 q 1 0 0", "a", "-1", "")
	f.Add("7 q 1 0 9223372036854775807", "a", "0", "")
	f.Fuzz(func(t *testing.T, head, ids, lengths, blob string) {
		reply := []any{int64(1), int64(0), "", "f", "", "", int64(0), head, ids, lengths, blob}
		got, joined, err := decodeExchange(reply, &task.Exchange{Replica: "r", Claims: []task.Claim{{Queue: "q", N: 1}}}, nil)
		if err != nil {
			return
		}
		if !joined || len(got.Claimed) != 1 || len(got.Claimed[0].Tasks) == 0 {
			t.Fatalf("answer %+v", got)
		}
		for _, tk := range got.Claimed[0].Tasks {
			if tk == nil || tk.ID == "" || tk.State != task.Running || tk.Fence != got.Claimed[0].Fence {
				t.Errorf("task %+v", tk)
			}
		}
	})
}

// FuzzRecord checks that no record, run entry or extra makes the decoder panic. A task that is
// decoded without a finding must have all that it needs to run.
func FuzzRecord(f *testing.F) {
	f.Add(record("k q group=g headers={\"a\":\"b\"}", "p"), "", "backoff", "fixed:1")
	f.Add(record("k - timeout_ms=none", ""), "7 1 2 1700000000000 0 k r", "attempt", "x")
	f.Add("w0", " ", "", "")
	f.Fuzz(func(t *testing.T, rec, run, field, value string) {
		task := decodeTask("x", rec, run, []string{field, value, field})
		if task == nil || task.ID != "x" {
			t.Fatalf("task %+v", task)
		}
		if task.Broken == nil && (task.Kind == "" || task.Queue == "" || task.State == "") {
			t.Errorf("task %+v", task)
		}
	})
}

func FuzzEntry(f *testing.F) {
	f.Add("a b", "v", "1 2", "at", "1")
	f.Add("", "group", "- g", "meta", "{")
	f.Fuzz(func(t *testing.T, ids, field1, value1, field2, value2 string) {
		events := decodeEntry("1-1", map[string]any{"ids": ids, field1: value1, field2: value2})
		if len(events) == 0 || len(events) > maxEvents {
			t.Fatalf("%d events", len(events))
		}
		for _, e := range events {
			if e.Cursor != "1-1" || e.ID == "" && e.Broken == nil {
				t.Errorf("event %+v", e)
			}
		}
	})
}

func FuzzCursors(f *testing.F) {
	f.Add("1-2", "1-3")
	f.Add("0", "18446744073709551615-18446744073709551615")
	f.Add("-", "1-2-3")
	f.Fuzz(func(t *testing.T, a, b string) {
		ab, err := cursorBefore(a, b)
		if err != nil {
			return
		}
		ba, err := cursorBefore(b, a)
		if err != nil {
			t.Fatal("the comparison is not symmetric:  ", err)
		}
		if ab && ba {
			t.Errorf("%q and %q each sort before the other", a, b)
		}
		if same, _ := cursorBefore(a, a); same {
			t.Errorf("%q is before itself", a)
		}
	})
}
