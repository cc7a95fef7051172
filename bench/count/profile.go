package count

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Profile is a file of callgrind. It has the cost of each function by itself, and the cost of each
// function with all functions that it calls, by caller. The name of a function that calls itself
// through other functions ends in '2 from the second level on.
type Profile struct {
	Total int64
	self  map[string]int64
	edges map[edge]*sum
}

type edge struct{ caller, callee string }

type sum struct{ calls, cost int64 }

// Item is one line of a profile: a function or a command and its cost.
type Item struct {
	Name        string
	Cost, Calls int64
}

// read reads the format that https://valgrind.org/docs/manual/cl-format.html describes, as far as
// callgrind writes it. Names are compressed, and the line after "calls=" has the inclusive cost of
// the calls. The work of the server's timer (serverCron) is left out, because it varies with the
// machine's speed.
func read(file string) (*Profile, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := &Profile{self: map[string]int64{}, edges: map[edge]*sum{}}
	names := map[string]string{}
	name := func(v string) string {
		id, text, _ := strings.Cut(v, " ")
		if text != "" {
			names[id] = text
		}
		return names[id]
	}
	var fn, callee string
	var called *sum
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		l := lines.Text()
		key, v, ok := strings.Cut(l, "=")
		switch {
		case strings.HasPrefix(l, "totals:"):
			if p.Total, err = strconv.ParseInt(strings.TrimSpace(l[len("totals:"):]), 10, 64); err != nil {
				return nil, err
			}
		case ok && key == "fn":
			fn = name(v)
		case ok && key == "cfn":
			callee = name(v)
		case ok && key == "calls":
			n, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			if err != nil {
				return nil, err
			}
			if called = p.edges[edge{fn, callee}]; called == nil {
				called = &sum{}
				p.edges[edge{fn, callee}] = called
			}
			called.calls += n
		case l != "" && strings.IndexByte("0123456789+-*", l[0]) >= 0:
			fields := strings.Fields(l)
			cost, err := strconv.ParseInt(fields[len(fields)-1], 10, 64)
			if err != nil {
				return nil, err
			}
			if called != nil {
				called.cost += cost
				called = nil
			} else {
				p.self[fn] += cost
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if p.Total == 0 {
		return nil, fmt.Errorf("%s: no totals", filepath.Base(file))
	}
	p.Total -= p.inclusive("serverCron").cost
	return p, nil
}

// inclusive returns the cost of a function with all that it calls, for calls from outside itself.
func (p *Profile) inclusive(name string) sum {
	var all sum
	for e, c := range p.edges {
		if e.callee == name {
			all.calls += c.calls
			all.cost += c.cost
		}
	}
	return all
}

// called returns the functions that a function calls, the most expensive first.
func (p *Profile) called(caller string) []Item {
	var all []Item
	for e, c := range p.edges {
		if name, _, _ := strings.Cut(e.caller, "'"); name == caller {
			all = append(all, Item{e.callee, c.cost, c.calls})
		}
	}
	slices.SortFunc(all, func(a, b Item) int {
		return cmp.Or(cmp.Compare(b.Cost, a.Cost), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// Parts splits the total into the commands that scripts called, the most expensive first, and the
// rest. Parts that need a server with symbols are left out if it has none.
func (p *Profile) Parts() []Item {
	var parts []Item
	commands := int64(0)
	for _, c := range p.called("call") {
		name, ok := strings.CutSuffix(c.Name, "Command")
		if !ok || name == "evalSha" {
			continue
		}
		parts = append(parts, Item{strings.ToUpper(name), c.Cost, c.Calls})
		commands += c.Cost
	}
	script, call, generic := p.inclusive("evalShaCommand"), p.inclusive("scriptCall"), p.inclusive("luaRedisGenericCommand")
	parts = append(parts, Item{"checks and propagation around the commands", call.cost - commands, call.calls})
	rest := script.cost - call.cost
	if generic.cost > 0 {
		parts = append(parts, Item{"their arguments and replies between Lua and Redis", generic.cost - call.cost, generic.calls})
		rest = script.cost - generic.cost
	}
	for _, c := range p.called("luaD_precall") {
		if !strings.Contains(c.Name, "luaRedis") && !strings.HasPrefix(c.Name, "luaD_") {
			parts = append(parts, Item{"Lua function " + c.Name, c.Cost, c.Calls})
			rest -= c.Cost
		}
	}
	if reply := p.inclusive("luaReplyToRedisReply"); reply.cost > 0 {
		parts = append(parts, Item{"the reply of the script", reply.cost, reply.calls})
		rest -= reply.cost
	}
	return append(parts,
		Item{"the rest of Lua", rest, script.calls},
		Item{"request and reply on the wire", p.Total - script.cost, script.calls},
	)
}

// Heaviest returns the n functions that cost most by themselves.
func (p *Profile) Heaviest(n int) []Item {
	var all []Item
	for _, name := range slices.Sorted(maps.Keys(p.self)) {
		all = append(all, Item{Name: name, Cost: p.self[name]})
	}
	slices.SortStableFunc(all, func(a, b Item) int { return cmp.Compare(b.Cost, a.Cost) })
	return all[:min(n, len(all))]
}
