package docker

import "testing"

// The engine and the image of the tests, for those that cannot be in this package.
const TestImage = testImage

func SharedHost(t *testing.T) string { return sharedEngine(t).host() }
