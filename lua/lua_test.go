package lua

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

func TestMain(m *testing.M) { os.Exit(redisserver.Main(m)) }

// names lists the scripts, or those of a folder.
func names(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v, %v", pattern, paths, err)
	}
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(filepath.ToSlash(p), ".lua")
	}
	return paths
}

// header is the comment that a file begins with.
func header(text string) []string {
	lines := strings.Split(text, "\n")
	end := slices.IndexFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "--") })
	return lines[:end]
}

func TestEveryScriptSaysWhatItDoes(t *testing.T) {
	for _, name := range names(t, "*.lua") {
		h := header(read(name + ".lua"))
		if !strings.HasPrefix(h[0], "-- "+name+": ") || !strings.HasSuffix(h[0], ".") && len(h) < 3 {
			t.Errorf("%s.lua begins with %q, want its name and one sentence", name, h[0])
		}
		for _, want := range []string{"-- KEYS  prefix, meta", "-- Returns ", "-- Keeps: ", "-- uses: base"} {
			if !slices.ContainsFunc(h, func(l string) bool { return strings.HasPrefix(l, want) }) {
				t.Errorf("%s.lua has no line %q in its header", name, want)
			}
		}
		says := slices.ContainsFunc(h, func(l string) bool { return strings.HasPrefix(l, "-- ARGV  ") })
		if uses := strings.Contains(strings.Join(strings.Split(read(name+".lua"), "\n")[len(h):], "\n"), "ARGV"); uses != says {
			t.Errorf("%s.lua uses ARGV: %v, its header describes it: %v", name, uses, says)
		}
	}
	for _, name := range names(t, "lib/*.lua") {
		if h := header(read(name + ".lua")); len(h) == 0 || len(h[0]) < 10 {
			t.Errorf("%s.lua does not say what it is for", name)
		}
	}
}

func TestScriptsUseWhatExistsAndNothingIsUnused(t *testing.T) {
	unused := names(t, "lib/*.lua")
	for _, name := range names(t, "*.lua") {
		libs := strings.Fields(uses.FindStringSubmatch(read(name + ".lua"))[1])
		for i, lib := range libs {
			if slices.Contains(libs[:i], lib) {
				t.Errorf("%s.lua uses %s twice", name, lib)
			}
			if _, err := files.ReadFile("lib/" + lib + ".lua"); err != nil {
				t.Errorf("%s.lua uses %s, which does not exist", name, lib)
			}
			unused = slices.DeleteFunc(unused, func(u string) bool { return u == "lib/"+lib })
		}
	}
	if len(unused) > 0 {
		t.Errorf("no script uses %v", unused)
	}
}

func TestFilesStayShort(t *testing.T) {
	for _, pattern := range []string{"*.lua", "lib/*.lua"} {
		for _, name := range names(t, pattern) {
			lines := strings.Split(read(name+".lua"), "\n")
			if len(lines) > 150 {
				t.Errorf("%s.lua has %d lines", name, len(lines))
			}
			for i, l := range lines {
				if len(l) > 125 || strings.TrimRight(l, " \t\r") != l || strings.Contains(l, "\t") {
					t.Errorf("%s.lua:%d is too long, ends in a space or has a tab: %q", name, i+1, l)
				}
			}
		}
	}
}

// A cluster refuses a script that reaches for keys it did not name, unless all
// share the hash tag of those it named; every key is made from the prefix.
func TestScriptsMakeEveryKeyFromThePrefix(t *testing.T) {
	literal := regexp.MustCompile(`call\('[A-Z]+', *'`)
	for _, pattern := range []string{"*.lua", "lib/*.lua"} {
		for _, name := range names(t, pattern) {
			if m := literal.FindString(read(name + ".lua")); m != "" {
				t.Errorf("%s.lua: %q names a key of its own", name, m)
			}
		}
	}
}

// Redis compiles on load, miniredis on the first run.
func TestEveryScriptCompiles(t *testing.T) {
	ctx := context.Background()
	real := redisserver.Shared(t).Client(t)
	mini := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	defer mini.Close()
	for _, name := range names(t, "*.lua") {
		source := Source(name)
		if err := real.ScriptLoad(ctx, source).Err(); err != nil {
			t.Errorf("%s.lua: redis: %v", name, err)
		}
		if err := mini.Eval(ctx, "do return 1 end\n"+source, []string{"lts:{t}:", "lts:{t}:meta"}).Err(); err != nil {
			t.Errorf("%s.lua: miniredis: %v", name, err)
		}
	}
}

func TestEveryScriptIsLoadedAndEveryLoadedScriptExists(t *testing.T) {
	text, err := os.ReadFile("../redisstore/script.go")
	if err != nil {
		t.Fatal(err)
	}
	var loaded []string
	for _, m := range regexp.MustCompile(`script\("([a-z]+)"\)`).FindAllSubmatch(text, -1) {
		loaded = append(loaded, string(m[1]))
	}
	slices.Sort(loaded)
	if have := names(t, "*.lua"); !slices.Equal(have, loaded) {
		t.Errorf("scripts %v, loaded %v", have, loaded)
	}
}
