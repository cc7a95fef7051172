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
	glua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

func TestMain(m *testing.M) { os.Exit(redisserver.Main(m)) }

// names lists the scripts that match a pattern.
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

// header returns the lines of the comment at the beginning of a file.
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
		for _, want := range []string{"-- KEYS  prefix, meta", "-- Returns ", "-- Keeps: ", "-- uses: "} {
			if !slices.ContainsFunc(h, func(l string) bool { return strings.HasPrefix(l, want) }) {
				t.Errorf("%s.lua has no line %q in its header", name, want)
			}
		}
		says := slices.ContainsFunc(h, func(l string) bool { return strings.HasPrefix(l, "-- ARGV  ") })
		if uses := strings.Contains(strings.Join(strings.Split(read(name+".lua"), "\n")[len(h):], "\n"), "ARGV"); uses != says {
			t.Errorf("%s.lua uses ARGV: %v, its header describes ARGV: %v", name, uses, says)
		}
	}
	for _, name := range append(names(t, "lib/*.lua"), names(t, "lib/doctor/*.lua")...) {
		if h := header(read(name + ".lua")); len(h) == 0 || len(h[0]) < 10 {
			t.Errorf("%s.lua does not state its purpose", name)
		}
	}
}

func TestScriptsUseWhatExistsAndNothingIsUnused(t *testing.T) {
	unused := append(names(t, "lib/*.lua"), names(t, "lib/doctor/*.lua")...)
	for _, name := range names(t, "*.lua") {
		for _, part := range parts(name) {
			unused = slices.DeleteFunc(unused, func(u string) bool { return u == "lib/"+part })
		}
		listed := append(listed(read(name+".lua"), "hot"), listed(read(name+".lua"), "on use")...)
		for i, part := range listed {
			if !slices.Contains(parts(name), part) {
				t.Errorf("%s.lua lists %s as hot or on use and does not use it", name, part)
			}
			if slices.Contains(listed[:i], part) {
				t.Errorf("%s.lua lists %s twice", name, part)
			}
		}
	}
	unused = slices.DeleteFunc(unused, func(u string) bool { return u == "lib/base" })
	if len(unused) > 0 {
		t.Errorf("no script uses %v", unused)
	}
}

// Lua reads a field that no part defines as nil, and only when it runs the line.
func TestPartsAreUsedAsTheyAre(t *testing.T) {
	defined := map[string][]string{} // fields of each table
	paths := append(names(t, "lib/*.lua"), names(t, "lib/doctor/*.lua")...)
	for _, path := range paths {
		part := strings.TrimPrefix(path, "lib/")
		defined[table(part)] = fields(part)
	}
	for _, path := range append(paths, names(t, "*.lua")...) {
		own, named := table(strings.TrimPrefix(path, "lib/")), []string{}
		for _, part := range uses(path + ".lua") {
			named = append(named, table(part))
		}
		for _, m := range field.FindAllStringSubmatch(bare(read(path+".lua")), -1) {
			part, name := m[2], m[3]
			switch {
			case !slices.Contains(defined[part], name):
				t.Errorf("%s.lua reads %s.%s, which no part defines", path, part, name)
			case part != own && !slices.Contains(named, part):
				t.Errorf("%s.lua does not name %s among the parts that it uses", path, part)
			}
		}
	}
}

// provided lists the globals that Redis provides.
var provided = []string{"redis", "KEYS", "ARGV", "cjson", "string", "table", "math", "tonumber", "tostring", "type", "pairs",
	"ipairs", "next", "select", "unpack", "pcall", "error", "setmetatable"}

// A part that is missing, or follows a part that uses it, leaves its name undefined. Lua then reads
// a global, which is nil.
func TestNoScriptHasAFreeName(t *testing.T) {
	for _, name := range names(t, "*.lua") {
		chunk, err := parse.Parse(strings.NewReader(Source(name)), name)
		if err != nil {
			t.Errorf("%s.lua: %v", name, err)
			continue
		}
		proto, err := glua.Compile(chunk, name)
		if err != nil {
			t.Errorf("%s.lua: %v", name, err)
			continue
		}
		if free := globals(proto); len(free) > 0 {
			t.Errorf("%s.lua has free names: %v", name, free)
		}
	}
}

// globals returns the names that a function and its inner functions use as globals, without the
// names in provided.
func globals(proto *glua.FunctionProto) []string {
	var free []string
	for _, inst := range proto.Code {
		if op := int(inst >> 26); op != glua.OP_GETGLOBAL && op != glua.OP_SETGLOBAL {
			continue
		}
		name := glua.LVAsString(proto.Constants[inst&0x3ffff])
		if !slices.Contains(provided, name) && !slices.Contains(free, name) {
			free = append(free, name)
		}
	}
	for _, inner := range proto.FunctionPrototypes {
		for _, name := range globals(inner) {
			if !slices.Contains(free, name) {
				free = append(free, name)
			}
		}
	}
	return free
}

func TestFilesStayShort(t *testing.T) {
	for _, pattern := range []string{"*.lua", "lib/*.lua", "lib/doctor/*.lua"} {
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

// A cluster refuses a script that uses a key of another slot than the keys that the call names.
// Every key that is built from the prefix has its hash tag, and so its slot.
func TestScriptsMakeEveryKeyFromThePrefix(t *testing.T) {
	literal := regexp.MustCompile(`call\('[A-Z]+', *'`)
	subcommand := regexp.MustCompile(`'(XGROUP|XINFO|XREADGROUP)', '[A-Z]+'`)
	for _, pattern := range []string{"*.lua", "lib/*.lua", "lib/doctor/*.lua"} {
		for _, name := range names(t, pattern) {
			if m := literal.FindString(subcommand.ReplaceAllString(read(name+".lua"), "'$1'")); m != "" {
				t.Errorf("%s.lua: %q builds a key without the prefix", name, m)
			}
		}
	}
}

// Redis compiles a script on load, miniredis on the first run.
// A script that meets a command that its user may not run stops half-way, so the
// commands are checked before.
func TestRightsCoverEveryCommandOfTheScripts(t *testing.T) {
	rights := read("rights.lua")
	command := regexp.MustCompile(`(?:call|soft)\('([A-Z_]+)'|in_parts\([^']*'([A-Z]+)'`)
	for _, name := range slices.Concat(names(t, "*.lua"), names(t, "lib/*.lua"), names(t, "lib/doctor/*.lua")) {
		for _, m := range command.FindAllStringSubmatch(read(name+".lua"), -1) {
			if used := m[1] + m[2]; !strings.Contains(rights, "{ '"+used+"'") {
				t.Errorf("%s.lua uses %s, which rights.lua does not check", name, used)
			}
		}
	}
}

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
	for _, m := range regexp.MustCompile(`newScript\("([a-z]+)"`).FindAllSubmatch(text, -1) {
		loaded = append(loaded, string(m[1]))
	}
	slices.Sort(loaded)
	if have := names(t, "*.lua"); !slices.Equal(have, loaded) {
		t.Errorf("scripts %v, loaded %v", have, loaded)
	}
}

// The stream of events stays bounded only if each step that appends to it also trims it.
func TestEveryScriptThatAppendsEventsTrimsTheStream(t *testing.T) {
	trims := regexp.MustCompile(`(?m)^(Trim\.(close|account)|Make\.close)\(`)
	for _, name := range names(t, "*.lua") {
		appends := slices.Contains(parts(name), "event") && strings.Contains(Source(name), "Event.add(")
		if text := read(name + ".lua"); appends && !trims.MatchString(text) {
			t.Errorf("%s.lua can append events and does not trim the stream", name)
		}
	}
}
