package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// args is the payload. With only a number of eight digits it is 16 bytes of JSON.
type args struct {
	N string `json:"n"`
	T int64  `json:"t,omitempty"`
	P string `json:"p,omitempty"`
}

// Kind makes args a type of arguments for ltsworker and River.
func (args) Kind() string { return kind }

func (t item) args() args {
	a := args{N: fmt.Sprintf("%08d", t.N), T: t.Sent}
	if short := t.Size - len(a.json()) - len(`,"p":""`); short > 0 {
		a.P = strings.Repeat("x", short)
	}
	return a
}

func (a args) json() []byte {
	b, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings and a number can always be encoded
	}
	return b
}

func (a args) number() int {
	n, err := strconv.Atoi(a.N)
	if err != nil {
		return -1
	}
	return n
}

// scan decodes a payload of args without allocating, for systems whose handlers get bytes.
func scan(payload []byte) (n int, sent int64) {
	const head, next = len(`{"n":"`), len(`{"n":"00000000"`)
	if len(payload) < next {
		return -1, 0
	}
	for _, c := range payload[head : head+8] {
		n = n*10 + int(c-'0')
	}
	if rest := payload[next:]; len(rest) > 5 && string(rest[:5]) == `,"t":` {
		for _, c := range rest[5:] {
			if c < '0' || c > '9' {
				break
			}
			sent = sent*10 + int64(c-'0')
		}
	}
	return n, sent
}
