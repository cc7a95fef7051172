package main

import "testing"

func TestPayloadHasTheSizeAskedForAndIsReadBack(t *testing.T) {
	for _, size := range []int{16, 256, 4096} {
		if got := len(item{N: 12345678, Size: size}.args().json()); got != size {
			t.Errorf("%d bytes, want %d", got, size)
		}
	}
	for _, want := range []item{{N: 7, Size: 16}, {N: 99999999, Size: 256, Sent: 1234567890123}} {
		if n, sent := scan(want.args().json()); n != want.N || sent != want.Sent {
			t.Errorf("%d, %d; want %d, %d", n, sent, want.N, want.Sent)
		}
	}
}
