package redisstore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compileEntrySchema compiles the schema of entries.
func compileEntrySchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(EntrySchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("entry.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("entry.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// refuses returns the error with which the schema refuses the entry, nil if it accepts it.
func refuses(s *jsonschema.Schema, entry string) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(entry))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

func TestSchemaListsTheFieldsOfAnEntry(t *testing.T) {
	var schema struct{ Properties map[string]any }
	if err := json.Unmarshal([]byte(EntrySchema()), &schema); err != nil {
		t.Fatal(err)
	}
	var fields []string
	for name := range schema.Properties {
		fields = append(fields, name)
	}
	slices.Sort(fields)
	if diff := cmp.Diff(slices.Sorted(slices.Values(entryFields)), fields); diff != "" {
		t.Errorf("fields of an entry (-parser +schema):\n%s", diff)
	}
}

func TestExamplesOfTheSchemaAreEntries(t *testing.T) {
	var schema struct{ Examples []json.RawMessage }
	if err := json.Unmarshal([]byte(EntrySchema()), &schema); err != nil || len(schema.Examples) == 0 {
		t.Fatalf("%d examples (%v)", len(schema.Examples), err)
	}
	s := compileEntrySchema(t)
	for _, e := range schema.Examples {
		if err := refuses(s, string(e)); err != nil {
			t.Error(err)
		}
		if _, err := ParseEntry(e); err != nil {
			t.Error(err)
		}
	}
}

// values returns the values to try for every field: each bound, the first value beyond it, and
// every type.
func values() []string {
	list := []string{
		`null`, `true`, `[]`, `{}`, `""`, `" "`, `"a"`, `"_"`, `".a"`, `"a.:/@+=-_Z9"`, `"a b"`, `"ä"`, `"发送"`, `"भेजना"`, `"ิก"`, `"🚀"`, `"a\ufe0f"`, `"a\u3164"`, `"葛\udb40\udd00"`, `"a\u200d"`, `true`, `false`, `"a\n"`, `"{a}"`, `"none"`, `"forever"`, `"None"`,
		`"fixed:1"`, `"fixed:0"`, `"fixed:+1"`, `"fixed:01"`, `"fixed:31536000000"`, `"fixed:999999999999"`, `"fixed:1:2"`, `"fixed:1\n"`,
		`"exponential:1:1"`, `"exponential:1"`, `"exponential:1:31536000000"`, `"exponential:0:1"`, `"linear:1"`,
		`{"a":"b"}`, `{"a":""}`, `{"":"b"}`, `{"a":1}`, `{"a":null}`, `{"a":["b"]}`, `{"a":{}}`, `["a"]`,
		headers(32, "v"), headers(33, "v"), headers(1, strings.Repeat("v", 1024)), headers(1, strings.Repeat("v", 1025)),
		fmt.Sprintf(`{%q:"v"}`, strings.Repeat("k", 1024)), fmt.Sprintf(`{%q:"v"}`, strings.Repeat("k", 1025)),
		`"` + strings.Repeat("n", 128) + `"`, `"` + strings.Repeat("n", 129) + `"`,
		`"` + strings.Repeat("?", 4096) + `"`, `"` + strings.Repeat("?", 4097) + `"`, `1.5`, `-0`, `99999999999999999999`,
	}
	for _, bound := range []int64{-128, 0, 1, 127, 1_000_000, 315_360_000_000, 7_258_118_400_000, 1 << 52} {
		list = append(list, fmt.Sprint(bound-1), fmt.Sprint(bound), fmt.Sprint(bound+1))
	}
	return list
}

func headers(n int, value string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"h%d":%q`, i, value))
	}
	return "{" + strings.Join(all, ",") + "}"
}

func TestSchemaAgreesWithTheParser(t *testing.T) {
	s := compileEntrySchema(t)
	var entries []string
	for _, v := range values() {
		entries = append(entries, v, fmt.Sprintf(`{"kind":%s}`, v), fmt.Sprintf(`{"kind":"a","unknown":%s}`, v))
		for _, field := range entryFields[1:] {
			entries = append(entries, fmt.Sprintf(`{"kind":"a",%q:%s}`, field, v), fmt.Sprintf(`{%q:%s}`, field, v))
			if field != "id" && field != "reply" {
				entries = append(entries, fmt.Sprintf(`{"kind":"a","id":"a","reply":true,%q:%s}`, field, v))
			}
		}
		entries = append(entries, fmt.Sprintf(`{"kind":"a","id":%s,"reply":true}`, v), fmt.Sprintf(`{"kind":"a","id":"a","reply":%s}`, v))
		entries = append(entries, fmt.Sprintf(`{"kind":"a","run_at_ms":%s,"delay_ms":0}`, v), fmt.Sprintf(`{"kind":"a","run_at_ms":0,"delay_ms":%s}`, v))
	}
	for _, e := range entries {
		_, parser := ParseEntry([]byte(e))
		if schema := refuses(s, e); (parser == nil) != (schema == nil) {
			t.Errorf("%.100s: the parser says %v, the schema %v", e, parser, schema)
		}
	}
}

// The parser enforces the rules that the schema can only describe in text.
func TestParserRefusesWhatTheSchemaCannotSay(t *testing.T) {
	s := compileEntrySchema(t)
	for name, e := range map[string]string{
		"bytes of a name":    `{"kind":"` + strings.Repeat("ä", 128) + `"}`,
		"name not in NFC":    `{"kind":"e\u0301"}`,
		"bytes of a key":     `{"kind":"a","unique":"` + strings.Repeat("ä", 4096) + `"}`,
		"field twice":        `{"kind":"a","kind":"a"}`,
		"fraction of zero":   `{"kind":"a","max_attempts":5.0}`,
		"exponent":           `{"kind":"a","max_attempts":1e3}`,
		"backoff downwards":  `{"kind":"a","backoff":"exponential:2:1"}`,
		"backoff for years":  `{"kind":"a","backoff":"fixed:31536000001"}`,
		"payload's size":     `{"kind":"a","payload":"` + strings.Repeat("x", 1<<20) + `"}`,
		"bytes of a header":  `{"kind":"a","headers":` + headers(1, strings.Repeat("ä", 1000)) + `}`,
		"bytes of a heading": `{"kind":"a","headers":{"` + strings.Repeat("ä", 1000) + `":"v"}}`,
	} {
		if err := refuses(s, e); err != nil {
			t.Errorf("%s: the schema says %v", name, err)
		}
		if _, err := ParseEntry([]byte(e)); err == nil {
			t.Errorf("%s: the parser says nothing", name)
		}
	}
}

func FuzzSchemaTakesWhatTheParserTakes(f *testing.F) {
	for _, v := range values() {
		f.Add([]byte(fmt.Sprintf(`{"kind":"a","headers":%s}`, v)))
	}
	f.Add([]byte(`{"kind":"k","delay_ms":5,"timeout_ms":"none","retain_ms":"forever","headers":{"a":"b"},"backoff":"exponential:1:2"}`))
	s := compileEntrySchema(f)
	f.Fuzz(func(t *testing.T, entry []byte) {
		if _, err := ParseEntry(entry); err != nil {
			return
		}
		if err := refuses(s, string(entry)); err != nil {
			t.Errorf("%q: %v", entry, err)
		}
	})
}
