package egress

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
)

// names is a resolver whose answers change: the n-th question for an address of IPv4, from
// 1, gets answer(n).
func names(t *testing.T, answer func(n int) netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var asked atomic.Int64
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if _, err := conn.WriteTo(reply(b[:n], func() netip.Addr { return answer(int(asked.Add(1))) }), from); err != nil {
				return
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// reply answers a question for an address of IPv4, and any other one with nothing.
func reply(question []byte, answer func() netip.Addr) []byte {
	end := 12 // of the name in the first question
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5 // the last byte of the name, type and class
	isA := binary.BigEndian.Uint16(question[end-4:]) == 1
	r := append([]byte{}, question[:end]...)
	r[2], r[3] = 0x81, 0x80              // a response without an error
	copy(r[4:12], []byte{0, 1, 0, 0, 0}) // one question and no records
	binary.BigEndian.PutUint32(r[8:], 0)
	if isA {
		r[7] = 1 // one answer: the name of the question, A, IN, for 0 s, 4 bytes
		r = append(r, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		addr := answer().As4()
		r = append(r, addr[:]...)
	}
	return r
}
