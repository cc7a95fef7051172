package redisstore

import (
	"encoding/binary"
	"math/bits"

	"github.com/google/uuid"
)

// An id is a UUIDv7, written as 22 digits of base 62 in the order of ASCII. It begins with
// the time in milliseconds, so ids sort by time. Ids of one process sort in the order in
// which they were made.
const (
	idLen    = 22
	idDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// newIDs makes n ids in ascending order. It panics if the system has no random numbers.
func newIDs(n int) []string {
	text := make([]byte, 0, n*idLen)
	for range n {
		id := uuid.Must(uuid.NewV7())
		text = appendID(text, binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:]))
	}
	made := make([]string, n)
	all := string(text)
	for i := range made {
		made[i] = all[i*idLen : (i+1)*idLen]
	}
	return made
}

// appendID appends 128 bits as 22 digits.
func appendID(b []byte, hi, lo uint64) []byte {
	const tenDigits = 839299365868340224 // 62^10
	// The number is divided twice by 62^10, which leaves a quotient below 62^2.
	q, rest := hi/tenDigits, hi%tenDigits
	q2, last := bits.Div64(rest, lo, tenDigits)
	// The quotient has up to 69 bits: q above q2.
	top, middle := bits.Div64(q, q2, tenDigits)
	b = appendDigits(b, top, 2)
	b = appendDigits(b, middle, 10)
	return appendDigits(b, last, 10)
}

func appendDigits(b []byte, v uint64, n int) []byte {
	b = b[:len(b)+n]
	for i := len(b) - 1; n > 0; n-- {
		b[i] = idDigits[v%62]
		v /= 62
		i--
	}
	return b
}
