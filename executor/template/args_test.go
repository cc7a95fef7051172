package template

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestArgumentsThatCouldBeMoreThanAValueAreRefused(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string // "" for accepted
	}{
		{[]string{"cut", "--url={{payload.url}}", "-size=720", "--", "{{payload.file}}"}, ""},
		{[]string{"cut", "https://h/{{id}}", "x=-{{id}}"}, ""},
		{[]string{"{{payload.program}}"}, "command[0] is the program, which must not be a template"},
		{[]string{"./{{payload.program}}"}, "command[0] is the program"},
		{[]string{"curl", "-H", "X-Id: {{id}}"}, "command[2] must not have white space before {{id}}: give the value an argument of its own"},
		{[]string{"cut", "-{{payload.opt}}"}, "must have = between the option and {{payload.opt}}"},
		{[]string{"cut", "--out{{payload.opt}}"}, "write --name={{payload.opt}}"},
		{[]string{"cut", "{{payload"}, "command[1] has a template that cannot be read"},

		{[]string{"sh", "-c", "{{payload.code}}"}, "command[2] is code of an interpreter"},
		{[]string{"/bin/bash", "-euo", "pipefail", "-c", "{{payload.code}}"}, "command[4] is code of an interpreter"},
		{[]string{"/bin/bash", "-o", "pipefail", "-ec", "eval:{{payload.code}}"}, "command[4] is code of an interpreter"},
		{[]string{"env", "A=b", "dash", "-c", "--", "{{payload.code}}"}, "is code of an interpreter"},
		{[]string{"python3.12", "-c", "{{payload.code}}"}, "is code of an interpreter"},
		{[]string{"node", "--eval={{payload.code}}"}, "is code of an interpreter"},
		{[]string{"perl", "-ne", "{{payload.code}}"}, "is code of an interpreter"},
		{[]string{`C:\Windows\CMD.EXE`, "/c", "{{payload.code}}"}, "is code of an interpreter"},
		{[]string{"sh", "-c", `cut "$1"`, "sh", "{{payload.url}}"}, ""},
		{[]string{"python3", "cut.py", "-e", "{{payload.url}}"}, ""},
		{[]string{"ssh", "-p", "{{payload.port}}", "host", "uptime"}, ""},
	} {
		_, err := ParseArgs("command", tt.args)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q: %v, want %q", tt.args, err, tt.want)
		}
	}
	_, err := ParseArgs("command", []string{"{{id}}", "ok", "-{{id}}"})
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("got %v, want both problems", err)
	}
}

func TestValueIsNeverTakenAsAnOption(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want []string // nil for refused
	}{
		{[]string{"rm", "{{payload.opt}}"}, nil},
		{[]string{"rm", "{{payload.n}}"}, nil},
		{[]string{"rm", "--", "{{payload.opt}}"}, []string{"rm", "--", "-rf"}},
		{[]string{"rm", "{{payload.opt}}", "--"}, nil},
		{[]string{"rm", "--f={{payload.opt}}"}, []string{"rm", "--f=-rf"}},
		{[]string{"rm", "./{{payload.opt}}"}, []string{"rm", "./-rf"}},
		{[]string{"rm", "{{payload.absent | default -}}"}, []string{"rm", "-"}},
		{[]string{"rm", "{{payload.dd | default x}}", "{{payload.opt}}"}, nil},
		{[]string{"rm", "{{payload.empty}}", "{{payload.url}}"}, []string{"rm", "", "https://h/a b"}},
	} {
		args, err := ParseArgs("command", tt.args)
		if err != nil {
			t.Fatal(err)
		}
		got, err := args.Fill(values(payload))
		if (err == nil) != (tt.want != nil) {
			t.Errorf("%q: %q, %v", tt.args, got, err)
		}
		if diff := cmp.Diff(tt.want, got); err == nil && diff != "" {
			t.Errorf("%q: %s", tt.args, diff)
		}
	}
	// A value -- is no end of the options.
	args, err := ParseArgs("command", []string{"rm", "x", "{{payload.a}}", "{{payload.b}}"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := args.Fill(values(`{"a":"--","b":"-rf"}`)); err == nil {
		t.Errorf("got %q", got)
	}
}

func FuzzValueStaysOneArgument(f *testing.F) {
	f.Add("{{payload.a}}", "--", "x=", `-rf`)
	f.Add("--", "{{payload.a | default -}}", "p{{payload | json}}", "a\x00b")
	f.Fuzz(func(t *testing.T, one, two, three, value string) {
		texts := []string{"cut", one, two, three, "{{payload.a}}", "--x={{payload.a}}", "--", "{{payload.a}}"}
		args, err := ParseArgs("command", texts)
		if err != nil {
			return
		}
		got, err := args.Fill(values(jsonObject(t, value)))
		if err != nil {
			return
		}
		if len(got) != len(texts) {
			t.Fatalf("%d arguments became %d", len(texts), len(got))
		}
		for i, arg := range got {
			prefix, constant := args[i].Constant()
			if strings.ContainsRune(arg, 0) && !constant || !strings.HasPrefix(arg, prefix) || constant && arg != prefix {
				t.Errorf("%q became %q", texts[i], arg)
			}
		}
		if strings.HasPrefix(got[4], "-") && !strings.Contains(strings.Join(texts[:4], "\n"), "--") {
			t.Errorf("%q is an option", got[4])
		}
	})
}
