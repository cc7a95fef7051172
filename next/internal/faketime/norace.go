//go:build !race || go1.27

package faketime

const oneProcessor = false
