// Package drive calls the scripts of a pool with a minimal client: one connection per sequence, no
// goroutines, no retries, and reply buffers that are used again. Its rate is the upper bound for
// the scripts, and its cost in Redis is the cost of the scripts.
//
// It makes tasks of one kind in the default queue and reports that they have succeeded. The tasks are
// plain: they have nothing but an id and a payload, and a label on demand.
package drive

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/lua"
)

const (
	replica = "drive"
	class   = "drive" // names the list of queues and kinds that the replica serves
	queue   = "default"
	label   = "gpu" // the replica has it
	schema  = "2"

	// MaxClaim is how many tasks one exchange may claim and report.
	MaxClaim = 250
	// MaxEnqueue is how many tasks one call may make.
	MaxEnqueue = 1000
)

// Pool is a pool on the server at an address.
type Pool struct {
	addr, kind        string
	prefix, meta      string
	enqueue, exchange *redis.Script
}

// Open loads the scripts and returns the pool.
func Open(ctx context.Context, rdb redis.Scripter, addr, name, kind string) (*Pool, error) {
	p := &Pool{
		addr: addr, kind: kind, prefix: "lts:{" + name + "}:",
		enqueue: redis.NewScript(lua.Source("enqueue")), exchange: redis.NewScript(lua.Source("exchange")),
	}
	p.meta = p.prefix + "meta"
	for _, s := range []*redis.Script{p.enqueue, p.exchange} {
		if err := s.Load(ctx, rdb).Err(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Meta returns the key of the pool's settings.
func (p *Pool) Meta() string { return p.meta }

// Join adds the replica of the sequences to the pool, with a lease that needs no renewal. Settings
// alternate between fields of meta and their values.
func (p *Pool) Join(ctx context.Context, rdb redis.Scripter, lease time.Duration, settings ...string) error {
	args := []any{
		"", schema, replica, lease.Milliseconds(), class, 0, 1, "{}", 0, "", "," + label + ",", "", "", len(settings) / 2,
	}
	for _, s := range settings {
		args = append(args, s)
	}
	args = append(args, 1, p.kind, "- - - -", 1, queue)
	return redis.NewScript(lua.Source("join")).Run(ctx, rdb, []string{p.prefix, p.meta}, args...).Err()
}

// Configure changes a setting of the pool: a field of meta and its value, "" for none.
func (p *Pool) Configure(ctx context.Context, rdb redis.Scripter, field, value string) error {
	return redis.NewScript(lua.Source("configure")).Run(ctx, rdb, []string{p.prefix, p.meta}, "", 1, field, value).Err()
}

// Sequence is one sequence of calls. Its methods must be called from one goroutine.
type Sequence struct {
	pool     *Pool
	conn     *conn
	name     string // of the enqueue sequence
	sequence int64  // number of the exchange sequence
	lease    int64  // ms
	call     int64
	seed     int64

	// Labelled gives the tasks of Enqueue a label.
	Labelled bool

	held    []claimed // to be reported by the next exchange
	nHeld   int
	kept    []claimed // to be reported by Report
	lengths []byte
	blob    []byte
	ids     []byte
}

// claimed is a claim whose tasks have ended but have not been reported.
type claimed struct {
	fence []byte
	ids   []byte // separated by spaces
	n     int
}

// Sequence connects and returns a sequence. Only sequences 1 and 2 may exchange. A name must be
// unique among all sequences that enqueue.
func (p *Pool) Sequence(sequence int, name string, lease time.Duration) (*Sequence, error) {
	c, err := dial(p.addr)
	if err != nil {
		return nil, err
	}
	return &Sequence{pool: p, conn: c, name: name, sequence: int64(sequence), lease: lease.Milliseconds()}, nil
}

// Close closes the connection.
func (l *Sequence) Close() error { return l.conn.Close() }

func (l *Sequence) begin(s *redis.Script) {
	l.call++
	l.conn.begin()
	pushAll(l.conn, "EVALSHA", s.Hash(), "2", l.pool.prefix, l.pool.meta)
}

// Enqueue makes a task per payload. Ids ascend over the calls of a process. It fails if a task was
// not made.
func (l *Sequence) Enqueue(payloads [][]byte) error {
	c := l.conn
	l.begin(l.pool.enqueue)
	push(c, l.name)
	pushInt(c, l.call)
	pushAll(c, "1", queue, "0", l.pool.kind, "0")
	if l.Labelled {
		pushAll(c, "labels="+label, "8", "", "", "", "", "", "", "", "")
	} else {
		pushAll(c, "", "0")
	}
	pushInt(c, int64(len(payloads)))
	for _, p := range payloads {
		l.ids = newID(l.ids[:0])
		push(c, l.ids)
		push(c, p)
	}
	if err := c.send(); err != nil {
		return err
	}
	n, err := c.array()
	if err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	for range n {
		if err := c.skip(); err != nil {
			return err
		}
	}
	if n != 1 {
		return fmt.Errorf("enqueue: %d tasks were not made", (n-1)/4)
	}
	return nil
}

// Held returns how many tasks the next exchange reports.
func (l *Sequence) Held() int { return l.nHeld }

// Exchange reports the tasks of the last exchange and claims n tasks; 0 claims none. It calls
// handle with the payload of each claimed task. The payload is valid only during that call.
func (l *Sequence) Exchange(n int, handle func(payload []byte)) (int, error) {
	c := l.conn
	l.begin(l.pool.exchange)
	push(c, replica)
	pushInt(c, l.sequence)
	pushInt(c, l.call)
	pushInt(c, l.lease)
	pushAll(c, "1000", class, "0")
	l.seed = (l.seed*1103515245 + 12345) & 0x7fffffff
	pushInt(c, l.seed)
	push(c, "0")
	l.pushReports()
	if n > 0 {
		pushAll(c, "1", queue)
		pushInt(c, int64(n))
	} else {
		push(c, "0")
	}
	if err := c.send(); err != nil {
		return 0, err
	}
	got, err := l.read(handle)
	if err != nil {
		return got, fmt.Errorf("exchange: %w", err)
	}
	return got, nil
}

func (l *Sequence) pushReports() {
	c := l.conn
	if len(l.held) == 0 {
		push(c, "0")
		return
	}
	pushAll(c, "1", queue)
	pushInt(c, int64(len(l.held)))
	for _, h := range l.held {
		push(c, "ok")
		push(c, h.fence)
		push(c, "1")
		pushInt(c, int64(h.n))
		for id := range bytes.SplitSeq(h.ids, []byte(" ")) {
			push(c, id)
		}
	}
}

// read reads the answer of an exchange: seven values, then four values per claim.
func (l *Sequence) read(handle func(payload []byte)) (int, error) {
	c := l.conn
	n, err := c.array()
	if err != nil {
		return 0, err
	}
	const fixed, perClaim = 7, 4
	if n < fixed || (n-fixed)%perClaim != 0 {
		return 0, fmt.Errorf("an answer of %d values", n)
	}
	if err := c.skip(); err != nil { // the time
		return 0, err
	}
	if err := c.skip(); err != nil { // the time of the next scheduled task
		return 0, err
	}
	if l.blob, err = c.bulk(l.blob); err != nil {
		return 0, err
	}
	if refused := len(l.blob) - bytes.Count(l.blob, []byte("o")); refused > 0 {
		return 0, fmt.Errorf("%d reports were refused", refused)
	}
	for range 3 { // short, ready, stops
		if err := c.skip(); err != nil {
			return 0, err
		}
	}
	state, err := c.integer()
	if err != nil {
		return 0, err
	}
	if state != 0 {
		return 0, fmt.Errorf("the replica is not in the pool, or is to drain: state %d", state)
	}
	claims := int((n - fixed) / perClaim)
	l.nHeld = 0
	for i := range claims {
		if i == len(l.held) {
			l.held = append(l.held, claimed{})
		}
		if err := l.claim(&l.held[i], handle); err != nil {
			return 0, err
		}
		l.nHeld += l.held[i].n
	}
	l.held = l.held[:claims]
	return l.nHeld, nil
}

// claim reads one claim: head, ids, lengths, records.
func (l *Sequence) claim(h *claimed, handle func(payload []byte)) (err error) {
	c := l.conn
	if h.fence, err = c.bulk(h.fence); err != nil {
		return err
	}
	if at := bytes.IndexByte(h.fence, ' '); at >= 0 {
		h.fence = h.fence[:at]
	}
	if h.ids, err = c.bulk(h.ids); err != nil {
		return err
	}
	if l.lengths, err = c.bulk(l.lengths); err != nil {
		return err
	}
	if l.blob, err = c.bulk(l.blob); err != nil {
		return err
	}
	h.n = 0
	var word []byte
	for lengths, rest := l.lengths, l.blob; len(rest) > 0; h.n++ {
		if len(lengths) > 0 { // a single word is the length of all records
			word, lengths, _ = bytes.Cut(lengths, []byte(" "))
		}
		size, err := strconv.Atoi(string(word))
		if err != nil || size <= 0 || size > len(rest) {
			return fmt.Errorf("a record of %q bytes, with %d left", word, len(rest))
		}
		_, payload, ok := bytes.Cut(rest[:size], []byte("\n"))
		if !ok {
			return fmt.Errorf("the record %q has no payload", rest[:size])
		}
		rest = rest[size:]
		handle(payload)
	}
	if ids := bytes.Count(h.ids, []byte(" ")) + 1; ids != h.n {
		return fmt.Errorf("a claim of %d ids and %d records", ids, h.n)
	}
	return nil
}

// Keep moves the held claims to Report, so that the next exchange reports nothing.
func (l *Sequence) Keep() {
	l.kept = append(l.kept, l.held...)
	l.held, l.nHeld = nil, 0
}

// Report reports all held and kept claims, one per exchange, and claims nothing.
func (l *Sequence) Report() error {
	l.Keep()
	for _, c := range l.kept {
		l.held = append(l.held[:0], c)
		if _, err := l.Exchange(0, nil); err != nil {
			return err
		}
	}
	l.kept = nil
	return nil
}
