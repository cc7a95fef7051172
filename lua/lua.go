// Package lua holds the atomic transitions of a pool, one script per file. The header
// of a script says what it does, its KEYS and ARGV, what it returns and the invariant
// that it keeps. Parts that scripts share are in lib/. Scripts and parts name the parts
// that they need in a "uses" line. Source puts each part once in front of the script.
//
// Only the scripts write a pool's state. Each takes the prefix of the pool's keys as
// KEYS[1] and its hash of settings as KEYS[2], and builds every other key from the
// prefix, so that a pool is in one slot of a cluster. Scripts read the time from Redis.
//
// A part other than base is a table of functions: lib/queue.lua is Queue, with the
// function Queue.insert. Redis creates every function of a script again at every call,
// which takes time. A script that runs often therefore names the parts that every call
// needs in a "hot" line. Each "on use" line names parts that are created together when
// the first one is used, and so are all parts that no such line names.
package lua

import (
	"embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

//go:embed *.lua lib
var files embed.FS

var (
	// field matches a field of a part's table. defines matches the beginning of a line that
	// defines one or more fields.
	field   = regexp.MustCompile(`(^|[^\w.'])([A-Z][A-Za-z]+)\.([A-Za-z_]\w*)`)
	defines = regexp.MustCompile(`^(function )?([A-Z]\w*\.\w+)(, [A-Z]\w*\.\w+)*( =|\()`)
)

// Source returns the complete text of the script in NAME.lua without comments: the
// parts that it uses, directly or through other parts, then the script. It panics if
// there is no such script: the set is fixed when the program is built.
func Source(name string) string {
	text, made := sources.Load(name)
	if !made {
		text, _ = sources.LoadOrStore(name, source(name))
	}
	return text.(string)
}

// sources caches the results of Source by the name of the script.
var sources sync.Map

func source(name string) string {
	body := read(name + ".lua")
	hot, groups := grouped(name)
	access := map[string]string{} // the call that returns the group of a part, by the part's table
	var uses []string
	for i, group := range groups {
		uses = append(uses, fmt.Sprintf("use_%d", i+1))
		for _, part := range group {
			access[table(part)] = uses[i] + "()."
		}
	}
	var created strings.Builder
	for i, group := range groups {
		others := maps.Clone(access)
		for _, part := range group {
			delete(others, table(part))
		}
		fmt.Fprintf(&created, "%s = function()\n%s%slocal group = {}\n", uses[i], tables(group), accessed(bare(texts(group)), others))
		for _, part := range group {
			fmt.Fprintf(&created, "group.%[1]s = %[1]s\n", table(part))
		}
		fmt.Fprintf(&created, "%s = function() return group end\nreturn group\nend\n", uses[i])
	}
	// In this order: see lib/base.lua. The functions use_1, … are declared first and created
	// last, so that they are not among the variables that Lua passes for each hot function.
	first := ""
	if len(uses) > 0 {
		first = "local " + strings.Join(uses, ", ") + "\n"
	}
	return first + tables(hot) + bare(read("lib/base.lua")) + accessed(bare(texts(hot)), access) + created.String() + accessed(bare(body), access)
}

// grouped returns the parts of a script that every call needs, and the groups of the
// others. All parts of a group are created when the first one is used.
func grouped(name string) (hot []string, groups [][]string) {
	body, all := read(name+".lua"), parts(name)
	often := lines(body, "hot")
	if often == nil {
		return all, nil
	}
	groups = append(lines(body, "on use"), nil)
	of := map[string]int{}
	for i, group := range groups {
		for _, part := range group {
			of[part] = i
		}
		groups[i] = nil
	}
	for _, part := range all {
		i, named := of[part]
		switch {
		case slices.Contains(slices.Concat(often...), part):
			hot = append(hot, part)
		case named:
			groups[i] = append(groups[i], part)
		default:
			groups[len(groups)-1] = append(groups[len(groups)-1], part)
		}
	}
	return hot, slices.DeleteFunc(groups, func(group []string) bool { return group == nil })
}

// accessed returns a text in which the fields of the tables in access are read through the
// functions named there.
func accessed(text string, access map[string]string) string {
	if len(access) == 0 {
		return text
	}
	return field.ReplaceAllStringFunc(text, func(found string) string {
		m := field.FindStringSubmatch(found)
		return m[1] + access[m[2]] + m[2] + "." + m[3]
	})
}

// bare is a text without the lines that are a comment or empty.
func bare(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for line := range strings.Lines(text) {
		if code := strings.TrimLeft(line, " "); code != "\n" && !strings.HasPrefix(code, "--") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// tables returns the definitions of the parts' tables. Each has all its fields from the
// start, because a table that grows takes more time.
func tables(parts []string) string {
	var b strings.Builder
	for _, part := range parts {
		fmt.Fprintf(&b, "local %s = {", table(part))
		for _, name := range fields(part) {
			fmt.Fprintf(&b, " %s = false,", name)
		}
		b.WriteString(" }\n")
	}
	return b.String()
}

// texts returns the text of the parts. Each is a block, so its local names are its own.
func texts(parts []string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteString("do\n" + read("lib/"+part+".lua") + "end\n")
	}
	return b.String()
}

// fields returns the names of the fields that a part defines in its table.
func fields(part string) []string {
	if names, known := fieldsOf.Load(part); known {
		return names.([]string)
	}
	var names []string
	for line := range strings.Lines(bare(read("lib/" + part + ".lua"))) {
		if !strings.HasPrefix(line, "function ") && (line[0] < 'A' || line[0] > 'Z') {
			continue // most lines, and the pattern is slow
		}
		for _, m := range field.FindAllStringSubmatch(defines.FindString(line), -1) {
			names = append(names, m[3])
		}
	}
	fieldsOf.Store(part, names)
	return names
}

// fieldsOf caches the results of fields: many scripts share a part.
var fieldsOf sync.Map

// table returns the name of a part's table, such as DoctorKeys for doctor/keys.
func table(part string) string {
	var b strings.Builder
	for _, word := range strings.Split(part, "/") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// parts returns the names of all parts but base that a script needs. Each comes after
// the parts that it uses itself.
func parts(name string) []string {
	var order, path []string
	var add func(file string)
	add = func(file string) {
		for _, part := range uses(file) {
			if slices.Contains(path, part) {
				panic(fmt.Sprintf("lua: %v use each other", append(path, part)))
			}
			if part == "base" || slices.Contains(order, part) {
				continue
			}
			path = append(path, part)
			add("lib/" + part + ".lua")
			path = path[:len(path)-1]
			order = append(order, part)
		}
	}
	add(name + ".lua")
	return order
}

// uses returns the parts in the "uses" lines of a file.
func uses(file string) []string { return listed(read(file), "uses") }

// listed returns the words of the lines of a header that begin with what.
func listed(text, what string) []string { return slices.Concat(lines(text, what)...) }

// lines returns the words of each line of a header that begins with what.
func lines(text, what string) [][]string {
	var all [][]string
	for line := range strings.Lines(text) {
		if words, found := strings.CutPrefix(line, "-- "+what+": "); found {
			all = append(all, strings.Fields(words))
		}
	}
	return all
}

func read(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic("lua: " + err.Error())
	}
	return string(text)
}
