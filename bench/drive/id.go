package drive

import (
	"strconv"
	"sync/atomic"
	"time"
)

var ids atomic.Int64

func init() { ids.Store(time.Now().UnixMilli() << 20) }

// newID appends an id of 22 characters. Like the ids of the pool's client, it has that length, and
// ids ascend.
func newID(to []byte) []byte {
	const length = 22
	var digits [20]byte
	d := strconv.AppendInt(digits[:0], ids.Add(1), 32)
	for range length - len(d) {
		to = append(to, '0')
	}
	return append(to, d...)
}
